/// Route files as the earlier Go module wrote them.
public enum EarlierRoute {
  /// A named route of `gent01.dev.grid.tf` to `http://10.1.2.3:9000`.
  public static func named(_ workload: String, _ name: String) -> String {
    """
    http:
      routers:
        \(workload)-route:
          rule: Host(`\(name).gent01.dev.grid.tf`)
          service: \(workload)
          tls:
            certResolver: dnsresolver
            domains:
            - sans:
              - '*.gent01.dev.grid.tf'
      services:
        \(workload):
          loadbalancer:
            servers:
            - url: http://10.1.2.3:9000

    """
  }
}
