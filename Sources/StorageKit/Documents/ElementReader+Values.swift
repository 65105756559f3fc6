import XML

/// Values that are more than text.
extension ElementReader {
    /// The size in a child and in its attribute `unit`.
    func size(_ name: String) throws(StorageError) -> ByteCount? {
        guard let child = child(name) else { return nil }
        try child.expect(attributes: ["unit"])
        let text = child.element.text.trimmed
        let unitName = child.attribute("unit") ?? ""
        guard let unit = SizeUnit(name: unitName) else {
            throw child.error(
                "<\(name)> has the unknown unit '\(unitName.printable)'; known are bytes, KiB, KB, … EiB, EB"
            )
        }
        let size = try child.check { () throws(StorageError) in try ByteCount.parse(wholeNumber: text, unit: unit) }
        guard let size else {
            let units = unit.bytes == 1 ? "bytes" : unitName
            throw child.error("<\(name)> wants a whole number of \(units), found '\(text.printable)'")
        }
        return size
    }

    /// A UUID in a child.
    func uuid(_ name: String) throws(StorageError) -> StorageUUID? {
        guard let child = child(name), let text = try text(of: name) else { return nil }
        guard let uuid = StorageUUID(text) else {
            throw child.error("<\(name)> wants a UUID of 32 hexadecimal digits, found '\(text.printable)'")
        }
        return uuid
    }

    /// A number in an attribute.
    func number(_ name: String, atMost limit: UInt32 = .max) throws(StorageError) -> UInt32? {
        guard let text = attribute(name) else { return nil }
        let isHexadecimal = text.hasBytePrefix("0x") || text.hasBytePrefix("0X")
        let number = isHexadecimal ? UInt32(digits: text.dropFirst(2), radix: 16) : UInt32(digits: text, radix: 10)
        guard let number, number <= limit else {
            throw error("<\(element.name) \(name)> wants a whole number up to \(limit), found '\(text.printable)'")
        }
        return number
    }

    /// `yes` or `no` in an attribute.
    func bool(_ name: String) throws(StorageError) -> Bool? {
        switch attribute(name) {
        case nil: return nil
        case "yes": return true
        case "no": return false
        case let text?: throw error("<\(element.name) \(name)> wants 'yes' or 'no', found '\(text.printable)'")
        }
    }

    /// A word in an attribute that is one of a few.
    func word<Word: RawRepresentable<String>>(_ name: String, _ type: Word.Type) throws(StorageError) -> Word? {
        guard let text = attribute(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            throw error("<\(element.name) \(name)> has the unknown value '\(text.printable)'")
        }
        return word
    }

    /// A reference to a secret in the attributes `uuid` and `usage`, of which there must be one.
    func secretReference() throws(StorageError) -> SecretReference {
        switch (attribute("uuid"), attribute("usage")) {
        case (let text?, nil):
            guard let uuid = StorageUUID(text) else { throw error("<secret uuid> is no UUID: '\(text.printable)'") }
            return .uuid(uuid)
        case (nil, let usage?): return .usage(usage)
        default: throw error("<secret> needs one of the attributes 'uuid' and 'usage'")
        }
    }

    /// `<permissions>`: an octal mode, a decimal owner and group (-1 is none), a label.
    func permissions() throws(StorageError) -> Permissions {
        guard let child = child("permissions") else { return Permissions() }
        try child.expect(children: ["mode", "owner", "group", "label"])
        var permissions = Permissions()
        if let text = try child.text(of: "mode")?.trimmed {
            guard let mode = UInt32(digits: text, radix: 8), mode <= Permissions.maximumMode else {
                throw (child.child("mode") ?? child)
                    .error("<mode> wants octal digits up to 0777, found '\(text.printable)'")
            }
            permissions.mode = mode
        }
        permissions.owner = try child.identifier("owner")
        permissions.group = try child.identifier("group")
        permissions.label = try child.text(of: "label")
        return permissions
    }

    private func identifier(_ name: String) throws(StorageError) -> UInt32? {
        guard let child = child(name), let text = try text(of: name)?.trimmed, text != "-1" else { return nil }
        guard let identifier = UInt32(digits: text, radix: 10) else {
            throw child.error("<\(name)> wants a number, or -1 for none, found '\(text.printable)'")
        }
        // -1 as the system's unsigned type writes it (chown(2)).
        return identifier == .max ? nil : identifier
    }
}

extension UInt32 {
    /// Reads digits and nothing else: Swift's own initializer takes a sign too.
    fileprivate init?(digits: some StringProtocol, radix: Int) {
        guard let first = digits.utf8.first, first != UInt8(ascii: "+") else { return nil }
        self.init(digits, radix: radix)
    }
}
