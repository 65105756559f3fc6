package import StorageBase

extension QCOW2Image: RepairableImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = (header.virtualSize + header.clusterSize - 1) / header.clusterSize
        try compare(cancellation) { window, references, stored throws(StorageError) in
            if window == 0 { check.add(references.check) }
            for (index, count) in references.counts.enumerated() {
                let cluster = window + UInt64(index)
                let found = try stored.count(of: cluster)
                guard found != UInt64(count) else { continue }
                let offset = cluster * header.clusterSize
                if found > UInt64(count) {
                    check.add(
                        .leak,
                        "cluster \(cluster) has reference count \(found), and \(count) references",
                        at: offset
                    )
                } else {
                    check.add(
                        .corruption,
                        "cluster \(cluster) has reference count \(found), and \(count) references",
                        at: offset
                    )
                }
            }
        } copied: { cluster, isCopied, offset, stored throws(StorageError) in
            let count = try stored.count(of: cluster)
            if isCopied != (count == 1) {
                check.add(
                    .corruption,
                    "an entry says that cluster \(cluster) is \(isCopied ? "its own" : "shared"); its reference count is \(count)",
                    at: offset
                )
            }
        }
    }

    /// Frees what nothing refers to.
    ///
    /// - Throws: `StorageError` with code `damagedImage` where more than leaks is wrong: then nothing is changed.
    package func repairLeaks(cancellation: Cancellation) throws(StorageError) -> Int {
        var found = ImageCheck()
        try check(&found, cancellation: cancellation)
        guard found.corruptionCount == 0 else {
            throw StorageError(
                .damagedImage,
                "'\(file.path)' has \(found.corruptionCount) damaged references, and not only leaks; nothing was repaired",
                hint: "copy what can be read of it to a new volume",
                context: StorageError.Context(path: file.path)
            )
        }
        guard found.leakCount > 0 else { return 0 }
        var repaired = 0
        try compare(cancellation) { window, references, stored throws(StorageError) in
            for (index, count) in references.counts.enumerated() {
                let cluster = window + UInt64(index)
                if try stored.count(of: cluster) > UInt64(count) {
                    try stored.setCount(of: cluster, to: UInt64(count))
                    repaired += 1
                }
            }
            try stored.flush()
        } copied: { _, _, _, _ throws(StorageError) in
        }
        try file.file.synchronize()
        return repaired
    }

    /// Counts the references to all clusters, a window at a time, and hands each window over with the counts that are stored.
    private func compare(
        _ cancellation: Cancellation,
        window body: (UInt64, QCOW2References, inout QCOW2Refcounts) throws(StorageError) -> Void,
        copied: (UInt64, Bool, UInt64, inout QCOW2Refcounts) throws(StorageError) -> Void
    ) throws(StorageError) {
        var stored = try QCOW2Refcounts(header, file)
        // Counts of clusters behind the file's end are leaks too, as far as there are blocks.
        let blocks = (stored.table.lastIndex { $0 != 0 } ?? -1) + 1
        let described = UInt64(blocks).multipliedReportingOverflow(by: header.refcountsPerBlock).partialValue
        let inFile = (file.size + header.clusterSize - 1) / header.clusterSize
        let total = max(inFile, min(described, inFile + QCOW2References.windowLength))
        var first: UInt64 = 0
        while first < total {
            var references = QCOW2References(
                file,
                header,
                l1: l1,
                first: first,
                count: min(QCOW2References.windowLength, total - first),
                cancellation: cancellation
            )
            var failure: StorageError?
            try references.walk { cluster, isCopied, offset in
                guard first == 0, failure == nil else { return }
                do throws(StorageError) {
                    try copied(cluster, isCopied, offset, &stored)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            try body(first, references, &stored)
            first += QCOW2References.windowLength
        }
    }
}
