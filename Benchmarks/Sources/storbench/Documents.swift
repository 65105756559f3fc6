import StorageKit

/// Reading and printing documents.
enum Documents {
    static func measure(into table: inout ResultTable) throws {
        let count = 10_000
        let bytes = Array(document.utf8)
        let definition = try PoolDefinition(xml: bytes)
        table.add(
            "read \(count) documents of \(bytes.count) bytes",
            try Sample(runs: 9) {
                for _ in 0..<count { _ = try PoolDefinition(xml: bytes) }
            },
            limit: 0.12
        )
        table.add(
            "print \(count) documents of \(definition.xml().utf8.count) bytes",
            try Sample(runs: 9) {
                for _ in 0..<count { _ = definition.xml() }
            },
            limit: 0.05
        )
    }

    private static let document = """
        <pool type='iscsi'>
          <name>virtimages</name>
          <uuid>e9392370-2917-565e-692b-d057f46512d6</uuid>
          <capacity unit='bytes'>0</capacity>
          <allocation unit='bytes'>0</allocation>
          <available unit='bytes'>0</available>
          <source>
            <host name='iscsi.example.com'/>
            <device path='demo-target'/>
            <auth type='chap' username='admin'>
              <secret usage='san'/>
            </auth>
          </source>
          <target>
            <path>/dev/disk/by-path</path>
            <permissions>
              <mode>0700</mode>
              <owner>0</owner>
              <group>0</group>
            </permissions>
          </target>
        </pool>
        """
}
