import StorageBase
import Testing
import XML

struct XMLDocumentTests {
    private func read(_ text: String) throws(StorageError) -> XMLDocument {
        try XMLDocument(Array(text.utf8), name: "a.xml")
    }

    @Test func readsElementsAttributesAndText() throws {
        let document = try read(
            "<?xml version='1.0'?>\n<!-- c --><a x='1&amp;2' xmlns:p='urn:p'>t<![CDATA[<&>]]>\n  <p:b/>é&#x263A;</a>"
        )
        #expect(document.root.name == "a")
        #expect(document.root.attributes.map(\.value) == ["1&2"])
        #expect(document.root.text == "t<&>\n  é☺")
        #expect(document.root.children.map(\.namespace) == ["urn:p"])
        #expect(document.root.children.first { _ in true }?.error("here").description == "a.xml:3:3: here")
    }

    @Test(arguments: [
        ("<a>\n  <b>x</c>\n</a>", 2), ("", 1), ("<a", 1), ("plain", 1), ("<a/><b/>", 1), ("<a b='1' b='2'/>", 1),
        ("<a>&bogus;</a>", 1), ("<a>\u{1}</a>", 1), ("<a>\n\n<b></a>", 3), ("<a:b/>", 1),
    ])
    func saysWhereADocumentIsBroken(text: String, line: Int) {
        let error = #expect(throws: StorageError.self) { try read(text) }
        #expect(error?.code == .invalidDocument)
        #expect(error?.context.line == line)
        #expect(error?.description.hasPrefix("a.xml:\(line):") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test(arguments: [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>",
        "<!DOCTYPE a [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><a>&b;</a>",
    ])
    func refusesADocumentType(text: String) {
        let error = #expect(throws: StorageError.self) { try read("<?xml version='1.0'?>\n\(text)") }
        #expect(error?.description == "a.xml:2:1: a DOCTYPE is not allowed")
    }

    @Test func refusesDeepAndLargeDocuments() {
        let deep = String(repeating: "<a>", count: 100_000)
        #expect(throws: StorageError.self) { try read(deep) }
        let nested = String(repeating: "<a>", count: 33) + String(repeating: "</a>", count: 33)
        let error = #expect(throws: StorageError.self) { try read(nested) }
        #expect(error?.message == "elements are nested deeper than 32 levels")
        #expect(error?.context.column == 97)
        #expect(throws: StorageError.self) { try read("<a>" + String(repeating: "x", count: 1 << 20) + "</a>") }
    }

    @Test func refusesOtherEncodings() {
        let latin = Array("<?xml version='1.0' encoding='ISO-8859-1'?><a>".utf8) + [0xE9] + Array("</a>".utf8)
        #expect(throws: StorageError.self) { try XMLDocument(latin, name: "a.xml") }
        #expect(throws: StorageError.self) { try XMLDocument([0xFF, 0xFE, 0x3C, 0x00], name: "a.xml") }
    }

    /// Damage of every byte of a document is an error or another document, never a trap.
    @Test func survivesDamage() {
        let bytes = Array("<a x='1'><b>te&amp;xt</b><!-- c --><c y=\"2\"/></a>".utf8)
        for index in bytes.indices {
            for value in [0x00, 0x26, 0x3C, 0x3E, 0x27, 0xFF] as [UInt8] {
                var damaged = bytes
                damaged[index] = value
                _ = try? XMLDocument(damaged, name: "a.xml")
            }
            _ = try? XMLDocument(Array(bytes[..<index]), name: "a.xml")
        }
    }

    @Test func writesWhatItReadsAgain() throws {
        var writer = XMLWriter()
        writer.element("a", ["x": "<&>'\"é", "absent": nil]) { writer in
            writer.element("b", text: "it's <b> & \"c\"\u{1}\u{1F}")
            writer.element("none", text: nil)
            writer.element("c")
        }
        let expected = """
            <a x='&lt;&amp;&gt;&apos;&quot;é'>
              <b>it&apos;s &lt;b&gt; &amp; &quot;c&quot;</b>
              <c/>
            </a>

            """
        #expect(String(decoding: writer.bytes, as: UTF8.self) == expected)
        let document = try XMLDocument(writer.bytes, name: "a.xml")
        #expect(document.root.attributes[0].value == "<&>'\"é")
        #expect(document.root.children.first { _ in true }?.text == "it's <b> & \"c\"")
    }
}
