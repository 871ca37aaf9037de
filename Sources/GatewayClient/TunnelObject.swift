public import RPC

/// How the gateway's tunnels are called on the bus.
public enum TunnelObject {
  /// The object, of the module `GatewayObject.module`.
  public static let id = ObjectID("tunnel", version: "0.0.1")

  /// The stream of ``RecordEvent``.
  public static let events = "Changes"

  /// The object's methods.
  public enum Method {
    /// Workload, ``TunnelRequest``; returns ``TunnelAccess``.
    public static let setTunnel = "SetTunnel"
    /// Workload; one that has no tunnel is no error.
    public static let deleteTunnel = "DeleteTunnel"
    /// Nothing; returns ``TunnelInfo``, one a tunnel.
    public static let tunnels = "Tunnels"
  }
}
