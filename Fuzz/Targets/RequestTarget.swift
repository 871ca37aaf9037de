import GatewayClient
import ProxyConfig

@testable import GatewayModule
@testable import RPC

/// A payload from a queue, as far as the bytes of its reply: read, looked up, arguments decoded, rules applied, answered.
///
/// - A payload that can be answered has a reply address that is safe to push to, and one that is a request is the same
///   request when it is written again.
/// - The reply decodes to what was answered, and to the request's identifier, byte by byte.
/// - Its size is bounded by the payload's.
/// - A route that is accepted reads back from its file as the same route.
@c(fuzz_request)
public func fuzzRequest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let payload = bytes(start, count)
  do throws(Request.Fault) {
    let request = try Request(payload)
    checkAddress(request.replyTo)
    checkRewritten(request)
    do throws(ProtocolError) {
      let method = try objects.method(for: request)
      expect(method.arity == request.inputs.count, "a method gets as many arguments as it takes")
      check(CallingThread.wait { await method.invoke(request.inputs) }, answers: request.id, in: payload)
    } catch {
      check(.protocolError(error.message), answers: request.id, in: payload)
    }
  } catch {
    guard case .answerable(let why, let id, let address) = error else { return 0 }
    checkAddress(address)
    check(.protocolError(why), answers: id, in: payload)
  }
  return 0
}

private func checkAddress(_ address: ReplyAddress) {
  let text = String(decoding: address.key, as: UTF8.self)
  expect(!text.isEmpty && address.key.count <= 256, "a reply address is a short key")
  expect(text.firstMatch(of: /\..*@/.dotMatchesNewlines()) == nil, "no reply goes to a module's queue")
  expect(!text.hasSuffix(".in-flight"), "no reply goes to a list in flight")
}

private func checkRewritten(_ request: Request) {
  guard let id = String(validating: request.id, as: UTF8.self),
    let replyTo = String(validating: request.replyTo.key, as: UTF8.self)
  else { return }
  let again = try? Request(
    Request.encode(
      id: id, inputs: request.inputs.map(Array.init), object: request.object, method: request.method, replyTo: replyTo))
  expect(
    again?.id == request.id && again?.inputs == request.inputs && again?.object == request.object
      && again?.method == request.method && again?.replyTo == request.replyTo, "a request that is written is the same")
}

private func check(_ outcome: Response.Outcome, answers id: ArraySlice<UInt8>, in payload: [UInt8]) {
  let reply = Response.encode(id: id, outcome)
  // An error text may name each of 64 backends, spelt with escapes.
  expect(reply.count <= 16 * payload.count + 16_384, "a reply is bounded by its request")
  var reader = MessagePackReader(reply[...])
  expect((try? reader.skip()) != nil && reader.remaining == 0, "a reply is one value")
  // An identifier travels as it came, also when it is no text.
  guard let id = String(validating: id, as: UTF8.self) else { return }
  do {
    let response = try Response(reply)
    expect(response.outcome == outcome, "a reply says what was answered")
    expect(response.id.utf8.elementsEqual(id.utf8), "a reply carries the request's identifier")
  } catch {
    fatalError("a reply does not decode: \(error)")
  }
}

// MARK: The objects

/// The gateway's methods by their signatures and rules, with no disk behind them; and one of several results.
private let objects: ObjectTable = {
  var objects = ObjectTable()
  for id in [GatewayObject.legacyID, GatewayObject.id] {
    objects.add(
      id,
      [
        RPCMethod("SetNamedProxy") { (workload: String, request: RouteRequest) in
          try setNamedProxy(workload, request)
        },
        RPCMethod("SetNamedProxy") { (workload: String, name: String, backends: [String], passesTLSThrough: Bool) in
          try setNamedProxy(
            workload, RouteRequest(.label(name), backends: backends, passesTLSThrough: passesTLSThrough))
        },
        RPCMethod("SetFQDNProxy") { (workload: String, request: RouteRequest) in
          try setFQDNProxy(workload, request)
        },
        RPCMethod("SetFQDNProxy") { (workload: String, fqdn: String, backends: [String], passesTLSThrough: Bool) in
          try setFQDNProxy(workload, RouteRequest(.fqdn(fqdn), backends: backends, passesTLSThrough: passesTLSThrough))
        },
        RPCMethod("DeleteNamedProxy") { (workload: String) in _ = try WorkloadID(workload) },
        RPCMethod("Metrics") { ["Request": [workload.rawValue: 1.5], "Response": [:]] },
        RPCMethod("Routes") { (workload: String) in try [RouteInfo(route(WorkloadID(workload)), zone: zone)] },
        RPCMethod("Node") { node },
      ])
  }
  objects.add(
    ObjectID("utils", version: "1.0"),
    [RPCMethod("Echo") { (time: Timestamp, bytes: Binary, status: ModuleStatus) in (time, bytes, status) }])
  return objects
}()

private func route(_ workload: WorkloadID) throws -> Route {
  try Route(
    workload: workload, domain: Domain("app.example.com"), tls: .passthrough, backends: ["10.1.2.3:443"],
    httpBackends: ["10.1.2.3"], under: policy)
}

/// With something in each of its fields.
private let node = {
  var traefik = TraefikInfo()
  (traefik.started, traefik.lastReload) = (Timestamp(seconds: 1), Timestamp(seconds: 2))
  return NodeInfo(
    version: "1.2", pid: 1, started: Timestamp(seconds: 1), machine: "m", host: "h", root: "/r", domain: "a.b",
    publicIPs: ["192.0.2.1"], networkFault: "f", httpAddress: ":80", httpsAddress: ":443",
    traefikAddress: "127.0.0.1:1",
    netns: "n", certificateAuthority: "u", routes: 1, quarantined: 1,
    quarantine: [QuarantinedFile(name: "x", reason: "y")], traefik: traefik, withoutCertificates: 1,
    withoutCertificate: [UncertifiedName(name: "*.a.b", since: Timestamp(seconds: 1))])
}()

private let workload = try! WorkloadID("37-1976-w")
private let zone = try! Domain("gent01.example.test")
private let policy = AddressPolicy.requested(nodeAddresses: [])

private func setNamedProxy(_ workload: String, _ request: RouteRequest) throws -> String {
  guard case .label(let name) = request.name else { throw CallError("no label") }
  let route = try Route(
    workload: WorkloadID(workload), domain: Domain(Label(name), in: zone),
    tls: request.passesTLSThrough ? .passthrough : .terminated(.wildcard(of: zone)), backends: request.backends,
    httpBackends: request.httpBackends ?? [], under: policy)
  expect(route.isInside(zone), "a named proxy is inside the zone")
  checkReadsBack(route)
  return route.domainName
}

private func setFQDNProxy(_ workload: String, _ request: RouteRequest) throws {
  guard case .fqdn(let name) = request.name else { throw CallError("no domain") }
  checkReadsBack(
    try Route(
      workload: WorkloadID(workload), domain: Domain(name),
      tls: request.passesTLSThrough ? .passthrough : .terminated(.own), backends: request.backends,
      httpBackends: request.httpBackends ?? [], under: policy))
}

private func checkReadsBack(_ route: Route) {
  expect(
    RouteFile.read(route.encoded().span, name: route.fileName) == .route(route), "a route's file says the route")
}
