import GatewayClient
import Records

extension RecordEvent {
  init<Content>(_ event: RecordStore<Content>.Event) {
    switch event {
    case .set(let record, let old):
      self.init(workload: record.workload.rawValue, action: old == nil ? .set : .replaced)
    case .deleted(let record): self.init(workload: record.workload.rawValue, action: .deleted)
    case .quarantined(let workload, let reason):
      self.init(workload: workload?.rawValue ?? "", action: .quarantined, reason: reason)
    }
  }
}

extension RecordStore.Event {
  /// Whose record or file it is of; nil where that is not known.
  var workload: WorkloadID? {
    switch self {
    case .set(let record, _), .deleted(let record): record.workload
    case .quarantined(let workload, _): workload
    }
  }
}
