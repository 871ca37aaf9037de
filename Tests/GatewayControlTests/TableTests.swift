import GatewayControl
import Testing

@Suite(.timeLimit(.minutes(5)))
struct TableTests {
  @Test func columnsAreAsWideAsTheirWidestCell() {
    let table = Table(
      header: ["NAME", "SIZE", "NOTE"], alignments: [.left, .right],
      rows: [["a", "1 B", "short"], ["longer-one", "23 MiB", ""]])
    #expect(
      table.lines == [
        "NAME          SIZE  NOTE",
        "a              1 B  short",
        "longer-one  23 MiB  ",
      ])
  }

  @Test func headerAloneIsATable() {
    #expect(Table(header: ["A", "B"], rows: []).description == "A  B")
  }
}
