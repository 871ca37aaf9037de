import GatewayModule

/// Traefik's metrics, in one piece and cut in two ways.
///
/// - Where a scrape is cut makes no difference.
/// - Every count is a number that is not negative.
/// - Of a scrape that is there twice, the workloads are the same.
@c(fuzz_scrape)
public func fuzzScrape(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let page = UnsafeRawBufferPointer(start: start, count: count)
  let whole = traffic(page) { _ in count }
  // Where the pieces end is taken from the bytes themselves, so that every scrape is an input.
  expect(traffic(page) { Int($0) % 61 } == whole, "a scrape may be cut anywhere")
  expect(traffic(page) { _ in 1 } == whole, "a scrape may come byte by byte")
  expect(whole.request.values.allSatisfy { $0 >= 0 }, "a request's count is a number from 0")
  expect(whole.response.values.allSatisfy { $0 >= 0 }, "a response's count is a number from 0")

  var parser = ScrapeParser()
  parser.consume(page)
  "\n".utf8.withContiguousStorageIfAvailable { parser.consume(UnsafeRawBufferPointer($0)) }
  parser.consume(page)
  let twice = parser.finish()
  expect(whole.request.keys.allSatisfy { twice.request[$0] != nil }, "what was counted stays counted")
  expect(whole.response.keys.allSatisfy { twice.response[$0] != nil }, "what was counted stays counted")
  return 0
}

/// What a page counts when it comes in pieces, each as long as `length` says of its first byte; after an empty piece
/// comes one byte.
private func traffic(_ page: UnsafeRawBufferPointer, _ length: (UInt8) -> Int) -> Traffic {
  var parser = ScrapeParser()
  var rest = page[...]
  while let first = rest.first {
    let piece = rest.prefix(length(first))
    parser.consume(UnsafeRawBufferPointer(rebasing: piece))
    rest = rest.dropFirst(piece.count)
    guard piece.isEmpty else { continue }
    parser.consume(UnsafeRawBufferPointer(rebasing: rest.prefix(1)))
    rest = rest.dropFirst()
  }
  return parser.finish()
}
