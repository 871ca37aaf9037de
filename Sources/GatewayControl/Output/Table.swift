/// Columns, each as wide as its widest cell, but for the last one, which is as long as it is.
public struct Table: Hashable, Sendable, CustomStringConvertible {
  public enum Alignment: Sendable {
    case left
    case right
  }

  public let header: [String]
  public let rows: [[String]]
  private let alignments: [Alignment]

  /// - Parameter alignments: of the columns; left where there is none.
  public init(header: [String], alignments: [Alignment] = [], rows: [[String]]) {
    self.header = header
    self.rows = rows
    self.alignments = header.indices.map { $0 < alignments.count ? alignments[$0] : .left }
  }

  public var description: String { lines.joined(separator: "\n") }

  public var lines: [String] {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      row.indices.map { column in
        if alignments[column] == .right {
          return String(repeating: " ", count: widths[column] - row[column].count) + row[column]
        }
        return column == row.count - 1 ? row[column] : row[column].padded(to: widths[column])
      }.joined(separator: "  ")
    }
  }

  /// How many characters stand before the last column.
  static func indent(_ rows: [[String]]) -> Int {
    let columns = (rows.first?.count ?? 1) - 1
    return (0..<columns).reduce(0) { indent, column in indent + 2 + (rows.map { $0[column].count }.max() ?? 0) }
  }
}
