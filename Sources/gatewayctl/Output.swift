import FoundationEssentials

/// Results as JSON, with sorted keys so that they can be compared.
enum JSON {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

/// Columns, each as wide as its widest cell; the last one is as long as it is.
struct Table: CustomStringConvertible {
  let header: [String]
  let rows: [[String]]

  var description: String {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    return ([header] + rows).map { row in
      zip(row, widths).enumerated().map { index, cell in
        let (text, width) = cell
        return index == row.count - 1 ? text : text + String(repeating: " ", count: width - text.count)
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
