import ProxyConfig

/// A route with TLS terminated by Traefik, and a certificate of its own.
func route(_ workload: String, _ domain: String, _ backend: String = "http://10.1.2.3") throws -> Route {
  try Route(
    workload: WorkloadID(workload), domain: Domain(domain), tls: .terminated(.own), backends: [backend],
    under: .alreadyAccepted)
}
