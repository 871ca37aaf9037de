/// How the broker is told to answer calls and to forget their requests: many at once and as one step, so a reply is
/// there exactly when its request is no longer in flight.
enum Settling {
  /// How long a reply is kept for a caller who does not come for it, in seconds.
  static let expiry: StaticString = "300"

  /// The commands for a batch that was not sent before, which are to stand in a transaction: that costs Redis a third
  /// of what a script does. Returns how many there are.
  static func write(_ batch: CallLedger.Batch, inFlight: [String], to commands: inout RedisCommands) -> Int {
    var count = batch.removals.count
    for settlement in batch.settlements {
      if let reply = settlement.reply {
        commands.begin(count: 3)
        commands.append("RPUSH")
        commands.append(reply.address.key)
        commands.append(reply.bytes)
        count += 1
      }
    }
    for removal in batch.removals {
      commands.begin(count: 4)
      switch removal.what {
      case .first(let number):
        commands.append("LTRIM")
        commands.append(inFlight[removal.source].utf8)
        commands.append("\(number)".utf8)
        commands.append("-1")
      case .one(let payload):
        commands.append("LREM")
        commands.append(inFlight[removal.source].utf8)
        commands.append("1")
        commands.append(payload)
      }
    }
    return count
  }

  /// The command that counts the replies of a batch which nobody has taken, to follow the transaction: callers who wait have
  /// taken theirs by then, so that mostly there are none, and nothing has to expire. Returns how many commands it is.
  static func writeCount(_ batch: CallLedger.Batch, to commands: inout RedisCommands) -> Int {
    let replies = batch.settlements.lazy.compactMap(\.reply)
    let count = replies.count
    guard count > 0 else { return 0 }
    commands.begin(count: 1 + count)
    commands.append("EXISTS")
    for reply in replies { commands.append(reply.address.key) }
    return 1
  }

  /// The commands that let the replies of a batch expire, without those that were not pushed. Those that were taken meanwhile
  /// are no matter.
  static func expiries(_ batch: CallLedger.Batch, without misdirected: [ReplyAddress]) -> [[RedisArgument]] {
    batch.settlements.compactMap(\.reply?.address).filter { !misdirected.contains($0) }.map { address in
      ["EXPIRE", .bytes(address.key), .text("\(expiry)")]
    }
  }

  /// The reply addresses that something else than a list has taken, by the results of the commands of
  /// ``write(_:inFlight:to:)``. Such a caller loses its reply.
  ///
  /// - Throws: what the broker says when it refuses anything else.
  static func misdirected(_ batch: CallLedger.Batch, _ results: [RedisReply]) throws(RedisRefusal) -> [ReplyAddress] {
    guard results.contains(where: { $0.refusal != nil }) else { return [] }
    let replies = batch.settlements.compactMap(\.reply)
    var addresses: [ReplyAddress] = []
    for (index, result) in results.enumerated() {
      guard let refusal = result.refusal else { continue }
      guard index < replies.count, refusal.isWrongType else { throw refusal }
      addresses.append(replies[index].address)
    }
    return addresses
  }

  /// The script for a batch that may have been carried out before, since the connection broke before that was known: a
  /// reply is only pushed while its request is still in flight, and otherwise made to expire.
  ///
  /// It takes the in-flight lists as its keys. Its arguments are, for each settlement, which of these it is about, the
  /// request, the reply address and the reply; the address is empty when there is nothing to say. Returns how many reply
  /// addresses are taken by something else than a list.
  static let script = """
    local misdirected = 0
    for i = 1, #ARGV, 4 do
      local list, request, address, reply = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
      if address ~= '' and redis.call('LPOS', list, request) then
        local pushed = redis.pcall('RPUSH', address, reply)
        if type(pushed) == 'number' then
          redis.call('EXPIRE', address, \(expiry))
        elseif string.find(pushed.err, 'WRONGTYPE', 1, true) then
          misdirected = misdirected + 1
        else
          return redis.error_reply(pushed.err)
        end
      elseif address ~= '' and redis.call('TYPE', address).ok == 'list' then
        redis.call('EXPIRE', address, \(expiry))
      end
      redis.call('LREM', list, 1, request)
    end
    return misdirected
    """

  /// The command that runs the script, by its text, which Redis compiles only once.
  static func command(_ batch: CallLedger.Batch, inFlight: [String]) -> [RedisArgument] {
    ["EVAL", .text(script), "\(inFlight.count)"] + inFlight.map(RedisArgument.text)
      + batch.settlements.flatMap { settlement -> [RedisArgument] in
        [
          "\(settlement.source + 1)", .bytes(settlement.payload), .bytes(settlement.reply?.address.key ?? []),
          .bytes(settlement.reply?.bytes ?? []),
        ]
      }
  }
}
