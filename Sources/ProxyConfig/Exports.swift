// What this library's own types are made of, for who imports it alone.
@_exported public import struct Records.Domain
@_exported public import struct Records.FileMismatch
@_exported public import struct Records.Label
@_exported public import struct Records.UnreadableFile
@_exported public import struct Records.WorkloadID
@_exported public import struct System.Endpoint
@_exported public import struct System.IPAddress
@_exported public import struct System.IPNetwork
@_exported public import struct System.InvalidValue
@_exported public import struct System.ListenAddress
