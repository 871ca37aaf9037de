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
  let content = RouteFile.read(file.span, name: workload.map { "\($0).yaml" } ?? "other.yml")
  let nameless = RouteFile.read(file.span, name: "no workload.yaml")
  expect(isBroken(content) == isBroken(nameless), "a file is broken under any name")
  guard case .route(let route, _, _) = content else { return 0 }
  expect(route.workload == workload, "a route is of the workload that its file is named after")
  let written = route.encoded()
  guard case .route(let again, _, _) = RouteFile.read(written.span, name: route.fileName) else {
    fatalError("a route's own file is none")
  }
  expect(again == route, "a route's file says the route")
  expect(again.encoded() == written, "equal routes have equal bytes")
  return 0
}

private func isBroken(_ file: RouteFile) -> Bool {
  if case .broken = file { true } else { false }
}
