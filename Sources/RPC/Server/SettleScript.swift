/// The Lua script that answers calls and forgets their requests, many at once. Redis runs a script as one step, so a
/// reply is there exactly when its request is no longer in flight.
enum SettleScript {
  /// Takes the in-flight list as its key. Its arguments are `1` when the batch may have been carried out before, else
  /// `0`, and then for each settlement the request, the reply address and the reply; the address is empty when there is
  /// nothing to say.
  ///
  /// A repeated reply is only pushed while its request is still in flight. A reply address that is taken by something
  /// else than a list costs that caller its reply, and nobody else.
  static let source = """
    local repeated = ARGV[1] == '1'
    local misdirected = 0
    for i = 2, #ARGV, 3 do
      local request, address, reply = ARGV[i], ARGV[i + 1], ARGV[i + 2]
      if address ~= '' and not (repeated and not redis.call('LPOS', KEYS[1], request)) then
        local pushed = redis.pcall('RPUSH', address, reply)
        if type(pushed) == 'number' then
          redis.call('EXPIRE', address, 300)
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

  static func command(_ batch: CallLedger.Batch, sha: String, inFlight: String) -> [RedisArgument] {
    var command: [RedisArgument] = ["EVALSHA", .text(sha), "1", .text(inFlight), batch.isRepeated ? "1" : "0"]
    command.reserveCapacity(5 + 3 * batch.settlements.count)
    for settlement in batch.settlements {
      command.append(.bytes(settlement.payload))
      command.append(.bytes(settlement.reply?.address.key ?? []))
      command.append(.bytes(settlement.reply?.bytes ?? []))
    }
    return command
  }
}
