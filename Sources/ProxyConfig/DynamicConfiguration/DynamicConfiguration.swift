import Records

/// The fields of Traefik's dynamic configuration, and what it takes for each: what it knows of no field keeps it from taking any
/// file in.
///
/// Established with Traefik 3.7 (see `DynamicConfigurationTests`), whose documentation lists most of them under "File
/// Configuration Reference". The others are those it has for its other providers and takes from a file all the same.
enum DynamicConfiguration {
  /// What a field takes. Traefik turns every scalar to text first, so a string may be a number, and a number stand in quotes.
  indirect enum ValueKind: Sendable {
    /// Any scalar, and for what Traefik makes of it, a list of them.
    case string
    case bool
    /// A whole number of 64 bits.
    case int
    /// A whole number, of seconds, or what Go's `time.ParseDuration` reads.
    case duration
    /// Strings; anything but structures.
    case list
    /// Named fields. One without any is an error, unless it `mayBeEmpty`.
    case structure(Structure, mayBeEmpty: Bool)
    /// A list of structures.
    case structures(Structure)
    /// Any names with a value each, at least one.
    case map(ValueKind)
    /// A plugin's own configuration, of which nothing is known.
    case any
    /// What Traefik knows from other providers and leaves out of a file, whatever its value is.
    case unread(ValueKind)
  }

  /// A class, for many fields share one.
  final class Structure: Sendable {
    /// By name, in lower case: Traefik's names may be in any.
    let fields: [String: ValueKind]

    init(_ fields: [String: ValueKind]) { self.fields = fields }
  }

  static let root: Structure = {
    var reader = TableReader(table)
    return reader.structure("Root")
  }()

  /// Each line of a structure names a kind and the fields of that kind. `[X]` is a list of X, `{X}` a map of X, `X?` may be
  /// empty, `-X` is not read.
  static let table = """
    Root
      HTTP: http
      TCP: tcp
      UDP: udp
      TLS: tls
    HTTP
      {Router}: routers
      {Service}: services
      {Middleware}: middlewares
      {Model}: models
      {ServersTransport}: serversTransports
    Router
      list: entryPoints middlewares parentRefs
      string: service rule ruleSyntax
      int: priority
      RouterTLS?: tls
      Observability: observability
      -bool: defaultRule
      -EncodedCharacters: deniedEncodedPathCharacters
    RouterTLS
      string: options certResolver
      -string: resolvedOptions
      -bool: conflictingOptions
      [Domain]: domains
    Domain
      string: main
      list: sans
    Observability
      bool: accessLogs metrics tracing
      string: traceVerbosity
      -Metadata: metadata
    Metadata
      -Ingress: ingress
    Ingress
      string: namespace name kind
    EncodedCharacters
      bool: allowEncodedSlash allowEncodedBackSlash allowEncodedNullCharacter allowEncodedSemicolon
      bool: allowEncodedPercent allowEncodedQuestionMark allowEncodedHash
    Service
      list: middlewares
      LoadBalancer: loadBalancer
      HighestRandomWeight: highestRandomWeight
      Weighted: weighted
      Mirroring: mirroring
      Failover: failover
      -ServiceObservability: observability
    LoadBalancer
      Sticky?: sticky
      [Server]: servers
      string: strategy serversTransport
      HealthCheck: healthCheck
      PassiveHealthCheck: passiveHealthCheck
      bool: passHostHeader
      ResponseForwarding: responseForwarding
      -string: nginxUpstreamHashBy
    Sticky
      Cookie?: cookie
    Cookie
      string: name sameSite path domain
      bool: secure httpOnly
      int: maxAge
      -int: expires
      -bool: preserveLeadingDot
    Server
      string: url
      int: weight
      bool: preservePath
      -bool: fenced
      -string: scheme port
    HealthCheck
      string: scheme mode path method hostname
      int: status port
      duration: interval unhealthyInterval timeout
      bool: followRedirects
      {string}: headers
    PassiveHealthCheck
      duration: failureWindow
      int: maxFailedAttempts
    ResponseForwarding
      duration: flushInterval
    HighestRandomWeight
      [Weight]: services
      Nothing?: healthCheck
    Weight
      string: name
      int: weight
    Nothing
    Weighted
      [WeightedService]: services
      Sticky: sticky
      Nothing?: healthCheck
    WeightedService
      string: name
      int: weight
      -{string}: headers
      -int: status
      -GRPCStatus: grpcStatus
    GRPCStatus
      int: code
      string: msg
    Mirroring
      string: service
      bool: mirrorBody
      int: maxBodySize
      [Mirror]: mirrors
      Nothing?: healthCheck
    Mirror
      string: name
      int: percent
    Failover
      string: service fallback
      Nothing?: healthCheck
      Errors: errors
    Errors
      int: maxRequestBodyBytes
      list: status
    ServiceObservability
      -ServiceObservabilityMetadata: metadata
    ServiceObservabilityMetadata
      Kubernetes: kubernetes
    Kubernetes
      string: namespace name port
    Middleware
      AddPrefix: addPrefix
      StripPrefix: stripPrefix
      StripPrefixRegex: stripPrefixRegex
      ReplacePath: replacePath
      ReplacePathRegex: replacePathRegex
      Chain: chain
      IPWhiteList: ipWhiteList
      IPAllowList: ipAllowList
      Headers: headers
      EncodedCharacters: encodedCharacters
      ErrorPage: errors
      RateLimit: rateLimit
      RedirectRegex: redirectRegex
      RedirectScheme: redirectScheme
      BasicAuth: basicAuth digestAuth
      ForwardAuth: forwardAuth
      InFlightReq: inFlightReq
      Buffering: buffering
      CircuitBreaker: circuitBreaker
      Compress?: compress
      PassTLSClientCert: passTLSClientCert
      Retry: retry
      ContentType?: contentType
      GrpcWeb: grpcWeb
      {any}: plugin
      -HeaderModifier: requestHeaderModifier responseHeaderModifier
      -RequestRedirect: requestRedirect
      -URLRewrite: urlRewrite
      -ClientAuth: authTLSPassCertificateToUpstream
      -Snippet: snippet
      -RewriteTarget: rewriteTarget
      -UpstreamVHost: upstreamVHost
      -ReplacePath: appRoot
    AddPrefix
      string: prefix
    StripPrefix
      list: prefixes
      bool: forceSlash
    StripPrefixRegex
      list: regex
    ReplacePath
      string: path
    ReplacePathRegex
      string: regex replacement
    Chain
      list: middlewares
    IPWhiteList
      list: sourceRange
      IPStrategy?: ipStrategy
    IPStrategy
      int: depth ipv6Subnet
      list: excludedIPs
    IPAllowList
      list: sourceRange
      IPStrategy?: ipStrategy
      int: rejectStatusCode
    Headers
      {string}: customRequestHeaders customResponseHeaders sslProxyHeaders
      bool: accessControlAllowCredentials addVaryHeader stsIncludeSubdomains stsPreload forceSTSHeader frameDeny
      bool: contentTypeNosniff browserXssFilter isDevelopment sslRedirect sslTemporaryRedirect sslForceHost
      list: accessControlAllowHeaders accessControlAllowMethods accessControlAllowOriginList
      list: accessControlAllowOriginListRegex accessControlExposeHeaders allowedHosts hostsProxyHeaders
      int: accessControlMaxAge stsSeconds
      string: customFrameOptionsValue customBrowserXSSValue contentSecurityPolicy contentSecurityPolicyReportOnly
      string: publicKey referrerPolicy permissionsPolicy featurePolicy sslHost
    ErrorPage
      list: status errorRequestHeaders
      {int}: statusRewrites
      string: service query
      -string: nginxHeaders
    RateLimit
      int: average burst
      duration: period
      SourceCriterion: sourceCriterion
      Redis: redis
    SourceCriterion
      IPStrategy: ipStrategy
      string: requestHeaderName
      bool: requestHost
    Redis
      list: endpoints
      ClientTLS: tls
      string: username password
      int: db poolSize minIdleConns maxActiveConns
      duration: readTimeout writeTimeout dialTimeout
    ClientTLS
      string: ca cert key
      bool: insecureSkipVerify
    RedirectRegex
      string: regex replacement
      bool: permanent
      -int: statusCode
    RedirectScheme
      string: scheme port
      bool: permanent
      -bool: forcePermanentRedirect
    BasicAuth
      list: users
      string: usersFile realm headerField
      bool: removeHeader
    ForwardAuth
      string: address authResponseHeadersRegex headerField authSigninURL
      ForwardAuthTLS: tls
      bool: trustForwardHeader forwardBody preserveLocationHeader preserveRequestMethod
      list: authResponseHeaders authRequestHeaders addAuthCookiesToResponse
      int: maxResponseBodySize maxBodySize
    ForwardAuthTLS
      string: ca cert key
      bool: insecureSkipVerify caOptional
    InFlightReq
      int: amount
      SourceCriterion: sourceCriterion
    Buffering
      int: maxRequestBodyBytes memRequestBodyBytes maxResponseBodyBytes memResponseBodyBytes
      string: retryExpression
      -bool: disableRequestBuffer disableResponseBuffer
    CircuitBreaker
      string: expression
      duration: checkPeriod fallbackDuration recoveryDuration
      int: responseCode
    Compress
      list: excludedContentTypes includedContentTypes encodings
      int: minResponseBodyBytes
      string: defaultEncoding
    PassTLSClientCert
      bool: pem
      Info: info
    Info
      bool: notAfter notBefore sans serialNumber
      Subject: subject
      Issuer: issuer
    Subject
      bool: country province locality organization organizationalUnit commonName serialNumber domainComponent
    Issuer
      bool: country province locality organization commonName serialNumber domainComponent
    Retry
      int: attempts maxRequestBodyBytes
      duration: timeout initialInterval
      list: status
      bool: disableRetryOnNetworkError retryNonIdempotentMethod
    ContentType
      bool: autoDetect
    GrpcWeb
      list: allowOrigins
    HeaderModifier
      {string}: set add
      list: remove
    RequestRedirect
      string: scheme hostname port path pathPrefix
      int: statusCode
    URLRewrite
      string: hostname path pathPrefix
    ClientAuth
      string: clientAuthType
      list: caFiles
    Snippet
      string: serverSnippet configurationSnippet
      Auth: auth
    Auth
      string: address method snippet authSigninURL
      list: authResponseHeaders
    RewriteTarget
      string: regex replacement xForwardedPrefix
    UpstreamVHost
      string: vHost
      {string}: vars
    Model
      list: middlewares
      RouterTLS?: tls
      Observability: observability
      -EncodedCharacters: deniedEncodedPathCharacters
      -string: defaultRuleSyntax
    ServersTransport
      string: serverName minVersion maxVersion peerCertURI
      bool: insecureSkipVerify disableHTTP2
      list: rootCAs cipherSuites
      [Certificate]: certificates
      int: maxIdleConnsPerHost
      ForwardingTimeouts: forwardingTimeouts
      Spiffe?: spiffe
    Certificate
      string: certFile keyFile
    ForwardingTimeouts
      duration: dialTimeout responseHeaderTimeout idleConnTimeout readIdleTimeout pingTimeout readTimeout
      duration: writeTimeout
    Spiffe
      list: ids
      string: trustDomain
    TCP
      {TCPRouter}: routers
      {TCPService}: services
      {TCPMiddleware}: middlewares
      -{TCPModel}: models
      {TCPServersTransport}: serversTransports
    TCPRouter
      list: entryPoints middlewares
      string: service rule ruleSyntax
      int: priority
      TCPTLS?: tls
    TCPTLS
      bool: passthrough
      string: options certResolver
      [Domain]: domains
    TCPService
      TCPLoadBalancer: loadBalancer
      TCPWeighted: weighted
    TCPLoadBalancer
      [TCPServer]: servers
      string: serversTransport
      TCPProxyProtocol?: proxyProtocol
      int: terminationDelay
      TCPHealthCheck?: healthCheck
    TCPServer
      string: address port
      bool: tls
    TCPProxyProtocol
      int: version
    TCPHealthCheck
      int: port
      string: send expect
      duration: interval unhealthyInterval timeout
    TCPWeighted
      [Weight]: services
      Nothing?: healthCheck
    TCPMiddleware
      TCPInFlightConn: inFlightConn
      TCPIPList: ipWhiteList ipAllowList
    TCPInFlightConn
      int: amount
    TCPIPList
      list: sourceRange
    TCPModel
      -string: defaultRuleSyntax
    TCPServersTransport
      duration: dialKeepAlive dialTimeout terminationDelay
      TCPProxyProtocol?: proxyProtocol
      TCPServersTransportTLS?: tls
    TCPServersTransportTLS
      string: serverName peerCertURI
      bool: insecureSkipVerify
      list: rootCAs
      [Certificate]: certificates
      Spiffe?: spiffe
    UDP
      {UDPRouter}: routers
      {UDPService}: services
    UDPRouter
      list: entryPoints
      string: service
    UDPService
      UDPLoadBalancer: loadBalancer
      UDPWeighted: weighted
    UDPLoadBalancer
      [UDPServer]: servers
    UDPServer
      string: address
      -string: port
    UDPWeighted
      [Weight]: services
    TLS
      [TLSCertificate]: certificates
      {TLSOption}: options
      {TLSStore}: stores
    TLSCertificate
      string: certFile keyFile
      list: stores
    TLSOption
      string: minVersion maxVersion
      list: cipherSuites curvePreferences alpnProtocols
      ClientAuth: clientAuth
      bool: sniStrict disableSessionTickets preferServerCipherSuites
    TLSStore
      Certificate: defaultCertificate
      TLSDefaultGeneratedCert: defaultGeneratedCert
    TLSDefaultGeneratedCert
      string: resolver
      Domain: domain
    """

  private struct TableReader {
    /// The kinds and names of each structure.
    private let lines: [Substring: [(kind: Substring, names: [Substring])]]
    private var structures: [Substring: Structure] = [:]

    init(_ table: String) {
      var lines: [Substring: [(kind: Substring, names: [Substring])]] = [:]
      var current: Substring = ""
      for line in table.split(separator: "\n") {
        if line.first != " " {
          current = line
          lines[current] = []
        } else {
          let parts = line.split(separator: ":")
          lines[current]!.append((parts[0].drop { $0 == " " }, parts[1].split(separator: " ")))
        }
      }
      self.lines = lines
    }

    mutating func structure(_ name: Substring) -> Structure {
      if let structure = structures[name] { return structure }
      guard let lines = lines[name] else { preconditionFailure("no structure \(name)") }
      var fields: [String: ValueKind] = [:]
      for line in lines {
        let kind = kind(line.kind)
        for name in line.names { fields[name.lowercased()] = kind }
      }
      let structure = Structure(fields)
      structures[name] = structure
      return structure
    }

    private mutating func kind(_ name: Substring) -> ValueKind {
      switch name {
      case "string": return .string
      case "bool": return .bool
      case "int": return .int
      case "duration": return .duration
      case "list": return .list
      case "any": return .any
      default:
        switch (name.first, name.last) {
        case ("-", _): return .unread(kind(name.dropFirst()))
        case ("[", "]"): return .structures(structure(name.dropFirst().dropLast()))
        case ("{", "}"): return .map(kind(name.dropFirst().dropLast()))
        case (_, "?"): return .structure(structure(name.dropLast()), mayBeEmpty: true)
        default: return .structure(structure(name), mayBeEmpty: false)
        }
      }
    }
  }
}

extension DynamicConfiguration.ValueKind: CustomStringConvertible {
  var description: String {
    switch self {
    case .string: "a string"
    case .bool: "true or false"
    case .int: "a whole number"
    case .duration: "a duration, such as 5s"
    case .list: "a list of strings"
    case .structure, .map: "a mapping"
    case .structures: "a list of mappings"
    case .any, .unread: "anything"
    }
  }
}
