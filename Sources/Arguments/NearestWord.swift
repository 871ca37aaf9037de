/// Finds the word that was probably meant.
package enum NearestWord {
  /// The one of `words` that is nearest to a mistyped one; nil when none is near, or when several are as near.
  ///
  /// Near is one that begins with what was typed, at least three characters, or that is reached by few edits: one for every
  /// three characters, where an edit adds, drops or replaces a character or swaps two neighbours. Case and hyphens at the
  /// beginning do not count.
  package static func to(_ typed: String, in words: [String]) -> String? {
    let typed = core(typed)
    guard !typed.isEmpty else { return nil }
    let ranked = words.map { word in (word, distance(typed, core(word))) }
      .filter { $1 <= max(typed.count, core($0).count) / 3 }
    if let least = ranked.map(\.1).min() {
      let nearest = Set(ranked.filter { $0.1 == least }.map(\.0))
      return nearest.count == 1 ? nearest.first : nil
    }
    let longer = Set(words.filter { typed.count >= 3 && core($0).starts(with: typed) })
    return longer.count == 1 ? longer.first : nil
  }

  private static func core(_ word: String) -> [Character] { Array(word.lowercased().drop { $0 == "-" }) }

  /// Optimal string alignment distance.
  private static func distance(_ left: [Character], _ right: [Character]) -> Int {
    // Of what nobody types by mistake.
    guard left.count <= 64, right.count <= 64 else { return .max }
    var rows = [Array(0...right.count)]
    for i in left.indices {
      var row = [i + 1]
      for j in right.indices {
        var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { least = min(least, rows[i - 1][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }
}
