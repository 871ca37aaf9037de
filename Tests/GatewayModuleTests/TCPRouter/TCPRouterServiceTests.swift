import Foundation
import Records
import System
import Testing

@testable import GatewayModule

/// What keys and values of tcprouter say.
@Suite(.timeLimit(.minutes(5)))
struct TCPRouterServiceTests {
  private static func service(_ inner: String) throws -> TCPRouterService {
    try TCPRouterService(Array(#"{"Key":"k","LastIndex":7,"Value":"\#(Data(inner.utf8).base64EncodedString())"}"#.utf8))
  }

  private static func address(_ tls: String, _ http: String) throws -> TCPRouterService {
    .address(tls: try Endpoint(tls), http: try Endpoint(http))
  }

  @Test func addressIsTakenWithItsPorts() throws {
    for (inner, expected) in [
      (
        #"{"addr":"192.0.2.1","tlsport":8443,"httpport":8080,"clientsecret":"","user":"37"}"#,
        try Self.address("192.0.2.1:8443", "192.0.2.1:8080")
      ),
      (#"{"addr":"192.0.2.1"}"#, try Self.address("192.0.2.1:443", "192.0.2.1:80")),
      (#"{"Addr":"192.0.2.1","TLSPort":0,"HTTPPort":null}"#, try Self.address("192.0.2.1:443", "192.0.2.1:80")),
      (#"{"addr":"2001:db8::1","tlsport":65535}"#, try Self.address("[2001:db8::1]:65535", "[2001:db8::1]:80")),
    ] {
      #expect(try Self.service(inner) == expected, "\(inner)")
    }
  }

  @Test func secretGoesBeforeAnAddress() throws {
    let secret = "37:0123456789abcdef"
    let service = try Self.service(#"{"addr":"nowhere","tlsport":"x","clientsecret":"\#(secret)"}"#)
    guard case .tunnel(let taken) = service else {
      Issue.record("no tunnel")
      return
    }
    #expect(taken.text == secret)
  }

  @Test(
    "What is wrong is told in words that repeat no secret",
    arguments: [
      ("", "there is neither \"addr\" nor \"clientsecret\""),
      (#""addr":"""#, "there is neither \"addr\" nor \"clientsecret\""),
      (#""addr":7"#, "\"addr\" is no text"), (#""addr":"x.test""#, #"invalid addr "x.test": it is no IP address"#),
      (#""addr":"[::1]""#, #"invalid addr "[::1]": it is no IP address"#),
      (#""addr":"192.0.2.1","tlsport":"443""#, "\"tlsport\" is no port from 1 to 65535"),
      (#""addr":"192.0.2.1","tlsport":-1"#, "\"tlsport\" is no port from 1 to 65535"),
      (#""addr":"192.0.2.1","httpport":65536"#, "\"httpport\" is no port from 1 to 65535"),
      (#""addr":"192.0.2.1","httpport":80.5"#, "\"httpport\" is no port from 1 to 65535"),
      (#""clientsecret":"short-secret""#, "invalid secret of 12 bytes: it must have 16 to 512"),
      (#""clientsecret":["0123456789abcdef"]"#, "\"clientsecret\" is no text"),
    ])
  func badMember(members: String, reason: String) throws {
    let error = #expect(throws: InvalidValue.self) { try Self.service("{\(members)}") }
    #expect(error?.description == reason)
  }

  @Test(
    "A value that is something else is told as that",
    arguments: [
      ("", "the value is no JSON object: no value begins so, at byte 1"),
      ("[]", "the value is no JSON object: it is another value"), ("{}", "\"Value\" is no base64"),
      (#"{"Value":"***"}"#, "\"Value\" is no base64"), (#"{"Value":7}"#, "\"Value\" is no base64"),
      (#"{"Value":""}"#, "what is in \"Value\" is no JSON object: no value begins so, at byte 1"),
      (#"{"Value":"eyJhIg=="}"#, "what is in \"Value\" is no JSON object: ':' is needed, at byte 5"),
      (String(repeating: "x", count: 65_537), "the value is longer than 65,536 bytes"),
    ])
  func badValue(value: String, reason: String) throws {
    let error = #expect(throws: InvalidValue.self) { try TCPRouterService(Array(value.utf8)) }
    #expect(error?.description == reason)
  }

  @Test func bytesThatAreNoTextAreRefused() throws {
    #expect(throws: InvalidValue.self) { try TCPRouterService([0xff, 0xfe, 0x00]) }
    #expect(throws: InvalidValue.self) { try TCPRouterName(key: Array("/tcprouter/service/".utf8) + [0xff]) }
  }

  @Test func nameIsADomainOrAll() throws {
    let name = try TCPRouterName(key: Array("/tcprouter/service/shop.example.org".utf8))
    #expect(try name.domain == Domain("shop.example.org") && name.workload.rawValue == "tcprouter-shop.example.org")
    #expect(String(decoding: name.key, as: UTF8.self) == "/tcprouter/service/shop.example.org")
    let all = try TCPRouterName(key: Array("/tcprouter/service/CATCH_ALL".utf8))
    #expect(all.domain == nil && all.workload.rawValue == "tcprouter-CATCH_ALL")
    for name in [name, all] { #expect(try TCPRouterName(name.workload) == name) }
    // The longest that is a workload's.
    let labels = "\(String(repeating: "a", count: 63)).\(String(repeating: "b", count: 49))"
    #expect(try TCPRouterName("\(labels).test").workload.rawValue.utf8.count == 128)
    for (text, reason) in [
      ("\(labels)b.test", "that of a service has at most 118 bytes"),
      ("Shop.example.org", "in a key it is in lower case, without a dot at its end"),
      ("shop.example.org.", "in a key it is in lower case, without a dot at its end"),
      ("catch_all", "it needs at least two labels"), ("", "it is empty"), ("192.0.2.1", "the last label is a number"),
    ] {
      let error = #expect(throws: InvalidValue.self) { try TCPRouterName(text) }
      let shown = text.utf8.count > 100 ? "\(text.prefix(100))…" : text
      #expect(error?.description == "invalid domain \"\(shown)\": \(reason)")
    }
  }
}
