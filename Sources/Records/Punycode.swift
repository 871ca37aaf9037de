import System

/// Punycode (RFC 3492), for telling somebody how a name in another script is written in the DNS.
enum Punycode {
  /// In bytes: what is longer is no name in any script.
  private static let longest = 1024

  /// The name with each label that is not ASCII in its `xn--` form (RFC 5890, 2.3.2.1), in lower case; nil where that cannot
  /// be told without the tables of IDNA: for what has combining characters or would not be a label.
  static func name(_ text: some StringProtocol) -> String? {
    guard text.utf8.count <= longest else { return nil }
    var labels: [String] = []
    for label in text.lowercased().split(separator: ".", omittingEmptySubsequences: false) {
      let scalars = Array(label.unicodeScalars)
      let isPlain = scalars.allSatisfy { scalar in
        scalar.isASCII
          ? scalar.value < 0x80 && (ASCII.isLetterOrDigit(UInt8(scalar.value)) || scalar == "-" || scalar == "_")
          : [.lowercaseLetter, .otherLetter, .decimalNumber].contains(scalar.properties.generalCategory)
            && !scalar.properties.isFullCompositionExclusion
      }
      guard isPlain, !scalars.isEmpty else { return nil }
      let encoded = scalars.allSatisfy(\.isASCII) ? String(label) : "xn--" + encode(scalars)
      guard encoded.utf8.count <= 63 else { return nil }
      labels.append(encoded)
    }
    let name = labels.joined(separator: ".")
    return name.utf8.count <= 253 && name != text.lowercased() ? name : nil
  }

  /// Section 6.3, with the parameters of section 5.
  static func encode(_ input: [Unicode.Scalar]) -> String {
    let (base, least, most, skew, damp) = (36, 1, 26, 38, 700)
    func digit(_ value: Int) -> Character { Character(Unicode.Scalar(UInt8(value < 26 ? value + 97 : value + 22))) }
    var (code, delta, bias) = (128, 0, 72)
    var output = String(String.UnicodeScalarView(input.filter(\.isASCII)))
    let basic = output.count
    if basic > 0 { output.append("-") }
    var handled = basic
    while handled < input.count {
      let next = input.lazy.map { Int($0.value) }.filter { $0 >= code }.min()!
      delta += (next - code) * (handled + 1)
      code = next
      for scalar in input.map({ Int($0.value) }) {
        if scalar < code { delta += 1 }
        guard scalar == code else { continue }
        var rest = delta
        for k in stride(from: base, to: Int.max, by: base) {
          let threshold = k <= bias ? least : min(k - bias, most)
          if rest < threshold { break }
          output.append(digit(threshold + (rest - threshold) % (base - threshold)))
          rest = (rest - threshold) / (base - threshold)
        }
        output.append(digit(rest))
        delta = handled == basic ? delta / damp : delta / 2
        delta += delta / (handled + 1)
        var k = 0
        while delta > (base - least) * most / 2 {
          delta /= base - least
          k += base
        }
        bias = k + (base - least + 1) * delta / (delta + skew)
        delta = 0
        handled += 1
      }
      delta += 1
      code += 1
    }
    return output
  }
}
