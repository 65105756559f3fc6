/// How a volume is wiped: the algorithms of libvirt, whose passes are those of scrub(1).
public enum WipeAlgorithm: String, Hashable, Sendable, Codable, CaseIterable {
    /// One pass of zeros.
    case zero
    /// Twice random, then zeros, read back: NNSA Policy Letter NAP-14.1-C (XVI-8).
    case nnsa
    /// Random, zeros, ones, read back: DoD 5220.22-M, section 8-306, procedure (d), in the order of scrub(1).
    case dod
    /// Nine passes, each byte with one of its bits clear: German Federal Office for Information Security (BSI).
    case bsi
    /// The 35 passes of Peter Gutmann, "Secure Deletion of Data from Magnetic and Solid-State Memory" (1996), table 1.
    case gutmann
    /// Zeros, ones and five times random: Bruce Schneier, "Applied Cryptography" (1996), in the order of scrub(1).
    case schneier
    /// Seven times random: Roy Pfitzner.
    case pfitzner7
    /// 33 times random: Roy Pfitzner.
    case pfitzner33
    /// Once random.
    case random
    /// The blocks are given back, and nothing is overwritten.
    case trim
}

/// One turn over all blocks of a volume.
package enum WipePass: Hashable, Sendable {
    /// The same bytes again and again, counted from the volume's first byte.
    case pattern([UInt8])
    case random
    /// What was written last is read from the disk and compared.
    case verification

    package static let zeros = WipePass.pattern([0x00])
    package static let ones = WipePass.pattern([0xFF])
}

extension WipeAlgorithm {
    /// The passes in their order; none for ``trim``.
    package var passes: [WipePass] {
        switch self {
        case .zero: [.zeros]
        case .nnsa: [.random, .random, .zeros, .verification]
        case .dod: [.random, .zeros, .ones, .verification]
        case .bsi: [0xFF, 0xFE, 0xFD, 0xFB, 0xF7, 0xEF, 0xDF, 0xBF, 0x7F].map { .pattern([$0]) }
        case .gutmann: Self.gutmannPasses
        case .schneier: [.zeros, .ones] + Array(repeating: .random, count: 5)
        case .pfitzner7: Array(repeating: .random, count: 7)
        case .pfitzner33: Array(repeating: .random, count: 33)
        case .random: [.random]
        case .trim: []
        }
    }

    /// Four random passes before and after 27 that answer the encodings of disks of their time.
    private static var gutmannPasses: [WipePass] {
        let random = Array(repeating: WipePass.random, count: 4)
        // Each byte of two equal digits, 0x00 to 0xFF.
        let digits = (0...15).map { WipePass.pattern([UInt8($0) * 0x11]) }
        // The 24 bits 1001 0010 …, and 0110 1101 …, in their three phases.
        let sparse: [WipePass] = [[0x92, 0x49, 0x24], [0x49, 0x24, 0x92], [0x24, 0x92, 0x49]].map { .pattern($0) }
        let dense: [WipePass] = [[0x6D, 0xB6, 0xDB], [0xB6, 0xDB, 0x6D], [0xDB, 0x6D, 0xB6]].map { .pattern($0) }
        return random + [.pattern([0x55]), .pattern([0xAA])] + sparse + digits + sparse + dense + random
    }
}
