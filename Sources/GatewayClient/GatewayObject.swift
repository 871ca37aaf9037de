public import RPC

/// How the gateway is called on the bus.
public enum GatewayObject {
  /// The module.
  public static let module = "gateway"
  /// What the documentation calls the object.
  public static let id = ObjectID("gateway", version: "0.0.1")
  /// What callers of the Go gateway call it; the same methods and events.
  public static let legacyID = ObjectID("manager", version: "0.0.1")

  /// The stream of ``RouteEvent``.
  public static let events = "Changes"

  /// The object's methods.
  public enum Method {
    /// Workload, ``RouteRequest`` with a label; returns the whole domain name.
    public static let setNamedProxy = "SetNamedProxy"
    /// Workload, ``RouteRequest`` with a whole domain name.
    public static let setFQDNProxy = "SetFQDNProxy"
    /// Workload; one that has no route is no error.
    public static let deleteNamedProxy = "DeleteNamedProxy"
    /// Nothing; returns ``TrafficTotals``.
    public static let metrics = "Metrics"
    /// Nothing, or a workload; returns ``RouteInfo``, one a route.
    public static let routes = "Routes"
    /// Nothing; returns ``NodeInfo``.
    public static let node = "Node"
  }
}
