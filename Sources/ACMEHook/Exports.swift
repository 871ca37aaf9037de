// What this library's own functions take, for who imports it alone.
@_exported public import struct Records.ChallengeZone
@_exported public import struct Records.ChallengeZoneError
@_exported public import struct Records.GatewayRoot
