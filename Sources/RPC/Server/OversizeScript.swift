/// The Lua script that cuts requests in flight down which are too large to be read. Taking one has cost the connection
/// that took it, and in full it would cost every following one.
enum OversizeScript {
  /// The largest request that is searched for its reply address, in bytes: Redis unpacks it for that.
  static let maximumSearched = 4 << 20

  /// Takes the in-flight list as its key, and the most bytes a request may have and ``maximumSearched`` as its
  /// arguments. What is left of a request is one whose inputs do not decode, and which is answered as such; of one that
  /// names no reply address, its first bytes. Returns how many there were.
  ///
  /// The request goes before its remains come, since a broker that is out of memory allows only that order.
  static let source = """
    local limit, searched = tonumber(ARGV[1]), tonumber(ARGV[2])
    local count = 0
    for _, request in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
      if #request > limit then
        local remains = string.sub(request, 1, 48)
        if #request <= searched then
          local unpacked, fields = pcall(cmsgpack.unpack, request)
          if unpacked and type(fields) == 'table' and type(fields.ReplyTo) == 'string' then
            remains = cmsgpack.pack({ID = fields.ID, ReplyTo = fields.ReplyTo, Inputs = #request .. ' bytes'})
          end
        end
        redis.call('LREM', KEYS[1], 1, request)
        redis.call('RPUSH', KEYS[1], remains)
        count = count + 1
      end
    end
    return count
    """
}
