extension PoolDefinition {
    /// The rules that hold for a kind of pool (libvirt's `virStoragePoolDefParseXML`).
    func validate() throws(StorageError) {
        try EntityName.pool.check(name)
        try validateSource()
        try validateTarget()
        if copyOnWrite != nil, kind != .filesystem, kind != .directory {
            throw invalid("<cow> is for pools of type 'dir' and 'fs' only")
        }
        try permissions.validate()
    }

    private func validateSource() throws(StorageError) {
        let parts = kind.sourceParts
        if parts.contains(.host), source.hosts.isEmpty { throw invalid("<source> needs a <host name>") }
        if parts.contains(.directory), source.directory == nil { throw invalid("<source> needs a <dir path>") }
        if parts == .device, source.devices.isEmpty { throw invalid("<source> needs a <device path>") }
        if parts.contains(.adapter), source.adapter == nil { throw invalid("<source> needs an <adapter>") }
        if kind == .gluster, source.name?.containsSlash == true {
            throw invalid("<source><name> '\(source.name ?? "")' cannot contain '/'")
        }
        if kind == .iscsiDirect, source.initiator == nil { throw invalid("<source> needs an <initiator><iqn name>") }
        if let format = source.format, !kind.sourceFormats.contains(format) {
            let known = kind.sourceFormats.map(\.rawValue).joined(separator: ", ")
            throw invalid(
                known.isEmpty
                    ? "a pool of type '\(kind)' has no source format, found '\(format)'"
                    : "source format '\(format)' is not known; a pool of type '\(kind)' has \(known)"
            )
        }
        if let version = source.protocolVersion {
            guard kind == .networkFilesystem, source.format == "nfs" || source.format == "auto" else {
                throw invalid("<protocol ver> is for the source formats 'nfs' and 'auto' only")
            }
            if version.contains(",") { throw invalid("<protocol ver> '\(version)' cannot contain ','") }
        }
        if case .fibreChannel(let host) = source.adapter { try host.validate() }
    }

    private func validateTarget() throws(StorageError) {
        guard let targetPath else {
            if kind.hasTarget { throw invalid("<target> needs a <path>") }
            return
        }
        guard targetPath.hasBytePrefix("/") else {
            throw StorageError(
                .invalidArgument,
                "target path '\(targetPath)' of pool '\(name)' is not absolute",
                hint: "a target path begins with '/'"
            )
        }
        if targetPath.containsControlCharacters {
            throw invalid("a target path cannot contain control characters")
        }
    }

    private func invalid(_ message: String) -> StorageError {
        StorageError(.invalidArgument, "pool '\(name)': \(message)")
    }
}
