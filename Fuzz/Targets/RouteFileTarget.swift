import ProxyConfig

/// A file in Traefik's directory, whose first line may name its workload: `# 37-1976-web`.
///
/// - A route that was read, written and read again is the same, and equal routes have equal bytes.
/// - Whether Traefik can read a file does not hang on its name.
@c(fuzz_routes)
public func fuzzRoutes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let file = bytes(start, count)
  let firstLine = file.prefix { $0 != UInt8(ascii: "\n") }
  let workload = try? WorkloadID(String(decoding: firstLine.dropFirst(2), as: UTF8.self))
  let content = try? RouteFile.read(file.span, workload: workload)
  let nameless = try? RouteFile.read(file.span, workload: nil)
  expect((content == nil) == (nameless == nil), "a file is unreadable under any name")
  guard case .route(let route) = content else { return 0 }
  expect(route.workload == workload, "a route is of the workload that its file is named after")
  let written = route.encoded()
  guard case .route(let again) = try? RouteFile.read(written.span, workload: workload) else {
    fatalError("a route's own file is none")
  }
  expect(again == route, "a route's file says the route")
  expect(again.encoded() == written, "equal routes have equal bytes")
  return 0
}
