import GatewayModule
import Glibc
import ProxyConfig
import RPC
import Records
import System

/// Whether Traefik can start with the certificates it has. The gateway puts their files right by itself: a finding is for
/// when it does not run, or cannot.
struct StorageCheck {
  private static let name = "storage"

  let root: GatewayRoot
  /// Whether the gateway runs.
  let isServed: Bool
  /// In seconds: what Traefik is writing, and what the gateway is about to put right, is whole after that.
  var patience: UInt32 = 2

  /// Looks a second time, after ``patience``, when something is wrong; blocks the thread.
  func check() -> [Check] {
    let first = look()
    guard first.contains(where: { $0.outcome == .failure }) else { return first }
    sleep(patience)
    return look()
  }

  private func look() -> [Check] {
    do throws(FileError) {
      var checks: [Check] = []
      for storage in CertificateResolvers.Storage.allCases { checks += try check(storage) }
      if !checks.isEmpty { return checks }
    } catch {
      let isDenied = error.code == EACCES || error.code == EPERM
      return [
        isDenied
          ? .warning(Self.name, "not looked at: \(error)", "run this as root, or as the user of the gateway")
          : failure("\(error)")
      ]
    }
    let exists = CertificateResolvers.Storage.allCases.contains { access(file($0), F_OK) == 0 }
    return exists ? [.ok(Self.name, "Traefik's certificates in \(root.traefik) are whole and private")] : []
  }

  private func file(_ storage: CertificateResolvers.Storage) -> String { "\(root.traefik)/\(storage.rawValue)" }

  private func check(_ storage: CertificateResolvers.Storage) throws(FileError) -> [Check] {
    let file = file(storage)
    var checks: [Check] = []
    let hasCopy = try FileSystem.find("\(file).kept") != nil
    if let status = try FileSystem.find(file) {
      if status.mode & 0o077 != 0 {
        let mode = String(status.mode, radix: 8)
        checks.append(failure("others may use \(file) (mode \(mode)), so Traefik will not", "chmod 600 \(file)"))
      }
      let bytes = try FileSystem.read(file, limit: CertificateStorage.largest).bytes
      // One that never had anything is no damage.
      if bytes.isEmpty ? hasCopy : StoredCertificates(bytes) == nil {
        checks.append(failure("\(file) is \(bytes.isEmpty ? "empty" : "no whole JSON"): Traefik would start without"))
      }
    } else if hasCopy {
      checks.append(failure("\(file) is gone: Traefik would start without"))
    }
    if let damaged = try FileSystem.find("\(file).damaged") {
      let time = UTCTime(Timestamp(seconds: damaged.stamp.modified / 1_000_000_000))
      checks.append(
        .warning(
          Self.name, "\(file) was damaged, last written at \(time), and put aside as \(file).damaged",
          "make room on the disk, see what the gateway's log says of it, and remove that file"))
    }
    return checks
  }

  /// - Parameter remedy: for when no gateway runs that would do it.
  private func failure(_ finding: String, _ remedy: String = "") -> Check {
    let start = "\(Unit.gateway.remedy(.start)), which puts it right"
    let gateway =
      isServed
      ? "the gateway's log says why it could not put that right" : remedy.isEmpty ? start : "\(remedy), or \(start)"
    return .failure(Self.name, finding, "\(gateway); then \(Unit.traefik.remedy(.restart))")
  }
}
