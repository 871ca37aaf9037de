/// The Lua script that cuts requests in flight down which are too large to be read. Taking one has cost the connection
/// that took it, and in full it would cost every following one.
enum OversizeScript {
  /// Takes the in-flight list as its key and the most bytes a request may have as its argument. What is left of a
  /// request is its identifier, its reply address, and its size under the key `Oversize`, so that it is
  /// answered with a protocol error; of one without a reply address, its first bytes. Returns how many there were.
  ///
  /// The two fields are searched for, not parsed: Redis' own MessagePack knows no binaries. Callers write the identifier
  /// in front of the inputs, which are what is large, and the reply address behind them.
  ///
  /// The request goes before its remains come, since a broker that is out of memory allows only that order.
  static let source = #"""
    local function field(request, name, at)
      if not at then return '' end
      local value = at + #name
      local head, length = string.byte(request, value, value + 1)
      if head and head >= 0xa0 and head <= 0xbf then return string.sub(request, at, value + head - 0xa0) end
      if head == 0xd9 and length then return string.sub(request, at, value + 1 + length) end
      return ''
    end

    local count = 0
    -- A few at a time: all of them together may be more than should be in memory twice.
    local at, last = 0, redis.call('LLEN', KEYS[1])
    while at < last do
      local requests = redis.call('LRANGE', KEYS[1], at, math.min(at + 16, last) - 1)
      at = at + #requests
      for _, request in ipairs(requests) do
        if #request > tonumber(ARGV[1]) then
          local id = field(request, '\162ID', string.find(request, '\162ID', 1, true))
          local address = field(request, '\167ReplyTo', string.match(request, '^.*()\167ReplyTo'))
          local remains = string.sub(request, 1, 48)
          if address ~= '' then
            local size = tostring(#request)
            remains = string.char(id == '' and 0x82 or 0x83) .. id .. address .. '\168Oversize'
              .. string.char(0xa0 + #size) .. size
          end
          redis.call('LREM', KEYS[1], 1, request)
          redis.call('RPUSH', KEYS[1], remains)
          at, last, count = at - 1, last - 1, count + 1
        end
      end
    end
    return count
    """#
}
