import Testing

@testable import DiskImages

struct UnitSetTests {
    @Test func unitsAreOnceInASet() {
        var set = UnitSet()
        let inserted = [set.insert(63), set.insert(63), set.insert(64..<200), set.insert(199..<201)]
        #expect(inserted == [true, false, true, false])
        #expect(set.count == 138)
        #expect(set.overlaps(0..<64))
        #expect(!set.overlaps(0..<63))
        #expect(!set.overlaps(201..<400))
        #expect(!set.overlaps(100..<100))
        let isNew = set.insert(1 << 54)
        #expect(isNew)
    }

    @Test func gapsAreWhatIsNotInASet() {
        let seed = ImageScratch.newSeed()
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var set = UnitSet()
            var units: Set<UInt64> = []
            for _ in 0..<Int.random(in: 0...100, using: &generator) {
                let unit = UInt64.random(in: 0..<300, using: &generator)
                let isNew = set.insert(unit)
                let isReallyNew = units.insert(unit).inserted
                #expect(isNew == isReallyNew)
            }
            let start = UInt64.random(in: 0..<300, using: &generator)
            let range = start..<UInt64.random(in: start...320, using: &generator)
            var missing: [UInt64] = []
            var runs: [Range<UInt64>] = []
            set.forEachGap(in: range) {
                missing += Array($0)
                runs.append($0)
            }
            #expect(missing == range.filter { !units.contains($0) })
            #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
    }
}
