package import StorageBase

extension ImageCreation {
    /// What is preallocated at once.
    static let placeStep: UInt64 = 1 << 30
    private static let writeStep = 1 << 20

    /// Refuses what the format cannot do.
    ///
    /// - Throws: `StorageError` with code `notSupported` where the format cannot be made, and what ``CreatableImage/validate(_:)`` throws.
    package func validate() throws(StorageError) {
        try creatable().validate(self)
    }

    func creatable() throws(StorageError) -> any CreatableImage.Type {
        guard let creatable = format.image as? any CreatableImage.Type else {
            let known = ImageFormat.creatable.map(\.rawValue).joined(separator: ", ")
            throw StorageError(
                .notSupported,
                "images of format '\(format)' can be read, and not made",
                hint: "made can be \(known)"
            )
        }
        return creatable
    }

    /// Begins the image in an empty file that is open for reading and writing.
    ///
    /// - Parameter makeFile: Makes a further file of a name beside the image, for formats that keep their data apart.
    package func writer(
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        try validate()
        return try creatable().writer(self, to: file, makeFile: makeFile)
    }

    /// Makes the image, empty and preallocated as it is to be, in an empty file that is open for reading and writing.
    ///
    /// It blocks. Nothing is synchronised.
    ///
    /// - Parameter makeFile: As for ``writer(to:makeFile:)``.
    package func make(
        in file: ImageFile,
        cancellation: Cancellation,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) {
        let writer = try writer(to: file, makeFile: makeFile)
        if preallocation != .off {
            var position: UInt64 = 0
            while position < virtualSize {
                try cancellation.check()
                let end = min(virtualSize - position, Self.placeStep) + position
                for place in try writer.place(position..<end) { try preallocate(place, cancellation) }
                position = end
            }
        }
        try writer.finish()
    }

    /// Sets aside what the image is to have of its storage, before anything is written there.
    func preallocate(_ place: ImagePlace, _ cancellation: Cancellation) throws(StorageError) {
        let length = place.range.upperBound - place.range.lowerBound
        switch preallocation {
        case .off, .metadata: return
        case .falloc:
            do throws(StorageError) {
                try place.file.file.allocate(
                    offset: ByteCount(place.offset),
                    length: ByteCount(length),
                    keepingSize: true
                )
            } catch {
                guard error.code == .notSupported else { throw error }
                try writeZeros(place, length, cancellation)
            }
        case .full: try writeZeros(place, length, cancellation)
        }
    }

    private func writeZeros(_ place: ImagePlace, _ length: UInt64, _ cancellation: Cancellation) throws(StorageError) {
        let zeros = [UInt8](repeating: 0, count: Self.writeStep)
        var position: UInt64 = 0
        while position < length {
            try cancellation.check()
            let count = Int(min(length - position, UInt64(Self.writeStep)))
            try place.file.file.write(zeros, 0..<count, at: place.offset + position)
            position += UInt64(count)
        }
    }
}

extension ImageFormat {
    /// The formats that can be made.
    package static var creatable: [ImageFormat] {
        allCases.filter { $0.image is any CreatableImage.Type }
    }
}

extension ImageFormat {
    /// The names of the formats that can be made, for people.
    package static var creatableNames: String { creatable.map(\.rawValue).joined(separator: ", ") }
}
