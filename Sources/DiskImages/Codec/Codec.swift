internal import CZlib
internal import CZstd

/// How units of images are compressed; the one place that knows zlib and zstd.
package enum Codec: String, Sendable, Hashable {
    /// DEFLATE without a header (RFC 1951), with a window of 4 KiB as qcow and qcow2 write it.
    case deflate
    /// DEFLATE in a zlib stream (RFC 1950).
    case zlib
    /// A Zstandard frame (RFC 8878).
    case zstd

    /// Expands a unit, behind whose end there may be other bytes.
    ///
    /// - Returns: Exactly `count` bytes; nil where the unit is damaged or has another length.
    package func expand(_ bytes: [UInt8], to count: Int) -> [UInt8]? {
        switch self {
        case .deflate: inflate(bytes, to: count, windowBits: -MAX_WBITS)
        case .zlib: inflate(bytes, to: count, windowBits: MAX_WBITS)
        case .zstd: expandFrame(bytes, to: count)
        }
    }

    /// Compresses a unit.
    ///
    /// - Parameter limit: The most that the compressed unit may have.
    /// - Returns: The unit; nil where it would be larger than the limit.
    package func compress(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        switch self {
        case .deflate: deflate(bytes, limit: limit, windowBits: -12)
        case .zlib: deflate(bytes, limit: limit, windowBits: MAX_WBITS)
        case .zstd: compressFrame(bytes, limit: limit)
        }
    }

    private func inflate(_ bytes: [UInt8], to count: Int, windowBits: Int32) -> [UInt8]? {
        var stream = unsafe z_stream()
        guard unsafe storlib_inflate_init(&stream, windowBits) == Z_OK else { return nil }
        defer { unsafe inflateEnd(&stream) }
        var bytes = bytes
        var output = [UInt8](repeating: 0, count: count)
        // SAFETY: zlib reads and writes within the two buffers, whose lengths it is given.
        let isWhole = unsafe bytes.withUnsafeMutableBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe stream.next_in = source.baseAddress
                unsafe stream.avail_in = UInt32(clamping: source.count)
                unsafe stream.next_out = target.baseAddress
                unsafe stream.avail_out = UInt32(clamping: target.count)
                let result = unsafe CZlib.inflate(&stream, Z_FINISH)
                // QEMU takes a stream that fills the cluster for whole, at its end or not.
                return unsafe (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0
            }
        }
        return isWhole ? output : nil
    }

    private func deflate(_ bytes: [UInt8], limit: Int, windowBits: Int32) -> [UInt8]? {
        var stream = unsafe z_stream()
        guard unsafe storlib_deflate_init(&stream, Z_DEFAULT_COMPRESSION, windowBits) == Z_OK else { return nil }
        defer { unsafe deflateEnd(&stream) }
        var bytes = bytes
        var output = [UInt8](repeating: 0, count: limit)
        // SAFETY: as above.
        let count: Int? = unsafe bytes.withUnsafeMutableBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe stream.next_in = source.baseAddress
                unsafe stream.avail_in = UInt32(clamping: source.count)
                unsafe stream.next_out = target.baseAddress
                unsafe stream.avail_out = UInt32(clamping: target.count)
                guard unsafe CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END else { return nil }
                return unsafe target.count - Int(stream.avail_out)
            }
        }
        guard let count else { return nil }
        output.removeLast(limit - count)
        return output
    }

    private func expandFrame(_ bytes: [UInt8], to count: Int) -> [UInt8]? {
        guard let stream = unsafe ZSTD_createDCtx() else { return nil }
        defer { unsafe ZSTD_freeDCtx(stream) }
        var output = [UInt8](repeating: 0, count: count)
        // SAFETY: zstd reads and writes within the two buffers, whose lengths it is given.
        let isWhole = unsafe bytes.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { target in
                var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
                var result = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                while unsafe result.pos < result.size {
                    let before = unsafe (input.pos, result.pos)
                    let rest = unsafe ZSTD_decompressStream(stream, &result, &input)
                    if ZSTD_isError(rest) != 0 { return false }
                    // The frame has ended, or nothing moves.
                    if unsafe rest == 0 || before == (input.pos, result.pos) { break }
                }
                return unsafe result.pos == result.size
            }
        }
        return isWhole ? output : nil
    }

    private func compressFrame(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        var output = [UInt8](repeating: 0, count: limit)
        // SAFETY: as above.
        let count = unsafe bytes.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { target in
                unsafe ZSTD_compress(target.baseAddress, target.count, source.baseAddress, source.count, 3)
            }
        }
        guard ZSTD_isError(count) == 0 else { return nil }
        output.removeLast(limit - count)
        return output
    }
}
