/// How the broker is told to answer calls and to forget their requests: many at once and as one step, so a reply is
/// there exactly when its request is no longer in flight.
enum Settling {
  /// How long a reply is kept for a caller who does not come for it, in seconds.
  static let expiry: StaticString = "300"

  /// The commands for a batch that was not sent before, which are to stand in a transaction: that costs Redis a third
  /// of what a script does. Returns how many there are.
  static func write(_ batch: CallLedger.Batch, inFlight: String, to commands: inout RedisCommands) -> Int {
    var count = 0
    for settlement in batch.settlements {
      if let reply = settlement.reply {
        commands.begin(count: 3)
        commands.append("RPUSH")
        commands.append(reply.address.key)
        commands.append(reply.bytes)
        count += 1
      }
      commands.begin(count: 4)
      commands.append("LREM")
      commands.append(inFlight.utf8)
      commands.append("1")
      commands.append(settlement.payload)
      count += 1
    }
    return count
  }

  /// The commands that let the replies of a batch expire, which are to follow the transaction: then the callers who wait have
  /// taken theirs, and the rest costs little. Returns how many there are.
  static func writeExpiries(_ batch: CallLedger.Batch, to commands: inout RedisCommands) -> Int {
    var count = 0
    for case let reply? in batch.settlements.lazy.map(\.reply) {
      commands.begin(count: 3)
      commands.append("EXPIRE")
      commands.append(reply.address.key)
      commands.append(expiry)
      count += 1
    }
    return count
  }

  /// The reply addresses that something else than a list has taken, by the results of the commands of
  /// ``write(_:inFlight:to:)``. Such a caller loses its reply; the expiry that its address got all the same, since it was
  /// sent along, is to be taken away again.
  ///
  /// - Throws: what the broker says when it refuses anything else.
  static func misdirected(_ batch: CallLedger.Batch, _ results: [RedisReply]) throws(RedisRefusal) -> [ReplyAddress] {
    guard results.contains(where: { $0.refusal != nil }) else { return [] }
    var addresses: [ReplyAddress] = []
    var results = results.makeIterator()
    for reply in batch.settlements.map(\.reply) {
      if let reply {
        if let refusal = results.next()?.refusal {
          guard refusal.isWrongType else { throw refusal }
          addresses.append(reply.address)
        }
      }
      if let refusal = results.next()?.refusal { throw refusal }
    }
    return addresses
  }

  /// The script for a batch that may have been carried out before, since the connection broke before that was known: a
  /// reply is only pushed while its request is still in flight.
  ///
  /// It takes the in-flight list as its key. Its arguments are, for each settlement, the request, the reply address and
  /// the reply; the address is empty when there is nothing to say. Returns how many reply addresses are taken by
  /// something else than a list.
  static let script = """
    local misdirected = 0
    for i = 1, #ARGV, 3 do
      local request, address, reply = ARGV[i], ARGV[i + 1], ARGV[i + 2]
      if address ~= '' and redis.call('LPOS', KEYS[1], request) then
        local pushed = redis.pcall('RPUSH', address, reply)
        if type(pushed) == 'number' then
          redis.call('EXPIRE', address, \(expiry))
        elseif string.find(pushed.err, 'WRONGTYPE', 1, true) then
          misdirected = misdirected + 1
        else
          return redis.error_reply(pushed.err)
        end
      end
      redis.call('LREM', KEYS[1], 1, request)
    end
    return misdirected
    """

  /// The command that runs the script, by its text, which Redis compiles only once.
  static func command(_ batch: CallLedger.Batch, inFlight: String) -> [RedisArgument] {
    ["EVAL", .text(script), "1", .text(inFlight)]
      + batch.settlements.flatMap { settlement -> [RedisArgument] in
        [
          .bytes(settlement.payload), .bytes(settlement.reply?.address.key ?? []),
          .bytes(settlement.reply?.bytes ?? []),
        ]
      }
  }
}
