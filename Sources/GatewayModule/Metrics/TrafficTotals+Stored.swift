package import GatewayClient
import ProxyConfig
package import Records
import System

extension TrafficTotals {
  init(_ totals: [String: ByteCount]) {
    self.init(request: totals.mapValues(\.request), response: totals.mapValues(\.response))
  }

  /// What a gateway has put on disk of its workloads' traffic, with nothing for those that have a route and no traffic. For
  /// when it cannot be asked: a running one is ahead of this by half a minute at most. Nothing is changed, also where
  /// something is damaged.
  ///
  /// - Throws: `FileError` when there are no routes at that root or its files may not be read; when the totals are damaged.
  package static func stored(in root: GatewayRoot) throws -> TrafficTotals {
    let workloads = try FileSystem.names(in: root.proxy).compactMap { name -> String? in
      guard let bytes = try? FileSystem.read("\(root.proxy)/\(name)", limit: RouteFile.maximumSize).bytes,
        case .route(let route, _, _) = RouteFile.read(bytes.span, name: name)
      else { return nil }
      return route.workload.rawValue
    }
    return TrafficTotals(try TrafficFile(root).totals()).including(workloads)
  }
}
