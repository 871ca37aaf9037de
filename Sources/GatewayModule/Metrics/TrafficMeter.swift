/// Reads Traefik's counters for any number of callers: at most one scrape runs at a time, and all who ask while it runs
/// share the next one, which sees everything that was counted before they asked.
public actor TrafficMeter {
  private typealias Scrape = Task<Result<Traffic, ScrapeError>, Never>

  private let scrape: TraefikScrape
  private var running: Scrape?
  private var next: Scrape?

  public init(_ scrape: TraefikScrape) {
    self.scrape = scrape
  }

  func read() async throws(ScrapeError) -> Traffic {
    if let next { return try await next.value.get() }
    let previous = running
    let task = Scrape {
      if let previous {
        _ = await previous.value
        (running, next) = (next, nil)
      }
      return await run()
    }
    if previous == nil { running = task } else { next = task }
    return try await task.value.get()
  }

  private func run() async -> Result<Traffic, ScrapeError> {
    defer { if next == nil { running = nil } }
    do throws(ScrapeError) {
      return .success(try await scrape.read())
    } catch {
      return .failure(error)
    }
  }
}
