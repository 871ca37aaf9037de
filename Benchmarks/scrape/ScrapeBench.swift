import GatewayModule
import Glibc
import System

/// Parses a scrape, handed over as a socket does it, again and again.
///
///     bench-scrape FILE TIMES
///
/// Prints megabytes (10⁶ bytes) a second, the number of services and the sum of what was counted.
@main
enum ScrapeBench {
  /// What one read of a socket brings at most.
  private static let chunk = 64 * 1024

  static func main() throws {
    guard CommandLine.arguments.count == 3, let times = Int(CommandLine.arguments[2]), times > 0 else {
      StandardError.print("usage: bench-scrape FILE TIMES")
      exit(EX_USAGE)
    }
    let scrape = try FileSystem.read(CommandLine.arguments[1], limit: 1 << 30).bytes
    var traffic = Traffic()
    let time = ContinuousClock().measure {
      for _ in 0..<times { traffic = parse(scrape) }
    }
    let rate = Double(scrape.count * times) / 1e6 / (time / .seconds(1))
    let sum = traffic.request.values.reduce(0, +) + traffic.response.values.reduce(0, +)
    print(rate, traffic.request.count, Int(sum))
  }

  private static func parse(_ scrape: [UInt8]) -> Traffic {
    var parser = ScrapeParser()
    scrape.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: bytes.count, by: chunk) {
        parser.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + chunk, bytes.count)]))
      }
    }
    return parser.finish()
  }
}
