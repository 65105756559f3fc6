package import StorageBase

extension VMDKImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        if let embedding, let extent = descriptor.extents.first, descriptor.extents.count == 1,
            extent.sectors != embedding.header.capacity
        {
            check.add(
                .corruption,
                "the descriptor has \(extent.sectors) sectors, and the header \(embedding.header.capacity)",
                at: embedding.header.descriptorOffset * VMDKHeader.sectorSize
            )
        }
        for index in parts.indices {
            try cancellation.check()
            switch try source(index) {
            case .zero: break
            case .sparse(let extent): try extent.check(&check, cancellation: cancellation)
            case .flat(_, let offset):
                let end = offset + (parts[index].range.upperBound - parts[index].range.lowerBound)
                check.endOffset = max(check.endOffset, ByteCount(end))
            }
        }
    }
}
