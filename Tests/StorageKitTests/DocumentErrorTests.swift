import StorageKit
import Testing

/// What is refused, where, and in which words.
struct DocumentErrorTests {
    @Test(arguments: [
        ("<pool type='dir'><name>a</nam></pool>", "not well-formed XML"),
        ("<domain/>", "a.xml:1:1: a pool document begins with <pool>, found <domain>"),
        ("<pool><name>a</name></pool>", "<pool> needs the attribute 'type'"),
        ("<pool type='tape'><name>a</name></pool>", "pool type 'tape' is not known; known are dir, fs,"),
        ("<pool type='dir'><target><path>/a</path></target></pool>", "<pool> needs a <name>"),
        ("<pool type='dir'><name></name><target><path>/a</path></target></pool>", "<pool> needs a <name>"),
        ("<pool type='dir'>\n  <name>a/b</name></pool>", "a.xml:2:3: pool name 'a/b' cannot be used: it contains '/'"),
        ("<pool type='dir'><name>..</name></pool>", "it is '..'"),
        (
            "<pool type='dir'><name>a\nb</name></pool>",
            "pool name 'a\\nb' cannot be used: it contains a control character"
        ),
        ("<pool type='dir'><name>a</name><name>b</name></pool>", "<name> occurs twice inside <pool>"),
        ("<pool type='dir'><name>a</name>\n  <colour/></pool>", "a.xml:2:3: <colour> is not known inside <pool>"),
        ("<pool type='dir' x='1'><name>a</name></pool>", "<pool> has no attribute 'x'"),
        ("<pool type='dir'><name>a</name>text</pool>", "<pool> holds the stray text 'text'"),
        ("<pool type='dir'><name>a</name><x:y xmlns:x='urn:x'/></pool>", "<y> of namespace 'urn:x' is not known"),
        (
            "<pool type='dir'><name>a</name><uuid>1</uuid></pool>",
            "<uuid> wants a UUID of 32 hexadecimal digits, found '1'"
        ),
        ("<pool type='dir'><name>a</name></pool>", "<target> needs a <path>"),
        (
            "<pool type='dir'>\n<name>a</name>\n<target>\n <path>x/y</path></target></pool>",
            "a.xml:4:2: target path 'x/y' of pool 'a' is not absolute; a target path begins with '/'"
        ),
        (
            "<pool type='dir'>\n\n\n\n\n  <name>a</name>\n    <capacity>10 gigs</capacity></pool>",
            "a.xml:7:5: <capacity> wants a whole number of bytes, found '10 gigs'"
        ),
        (
            "<pool type='dir'><name>a</name><target><path>/a</path><permissions><mode>0999</mode></permissions></target></pool>",
            "<mode> wants octal digits up to 0777, found '0999'"
        ),
        (
            "<pool type='dir'><name>a</name><target><path>/a</path><permissions><mode>4755</mode></permissions></target></pool>",
            "<mode> wants octal digits up to 0777"
        ),
        (
            "<pool type='dir'><name>a</name><target><path>/a</path><permissions><owner>root</owner></permissions></target></pool>",
            "<owner> wants a number, or -1 for none, found 'root'"
        ),
        ("<pool type='fs'><name>a</name><target><path>/a</path></target></pool>", "<source> needs a <device path>"),
        ("<pool type='netfs'><name>a</name><target><path>/a</path></target></pool>", "<source> needs a <host name>"),
        ("<pool type='scsi'><name>a</name><target><path>/a</path></target></pool>", "<source> needs an <adapter>"),
        (
            "<pool type='fs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>a</name><fs:mount_opts><fs:optoin name='ro'/></fs:mount_opts></pool>",
            "<optoin> of namespace 'http://libvirt.org/schemas/storagepool/fs/1.0' is not known inside <mount_opts>"
        ),
        (
            "<pool type='dir' xmlns:x='urn:x' x:type='fs'><name>a</name></pool>",
            "<pool> has no attribute 'type'"
        ),
        (
            "<pool type='dir'><name>a</name><target><path>/a</path><permissions><mode>+755</mode></permissions></target></pool>",
            "<mode> wants octal digits up to 0777, found '+755'"
        ),
        ("<p:pool xmlns:p='urn:p' type='dir'/>", "found <pool> of namespace 'urn:p'"),
        ("<pool type='rbd'><name>a</name><source><host/></source></pool>", "<host> needs the attribute 'name'"),
        (
            "<pool type='fs'><name>a</name><source><device path='/d'/><format type='zip'/></source><target><path>/a</path></target></pool>",
            "source format 'zip' is not known; a pool of type 'fs' has auto, ext2"
        ),
        (
            "<pool type='dir'><name>a</name><features><cow state='maybe'/></features><target><path>/a</path></target></pool>",
            "<cow state> wants 'yes' or 'no', found 'maybe'"
        ),
        (
            "<pool type='disk'><name>a</name><features><cow state='yes'/></features><source><device path='/d'/></source><target><path>/a</path></target></pool>",
            "<cow> is for pools of type 'dir' and 'fs' only"
        ),
        (
            "<pool type='netfs'><name>a</name><source><host name='h' port='70000'/><dir path='/d'/></source></pool>",
            "<host port> wants a whole number up to 65535, found '70000'"
        ),
        (
            "<pool type='netfs'><name>a</name><source><host name='h'/><dir path='/d'/><directory path='/e'/></source></pool>",
            "<directory> is another spelling of <dir>"
        ),
        (
            "<pool type='iscsi-direct'><name>a</name><source><host name='h'/><device path='d'/></source></pool>",
            "<source> needs an <initiator><iqn name>"
        ),
        (
            "<pool type='scsi'><name>a</name><source><adapter type='fc_host' wwnn='1' wwpn='2'/></source></pool>",
            "'1' is no world wide name of 16 hexadecimal digits"
        ),
        (
            "<pool type='iscsi'><name>a</name><source><host name='h'/><device path='d'/><auth type='chap' username='u'><secret/></auth></source></pool>",
            "<secret> needs one of the attributes 'uuid' and 'usage'"
        ),
    ])
    func poolDocuments(xml: String, words: String) {
        let error = #expect(throws: StorageError.self) { try PoolDefinition(xml: xml, source: "a.xml") }
        let text = error?.description ?? ""
        #expect(text.contains(words), "\(text)")
        #expect(text.hasPrefix("a.xml:"))
        #expect(!text.contains("\n"))
        #expect(error?.context.line != nil)
    }

    @Test(arguments: [
        ("<pool/>", "a volume document begins with <volume>, found <pool>"),
        ("<volume><capacity>1</capacity></volume>", "<volume> needs a <name>"),
        ("<volume><name>../x</name></volume>", "volume name '../x' cannot be used: it contains '/'"),
        ("<volume><name>a</name></volume>", "<volume> needs a <capacity>"),
        (
            "<volume><name>a</name><capacity>-1</capacity></volume>",
            "<capacity> wants a whole number of bytes, found '-1'"
        ),
        (
            "<volume><name>a</name><capacity unit='GiB'>1.5</capacity></volume>",
            "<capacity> wants a whole number of GiB, found '1.5'"
        ),
        (
            "<volume><name>a</name><capacity unit='EiB'>16</capacity></volume>",
            "'16' is more than the largest size of a file"
        ),
        (
            "<volume><name>a</name><capacity>18446744073709551616</capacity></volume>",
            "more than the largest size of a file"
        ),
        ("<volume><name>a</name><capacity unit='gigs'>1</capacity></volume>", "<capacity> has the unknown unit 'gigs'"),
        (
            "<volume><name>a</name><capacity>1</capacity><target><format type='floppy'/></target></volume>",
            "volume format 'floppy' is not known; a volume of a 'dir' pool has raw,"
        ),
        (
            "<volume><name>a</name><capacity>1</capacity><target><features><magic/></features></target></volume>",
            "<magic> is not known inside <features>; known are lazy_refcounts, extended_l2"
        ),
        (
            "<volume><name>a</name><capacity>1</capacity><target><compat>new</compat></target></volume>",
            "<compat> wants a version such as '1.1', found 'new'"
        ),
        (
            "<volume type='tape'><name>a</name><capacity>1</capacity></volume>",
            "<volume type> has the unknown value 'tape'"
        ),
        (
            "<volume><name>a</name><capacity>1</capacity><target><encryption format='luks'><ivgen name='x'/></encryption></target></volume>",
            "<ivgen> stands beside a <cipher>"
        ),
    ])
    func volumeDocuments(xml: String, words: String) {
        let error = #expect(throws: StorageError.self) { try VolumeDefinition(xml: xml, source: "a.xml") }
        let text = error?.description ?? ""
        #expect(text.contains(words), "\(text)")
        #expect(text.hasPrefix("a.xml:1:"))
    }

    @Test func aDefinitionMadeInCodeFollowsTheSameRules() {
        var definition = PoolDefinition(kind: .directory, name: "a", targetPath: "/a")
        definition.permissions.mode = 0o1777
        #expect(throws: StorageError.self) { try definition.normalized() }
        #expect(throws: StorageError.self) { try PoolDefinition(kind: .rbd, name: "a").normalized() }
        #expect(throws: StorageError.self) {
            try PoolDefinition(kind: .directory, name: String(repeating: "x", count: 251), targetPath: "/a")
                .normalized()
        }
    }
}
