public import RPC

/// How the gateway's pipes are called on the bus.
public enum PipeObject {
  /// The object, of the module `GatewayObject.module`.
  public static let id = ObjectID("pipe", version: "0.0.1")

  /// The stream of ``RecordEvent``.
  public static let events = "Changes"

  /// The object's methods.
  public enum Method {
    /// Workload, ``PipeRequest``.
    public static let setPipe = "SetPipe"
    /// Workload; one that has no pipe is no error.
    public static let deletePipe = "DeletePipe"
    /// Nothing; returns ``PipeInfo``, one a pipe.
    public static let pipes = "Pipes"
  }
}
