public import GatewayClient
import GatewayModule

/// Traffic for people to read.
public enum TrafficView {
  /// The bytes of each workload, by name, and of all together where there are several.
  public static func totals(_ metrics: TrafficTotals) -> String {
    let workloads = metrics.workloads.sorted()
    func row(_ name: String, _ request: Double, _ response: Double) -> [String] {
      [name, "\(ByteSize(request))", "\(ByteSize(response))"]
    }
    var rows = workloads.map { row($0, metrics.request[$0] ?? 0, metrics.response[$0] ?? 0) }
    if rows.count > 1 {
      rows.append(row("TOTAL", metrics.request.values.reduce(0, +), metrics.response.values.reduce(0, +)))
    }
    return Table(
      header: ["WORKLOAD", "REQUEST", "RESPONSE"], alignments: [.left, .right, .right], rows: rows
    ).description
  }

  /// The busiest workloads, as many as there is room for, with their rates and a bar for each of the last ones.
  ///
  /// - Returns: lines that are no longer than the terminal is wide, and no more than it is high.
  public static func rates(_ workloads: [TrafficHistory.Workload], on terminal: Terminal) -> [String] {
    // Four numbers of up to 10 characters, what is between the columns, and the rest for the names and the bars.
    let numbers = 4 * 12 + 2
    let room = max(terminal.width - numbers, 10)
    let barLength = min(max(room / 3, 4), TrafficHistory.length)
    let longest = workloads.map(\.workload.count).max() ?? 0
    let nameLength = min(max(longest, "WORKLOAD".count), room - barLength)
    // The header, the line of all together, and the cursor.
    let shown = terminal.isInteractive ? max(terminal.height - 4, 1) : workloads.count

    func cell(_ text: String) -> String { String(repeating: " ", count: max(10 - text.count, 0)) + text }
    func line(_ name: String, _ numbers: [String], _ bar: String) -> String {
      let name = terminal.cut(name, to: nameLength)
      let line =
        name.padded(to: nameLength) + "  " + numbers.map(cell).joined(separator: "  ") + "  " + bar
      return terminal.cut(String(line.reversed().drop { $0 == " " }.reversed()), to: terminal.width)
    }
    func rate(_ bytes: Double) -> String { "\(ByteSize(bytes))/s" }

    var lines = [line("WORKLOAD", ["REQUEST/s", "RESPONSE/s", "REQUEST", "RESPONSE"], "RATE")]
    lines += workloads.prefix(shown).map { workload in
      line(
        workload.workload,
        [
          rate(workload.requestRate), rate(workload.responseRate), "\(ByteSize(workload.request))",
          "\(ByteSize(workload.response))",
        ], bar(workload.rates.suffix(barLength), isUTF8: terminal.isUTF8))
    }
    if workloads.count > 1 {
      func sum(_ part: (TrafficHistory.Workload) -> Double) -> Double { workloads.reduce(0) { $0 + part($1) } }
      lines.append(
        line(
          "TOTAL of \(workloads.count)",
          [
            rate(sum(\.requestRate)), rate(sum(\.responseRate)), "\(ByteSize(sum(\.request)))",
            "\(ByteSize(sum(\.response)))",
          ], ""))
    }
    return lines
  }

  /// A character for each value, as high as it is beside the highest one.
  static func bar(_ values: some Collection<Double>, isUTF8: Bool) -> String {
    let steps = Array(isUTF8 ? "▁▂▃▄▅▆▇█" : "_.-:=+*#")
    let highest = values.max() ?? 0
    guard highest > 0 else { return String(repeating: steps[0], count: values.count) }
    return String(values.map { steps[Int(($0 / highest * Double(steps.count - 1)).rounded(.up))] })
  }
}
