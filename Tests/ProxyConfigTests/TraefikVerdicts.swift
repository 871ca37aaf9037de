/// Files, and what Traefik 3.7 makes of each: whether it goes on taking in changes. See ``TraefikVerdictTests``.
enum TraefikVerdicts {
  /// Fields of a router that has a rule and a service.
  static let routerTaken = [
    "priority: 1", "priority: \"1\"", "priority: 1.0", "priority: 0x10", "priority: 1_000", "priority: 010",
    "priority: 0o10", "priority: 0b11", "priority: 1e3", "priority: 9223372036854775807", "priority: -1",
    "priority: +1", "priority: \"+1\"", "priority: ~", "priority: 1e18", "priority: -0", "priority: 1.0000001",
    "priority: 1.", "priority: !!int \"1\"", "priority: !!str 1", "priority: !!float 1", "priority: !foo 1",
    "entryPoints: a", "entryPoints: \"\"", "entryPoints: []", "entryPoints: [a, 1]", "entryPoints: [1, 2]",
    "entryPoints: [1.5]", "entryPoints: [true]", "entryPoints: {a: b}", "entryPoints: [{}]", "entryPoints: ~",
    "entryPoints: 1", "entryPoints: [{}, a]", "entryPoints: {}", "tls: {}", "tls: ~", "tls: true", "tls: foo",
    "tls: false", "tls: []", "tls: [a]", "tls: {options: {}}", "tls: {options: []}", "tls: {options: [a]}",
    "tls: {options: 1}", "tls: {domains: foo}", "tls: {domains: [foo]}", "tls: {domains: [{}]}",
    "tls: {domains: [{main: a}, foo]}", "tls: {domains: {a: {main: b}}}", "tls: {domains: {main: b}}",
    "observability: ~", "observability: {accessLogs: \"true\"}", "observability: {accessLogs: 1}",
    "observability: {accessLogs: 1.0}", "observability: {accessLogs: T}", "observability: {accessLogs: TRUE}",
    "observability: {metadata: {ingress: {name: x}}}", "defaultRule: true", "SERVICE: x", "Rule: x",
  ]

  static let routerBroken = [
    "priority: 1.5", "priority: \"0x10\"", "priority: \"1_000\"", "priority: 9223372036854775808",
    "priority: 18446744073709551615", "priority: 18446744073709551616", "priority: \" 1\"", "priority: \"\"",
    "priority: true", "priority: []", "priority: [1]", "priority: {}", "priority: {a: b}", "priority: .inf",
    "priority: .nan", "priority: 1e400", "priority: 1e19", "priority: !!int foo", "priority: !!bool yes",
    "entryPoints: [~]", "entryPoints: [[a]]", "entryPoints: [2001-01-01]", "entryPoints: {a: {b: c}}",
    "entryPoints: [{a: b}]", "entryPoints: [a, {b: c}]", "tls: [{options: a}]", "tls: {options: {a: b}}",
    "tls: {options: 2001-01-01}", "tls: {domains: [[]]}", "tls: {domains: [~]}", "tls: {domains: {a: [{main: b}]}}",
    "observability: {}", "observability: foo", "observability: {accessLogs: yes}",
    "observability: {accessLogs: \"\"}", "observability: {accessLogs: on}", "observability: {accessLogs: 2}",
    "router: {}", "Router: {}", "\"rule\": x",
  ]

  /// The value of a field in a plugin's configuration.
  static let pluginTaken = [
    "[a, 1]", "[1.5, 2.5]", "{e: [1, a]}", "[18446744073709551615]", "[2, -1]", "[true, false]", "[true, a]",
    "{e: [1.5]}", "[1, a]", "[1, 2.5]", "{a: [], b: {}}", ".nan", "[.nan]", "[a, {b: c}]", "{\"[0]\": a}",
    "!!binary aGk=", "[{b: c}, {}]", "{\"[0]\": a, b: c}", "[1, \"2\"]", "[\"1\", a]", "[1, 1.0]", "[1, \"\"]",
  ]

  static let pluginBroken = [
    "{\"\": a}", "!!timestamp 2001-01-01",
  ]

  static let taken = [
    "", "{}", "---", "# c", "foo: bar", "foo: [[1]]", "foo: 2001-01-01", "1: x", "~: x", "http:", "http: ~",
    "http: {services: {x: {}}}", "http: {routers: [{rule: a}]}", "http: {routers: {r: foo}}",
    "http: {routers: {r: [a]}}", "http: {routers: {r: {}}}", "http: {routers: {2001-01-01: {rule: x}}}",
    "http: {routers: {1: {rule: x}}}", "http: {routers: {true: {rule: x}}}", "http: {~: {rule: x}, routers: {r: {}}}",
    "http: {services: {s: {loadBalancer: ~}}}", "http: {services: {s: {loadBalancer: {servers: []}}}}",
    "http: {services: {s: {loadBalancer: {servers: [{}]}}}}",
    "http: {services: {s: {loadBalancer: {servers: [{scheme: x, port: 1, fenced: true}]}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 5}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 5s}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 1h5m3.5s}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: -5s}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 5µs}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: .5s}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 5.s}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: \"0\"}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {headers: {a: {b: c}}}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {headers: {a: [b]}}}}}}",
    "http: {services: {s: {mirroring: {service: x, healthCheck: {}}}}}",
    "http: {services: {s: {mirroring: {service: x, healthCheck: foo}}}}",
    "http: {middlewares: {m: {plugin: {p: {}}}}}",
    "http: {middlewares: {m: {plugin: {p: {a: b, c: [1, 2], d: {e: [{f: g}]}}}}}}",
    "http: {middlewares: {m: {plugin: {p: foo}}}}", "http: {middlewares: {m: {plugin: {p: [a, 1]}}}}",
    "http: {middlewares: {m: {plugin: {p: {1: b}}}}}", "http: {middlewares: {m: {plugin: {p: {a: {}}}}}}",
    "http: {middlewares: {m: {plugin: {p: [{a: b}]}}}}", "http: {middlewares: {m: {plugin: {p: {a: [b, {c: d}]}}}}}",
    "http: {middlewares: {m: {plugin: [{a: {b: c}}]}}}", "http: {middlewares: {m: {compress: {}}}}",
    "http: {middlewares: {m: {compress: ~}}}", "http: {middlewares: {m: {compress: true}}}",
    "http: {middlewares: {m: {errors: {statusRewrites: {a: 1}}}}}",
    "http: {middlewares: {m: {ipAllowList: {ipStrategy: {}}}}}",
    "http: {models: {m: {observability: {metrics: true}}}}",
    "tls: {certificates: [{certFile: a, keyFile: b, stores: [c]}]}", "tls: {certificates: foo}",
    "tls: {options: {o: {clientAuth: ~}}}", "tls: {options: {o: {}}}",
    "tls: {stores: {default: {defaultCertificate: {certFile: a}}}}", "tls: {stores: {default: {}}}",
    "tls: {stores: {default: foo}}",
    "tcp: {routers: {r: {rule: \"HostSNI(`a.b`)\", service: s, tls: {passthrough: \"true\"}}}}",
    "tcp: {models: {m: {defaultRuleSyntax: v3}}}", "tcp: {models: {m: {}}}",
    "udp: {routers: {r: {entryPoints: [a], service: b}}}",
    "udp: {services: {s: {loadBalancer: {servers: [{address: \"a:1\", port: 2}]}}}}", "Http: {Routers: {r: {}}}",
    "a: &a {rule: x}\nhttp: {routers: {r: {<<: *a, service: b}}}",
    "http: {routers: {r: {<<: {rule: x}, service: b}}}", "http: {routers: {r: {<<: {service: {a: b}}, service: b}}}",
    "<<: {x: 1}", "http: {routers: {r: {<<: [], service: b}}}", "a: 1\n---\nb: [", "a: 1\n...\nfoo: [", "a: 1\n--- [",
    "b: !!binary \"aGk=\"", "b: !!timestamp 2001-01-01", "b: !!null \"\"", "b: !!map foo", "b: !!seq {}",
    "b: !!str {}", "b: !!int {}", "b: !!set {a}", "b: !!merge x", "b: !!foo x", "b: !!str [a]", "b: !!float 1",
    "b: !!binary [a]", "b: ! foo", "!!map {a: 1}", "!!str {a: 1}", "!foo {a: 1}", "b: !!float 0x10",
    "b: !!timestamp \"2001-01-01\"", "http: {routers: {\"\": {rule: x}}}", "\"\": x",
    "http: {middlewares: {m: {plugin: {p: {\"a b\": c}}}}}", "http: {routers: {\"[0]\": {rule: x}}}",
    "http: {routers: {\"a.b/c\": {rule: x}}}", "b: 2001-01-01\nhttp: {routers: {r: {rule: x}}}",
    "http: {routers: {r: {rule: \"2001-01-01\"}}}", "http: {routers: {r: {rule: 2001-13-01}}}",
    "http: {routers: {r: {rule: 2001-01-01 10:00:00 Z}}}", "http: {routers: {r: {rule: 20010101}}}",
    "http: {routers: {r: {rule: 2001-02-30}}}", "http: {routers: {r: {rule: 2001-01-01T10:00}}}",
    "http: {routers: {r: {rule: 2001-01-01T1:2:3.5-7}}}", "http: {middlewares: {m: {plugin: {\"\": {a: b}}}}}",
    "http: {routers: {r: {}, R: {}}}", "http: {middlewares: {m: {plugin: {p: {\"\": a}}}}}", "&a a: 1\n*a : 2",
    "http: {middlewares: {m: {plugin: {p: [1, a]}}}}", "x: &a q\ny: {*a : 1, q: 2}", "x: {&a a: 1, *a : 2}",
    "x: {~: a, null: b}", "x: [&a b, *a]\n---\n*nope", "x: {true: a, True: b}", "&a x: *a",
    "http: {middlewares: {m: {plugin: {p: {\"\": {a: b}}}}}}", "x: {0x1: a, 1: b}",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]\na5: &a5 [*a4, *a4]\na6: &a6 [*a5, *a5]\na7: &a7 [*a6, *a6]\na8: &a8 [*a7, *a7]",
    "x: &a 1\nhttp: {routers: {r: {priority: *a}}}",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0]\na2: &a2 [*a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1]",
    "http: {routers: {r: &r {rule: x}, q: *r}}",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]\na5: &a5 [*a4, *a4]\na6: &a6 [*a5, *a5]",
    "http: &h {routers: {r: {rule: x}}}\ntcp: *h",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0]\na2: &a2 [*a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1]\na3: &a3 [*a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2]",
    "%TAG !e! tag:x,2000:\n---\na: !e!b c", "%TAG ! tag:x,2000:\n---\na: !b c", "%YAML 1.1\n---\na: b", "a: b\n...",
    "a: b\n...\n...", "\u{feff}a: b", "~", "---\n...", "--- ~", "null", "a: |2\n   b\n", "a: [? b : c]", "? a",
    "---\na: b\n---\n- c", "{a: b} {c: d}", "a: &a\nb: *a", "---a: b", "a: 'it''s'", "a: [b: c]", "a: 😀", "{\"a\":b}",
    "a: b]", "a: >-\n b", "? a\n: b", "a: b#c", "{a: b}", "a: \n b: c\n d: e", "a: \"\\x07\"", "{a:b}", "{a, b}",
    "b:\n- a", "a:\n---\nb: c", "a: \"x\ny\"", "a: {? }", "\n\n", "a: b\r\nc: d\r", "a: ---", "# only", "a: ! ",
    "a: !!str", "{a: b,}", "{a: b}\nc", "a : b", "a: b #c", "'a': b", "a: b\t", "a: |\n x\n---\nb\n", "a: \u{85}",
    "a: |\n b\n c\n", "a:\tb", "\"a\": b",
  ]

  static let broken = [
    "? [a]\n: b", "? {a: b}\n: b", "foo: {1: x, [a]: b}", "http: {}", "http: []", "http: foo", "http: \"\"",
    "http: 1", "http: [a]", "http: [{routers: {}}]", "http: {routers: {}}", "http: {routers: ~}",
    "http: {routers: ~, services: {x: ~}}", "http: {services: {x: ~}}", "http: {routers: []}", "http: {routers: foo}",
    "http: {routers: [a]}", "http: {routers: {r: [{rule: x}]}}", "http: {routers: {~: {nonsense: x}}}",
    "http: {1: {rule: x}, routers: {r: {}}}", "http: {http: {}, routers: {r: {}}}",
    "http: {http: {a: b}, routers: {r: {}}}", "http: {services: {s: {loadBalancer: {}}}}",
    "http: {services: {s: {loadBalancer: \"\"}}}", "http: {services: {s: {loadBalancer: {servers: ~}}}}",
    "http: {services: {s: {loadBalancer: {servers: [{url: x, nope: 1}]}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 5x}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: 1.5}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: \"\"}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {interval: \"9999999999h\"}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {headers: [a]}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {headers: {a: ~}}}}}}",
    "http: {services: {s: {loadBalancer: {healthCheck: {headers: {}}}}}}",
    "http: {services: {s: {mirroring: {service: x, healthCheck: {a: b}}}}}", "http: {middlewares: {m: {plugin: {}}}}",
    "http: {middlewares: {m: {plugin: {p: {a: 2001-01-01}}}}}", "http: {middlewares: {m: {plugin: {p: {a: [[1]]}}}}}",
    "http: {middlewares: {m: {plugin: {p: {a: [~]}}}}}", "http: {middlewares: {m: {plugin: foo}}}",
    "http: {middlewares: {m: {retry: {}}}}", "http: {middlewares: {m: {errors: {statusRewrites: {a: b}}}}}",
    "http: {middlewares: {m: {errors: {nginxHeaders: {a: [b]}}}}}",
    "http: {middlewares: {m: {errors: {nginxHeaders: {a: {b: c}}}}}}",
    "http: {middlewares: {m: {errors: {statusRewrites: {a: []}}}}}",
    "http: {middlewares: {m: {ipAllowList: {rejectStatusCode: \"\"}}}}",
    "http: {middlewares: {m: {ipAllowList: {rejectStatusCode: ~}}}}",
    "http: {middlewares: {m: {rateLimit: {sourceCriterion: {ipStrategy: {}}}}}}",
    "http: {models: {m: {observability: {}}}}", "tls: {certificates: [{certificate: {certFile: a}}]}",
    "tls: {options: {o: {clientAuth: {}}}}", "tls: {options: {}}",
    "tcp: {routers: {r: {rule: \"HostSNI(`a.b`)\", service: s, tls: {passthrough: yes}}}}",
    "tcp: {routers: {r: {rule: \"HostSNI(`a.b`)\", nope: s}}}", "udp: {routers: {r: {rule: b}}}", "udp: {}",
    "tcp: {}", "tls: {}", "HTTP: {nope: 1}", "http: {routers: {r: {}}}\nHTTP: {nope: 1}",
    "a: &a {nope: 1}\nhttp: {<<: *a, routers: {r: {}}}",
    "a: &a {nope: x}\nhttp: {routers: {r: {<<: [*a], service: b}}}",
    "a: &a foo\nhttp: {routers: {r: {<<: *a, service: b}}}", "http: {routers: {r: {<<: foo, service: b}}}",
    "http: {routers: {r: {\"<<\": {rule: x}, service: b}}}",
    "a: &a {rule: 1}\nb: &b {service: x}\nhttp: {routers: {r: {<<: *a, <<: *b}}}",
    "http: {routers: {r: {<<: ~, service: b}}}", "http: {routers: {r: {<<: [foo], service: b}}}",
    "<<: {http: {nope: x}}", "<<: foo", "foo: {<<: bar}",
    "http: {routers: {r: {<<: {\"SERVICE\": {a: b}}, service: b}}}", "a: \"1\"\nb: !!binary \"***\"",
    "b: !!timestamp foo", "b: !!null foo", "b: !!float foo", "b: !!bool foo", "b: !!bool yes", "b: !!bool \"yes\"",
    "b: !!int \"\"", "b: !!int 1.0", "b: !!int 1.5", "b: !!int 1e3", "http: {\"\": {rule: x}}",
    "http: {routers: {r: {rule: 2001-01-01}}}", "http: {routers: {r: {rule: 2001-1-1}}}",
    "http: {routers: {r: {rule: 2001-01-01 10:00:00}}}", "http: {routers: {r: {rule: 2001-01-01T10:00:00Z}}}",
    "http: {routers: {r: {rule: 2001-01-01t10:00:00+01:00}}}", "http: {routers: {r: {rule: 0001-01-01}}}",
    "http: {routers: {r: {rule: 2001-01-01 1:2:3.5}}}", "http: {routers: {r: {rule: 2001-01-01T01:02:03.5-07:00}}}",
    "x: {&a b: 1, c: {*a : 1, *a : 2}}", "x: {1: a, \"1\": b}", "x: {~: a, ~: b}", "x: *nope\n---\na", "x: &a [*a]",
    "x: &a {y: *a}", "? &a {b: c}\n: *a", "x: {? {b: c} : d}", "x: {? [] : d}", "x: {? &a [q] : d}",
    "x: &a yes\ntcp: {routers: {r: {tls: {passthrough: *a}}}}",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]\na5: &a5 [*a4, *a4]\na6: &a6 [*a5, *a5]\na7: &a7 [*a6, *a6]\na8: &a8 [*a7, *a7]\na9: &a9 [*a8, *a8]",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]\na5: &a5 [*a4, *a4]\na6: &a6 [*a5, *a5]\na7: &a7 [*a6, *a6]\na8: &a8 [*a7, *a7]\na9: &a9 [*a8, *a8]\na10: &a10 [*a9, *a9]",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\na3: &a3 [*a2, *a2]\na4: &a4 [*a3, *a3]\na5: &a5 [*a4, *a4]\na6: &a6 [*a5, *a5]\na7: &a7 [*a6, *a6]\na8: &a8 [*a7, *a7]\na9: &a9 [*a8, *a8]\na10: &a10 [*a9, *a9]\na11: &a11 [*a10, *a10]\na12: &a12 [*a11, *a11]",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0]\na2: &a2 [*a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1]\na3: &a3 [*a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2]\na4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]",
    "a0: &a0 [x, x]\na1: &a1 [*a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0]\na2: &a2 [*a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1, *a1]\na3: &a3 [*a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2, *a2]\na4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]\na5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]",
    "x: - - - a", "%YAML 1.2\n---\na: b", "%YAML 1.0\n---\na: b", "%YAML 1.1\n%YAML 1.1\n---\na: b",
    "%FOO bar\n---\na: b", "a: !e!b c", "...", "--- a", "\"\"", "[]", "a", "a: \u{85}b", "a: \u{7f}", "a: \"\u{7}\"",
    "a: \u{fffe}", "\ta: b", "a:\n\tb: c", "a:b", "a: - b", "a: @b", "a: %b", "a: `b", "a: {b", "a: \"b",
    "a: |\n b\nc\n", "a: *", "a: &", "a: ? b", ": b", "a: b: c", "a: \"b\": c", "[a]: b", "a: [b", "a: [b]]",
    "a: {b: c}}", "a: !<tag:yaml.org,2002:int> foo", "a: !<x", "a: !!", "a: \n b: c\n  d: e", "a: 1\n b: 2",
    "a\nb: c", "a: \"x\\qy\"", "a: \"\\ud800\"", "a: \"\\U00110000\"", "a: \"x\n---\ny\"", "%", "%YAML\n---",
    "%YAML 1.x\n---", "a: &a&b c", "a: &a!b c", "a: *a b", "- a\nb: c", "b: c\n- a", "a: |\n\tx\n", "a: >x\n b",
    "a: \"b\" c", "a: [b] c", "a: \"b\"c", "\"a\"b: c", "a: [: c]", "? - a\n: b", "a: [,]", "a: [b,,c]", "a: {,}",
    "}}",
  ]

  static let templatesTaken = [
    "{{ normalize \"A\" }}: b\n", "{{/* a\nb */}}\n", "a: \"{{`{{ x }}`}}\"\n", "{{ 0x1F }}: b\n", "{{ true }}: b\n",
    "{{/**/}}\n", "{{ 1 -}} : b\n", "a: {{ . }}\n", "{{ len \"a\" }}: b\n",
    "{{ define \"t\" }}a: b{{ end }}{{ template \"t\" }}\n", "{{ if true }}a: b{{ else if false }}c: d{{ end }}\n",
    "{{ lower \"A\" }}: b\n", "{{ range until 3 }}{{ break }}{{ end }}\n",
    "{{ printf \"%d\" 1 | printf \"a%s\" }}: b\n", "{{ range until 3 }}a{{ . }}: b\n{{ end }}\n", "{{ .}}: b\n",
    "a: {{ 1 }}\n", "a: {{ env \"HOME\" }}\n", "{{ $x := 1 }}a: {{ $x }}\n", "{{ 'a' }}: b\n", "{{\"a: b\"}}\n",
    "{{- /* c */ -}}\n", "{{ with $x := 1 }}a: {{ $x }}{{ end }}\n",
    "{{ with 1 }}a: b{{ else with 2 }}c: d{{ end }}\n", "{{ env \"NOPE\" }}\n", "{{ printf \"%d\" 1 }}: b\n",
    "{{ range $i, $e := until 3 }}a{{ $i }}: b\n{{ end }}\n", "{{ block \"t\" . }}a: b{{ end }}\n",
    "{{ if true }}a: b{{ else }}c: d{{ end }}\n", "{{ if true }}a: b{{ end }}\n",
    "{{ range until 3 }}{{ break }}{{ else }}a{{ end }}\n", "{{ 1e3 }}: b\n", "{{ not true }}: b\n", "{{-1}}: b\n",
    "{{/* c */}}\n", "{{ $ }}: b\n", "{{- 1 -}}: b\n", "{{ and true }}: b\n", "a: {{ env \"HOME\" | quote }}\n",
    "{{ 1.5 }}: b\n", "{{ with 1 }}a: {{ . }}{{ end }}\n", "{{\n1 }}: b\n", "{{ (1) }}: b\n",
  ]

  static let templatesBroken = [
    "a: 1\n---\n{{\n", "{{", "# {{\n", "# {{ }}\n", "{{/* c }}\n", "{{ \"a }}\n", "{{ `a }}\n", "{{ if true }}a: b\n",
    "{{ end }}\n", "{{ else }}\n", "{{ (1 }}\n", "{{ 1) }}\n", "{{ \"a\nb\" }}: b\n", "{{ 'a }}: b\n",
    "{{ end x }}\n", "{{ {a} }}\n", "x: \"{{ \\\"a\\\" }}\"\n", "{{{ a }}}\n", "{{{{ }}}}\n", "a: {{b}: c}\n",
    "{{\"}}\n", "{{/* a */ }}\n", "{{/* a */x}}\n",
    "{{ /* c */ }}\n", "a: {{ .x }}\n", "a: {{ nope }}\n", "{{ if true }}a: b{{ else }}c: d{{ else }}x{{ end }}\n",
    "{{ $x }}\n", "{{ template \"t\" }}\n", "{{ break }}\n", "{{ | 1 }}\n", "{{ 1 2 }}\n", "{{ fail \"x\" }}\n",
    "{{ @ }}\n", "{{ a.b }}\n", "{{ if }}a{{ end }}\n", "{{ range }}{{ end }}\n", "{{ nil }}\n",
    "{{ item.name }}: b\n", "{{item}}\n", "{\"a\":{{\"b\": c}}}\n", "{{ 1x }}: b\n", "{{ \"\\q\" }}: b\n",
    "{{ $x = 1 }}\n", "{{ - 1 }}\n", "{{ return }}\n", "{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}\n",
    "{{ comment }}\n", "{{ ..}}: b\n", "{{ \"a\" \"b\" }}\n", "{{ if $x := 1 }}a: {{ $x }}{{ end }}{{ $x }}\n",
    "{{ continue }}\n",
  ]

  /// Traefik fails on them, and they are left alone all the same.
  static let templatesUnchecked = [
    "{{ \"}}\" }}: b\n", "{{ `}}` }}: b\n", "{{ `a\nb` }}: b\n", "{{ 1 | }}\n", "{{ index . 1 }}\n",
    "{{ split \"a,b\" \",\" }}\n", "{{ upper }}: b\n", "http: {{ \"{\" }}nope: 1}\n",
  ]

  /// What a template may say in a comment of YAML, so that it is not what comes out of it that counts.
  static let actionsTaken = [
    "{{ 1 | }}", "{{ . }}", "{{ $ }}", "{{ or true .x }}", "{{ and false .x }}", "{{ if false }}{{ .x }}{{ end }}",
    "{{ with dict \"a\" 1 }}{{ .a }}{{ end }}", "{{ $ = dict \"a\" 1 }}{{ $.a }}", "{{ $x := 1 }}{{ $x = 2 }}",
    "{{ if false }}{{ $x = 2 }}{{ end }}", "{{ if false }}{{ template \"t\" }}{{ end }}",
    "{{ define \"a\" }} {{ end }}{{ define \"a\" }}y{{ end }}", "{{ with 0 }}{{ else with 1 }}{{ end }}",
    "{{ 1_000 }}", "{{ 0x_1 }}", "{{ 0_1 }}", "{{ -9223372036854775808 }}", "{{ +5 }}", "{{ 1i }}", "{{ 1+2i }}",
    "{{ 1e+2+3i }}", "{{ 0x1p4 }}", "{{ 0x1.8p1 }}", "{{ .5 }}", "{{ 5. }}", "{{ '\\n' }}", "{{ '\\'' }}",
    "{{ 'é' }}", "{{ $x := 1 | add 1 }}", "{{ add 1|add 2 }}", "{{ 1|add 2|print }}", "{{ print (1) (2) }}",
    "{{ template \"a\" 1 }}{{ define \"a\" }}{{ . }}{{ end }}", "{{- 1 -}}", "{{-1}}", "{{ $é := 1 }}{{ $é }}",
    "{{ if false }}{{ fail \"x\" }}{{ end }}", "{{ or true (fail \"x\") }}",
    "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "{{ if $x := 1 }}{{ else }}{{ $x }}{{ end }}",
    "{{ if true }}{{ $y := 1 }}{{ else }}{{ $y }}{{ end }}", "{{ range $i := until 2 }}{{ $i }}{{ end }}",
    "{{ $x:=1 }}{{$x}}", "{{ eq 1 1 }}", "{{ print \"}}\" }}", "{{/* c */}}", "{{- /* c */ -}}", "{{/* a */ -}}",
    "{{ env \"HOME\" }}", "{{ expandenv \"$HOME\" }}", "{{ regexMatch \"(\" \"a\" }}", "{{ toDate \"x\" \"y\" }}",
    "{{ first (list) }}", "{{ print nil }}", "{{ true }}", "{{ 'a' | print }}", "{{ print . | print }}", "{{ html }}",
  ]

  static let actionsBroken = [
    "{{ nil }}", "{{ 1 2 }}", "{{ \"a\" \"b\" }}", "{{ .x }}", "{{ $.x }}", "{{ .x.y }}", "{{ (.x) }}",
    "{{ printf \"%v\" .x }}", "{{ if .x }}{{ end }}", "{{ $x = 2 }}", "{{ template \"t\" }}",
    "{{ define \"a\" }}x{{ end }}{{ define \"a\" }}y{{ end }}", "{{ define \"\" }}x{{ end }}",
    "{{ block \"b\" }}{{ end }}", "{{ block \"b\" 1 }}{{ break }}{{ end }}",
    "{{ range until 2 }}{{ block \"b\" 1 }}{{ break }}{{ end }}{{ end }}",
    "{{ range until 2 }}{{ else }}{{ break }}{{ end }}", "{{ if true }}{{ else with 1 }}{{ end }}",
    "{{ range until 0 }}{{ else if true }}{{ end }}", "{{ with 0 }}{{ else if 1 }}{{ end }}",
    "{{ if true }}{{ else }}{{ else if true }}{{ end }}", "{{ 089 }}", "{{ 0x }}", "{{ 0b2 }}", "{{ 1__0 }}",
    "{{ _1 }}", "{{ 1_ }}", "{{ 1e999 }}", "{{ 18446744073709551616 }}", "{{ -9223372036854775809 }}", "{{ 1+2 }}",
    "{{ 0x1.8 }}", "{{ 1.5.5 }}", "{{ 'ab' }}", "{{ '' }}", "{{ '\\\"' }}", "{{ \"\\'\" }}", "{{ \"\\ud800\" }}",
    "{{ \"\\400\" }}", "{{ \"\\x1\" }}", "{{ $x, $y := 1 }}", "{{ range $x, $y, $z := until 2 }}{{ end }}",
    "{{ range $x, 1 }}{{ end }}", "{{ range $x, $y }}{{ end }}", "{{ add 1 | 2 }}", "{{ add 1 | . }}",
    "{{ add 1 | nil }}", "{{ \"a\".b }}", "{{ 1.b }}", "{{ true.b }}", "{{ nil.b }}", "{{ $x.b }}", "{{ (1)(2) }}",
    "{{ print(1) }}", "{{ print 1,2 }}", "{{ () }}", "{{ print () }}", "{{ define \"a\" 1 }}{{ end }}",
    "{{ define a }}{{ end }}", "{{ if true }}{{ define \"a\" }}{{ end }}{{ end }}", "{{ end 1 }}", "{{ template }}",
    "{{ template \"a\" .x }}{{ define \"a\" }}{{ . }}{{ end }}", "{{ template \"a\" | print }}",
    "{{ with }}{{ end }}", "{{ range }}{{ end }}", "{{ if }}{{ end }}", "{{ break }}", "{{ continue }}",
    "{{ break 1 }}", "{{- }}", "{{-}}", "{{ 1 - }}", "{{ 1-}}", "{{ - 1 }}", "{{ é }}", "{{ $x+1 }}", "{{ . 1 }}",
    "{{ .x 1 }}", "{{ true false }}", "{{ fail \"x\" }}", "{{ \"x\" | fail }}", "{{ if $x := 1 }}{{ end }}{{ $x }}",
    "{{ define \"a\" }}{{ $x }}{{ end }}", "{{ $x := 1 }}{{ define \"a\" }}{{ $x }}{{ end }}", "{{ 1:=2 }}",
    "{{ : }}", "{{ $x : = 1 }}", "{{ == 1 }}", "{{ @ }}", "{{ /* c */ }}", "{{ nil | print }}", "{{ $x := nil }}",
    "{{ return }}", "{{ template \"\" }}",
  ]

  /// Traefik fails on them when it carries them out, and they are left alone all the same.
  static let actionsUnchecked = [
    "{{ or .x true }}", "{{ 18446744073709551615 }}", "{{ (add 1 2).x }}", "{{ add.x 1 }}", "{{ upper }}",
    "{{ upper \"a\" \"b\" }}", "{{ upper 1 }}", "{{ not }}", "{{ index }}", "{{ len }}", "{{ genCA \"a\" }}",
    "{{ mustRegexMatch \"(\" \"a\" }}", "{{ semver \"x\" }}", "{{ slice (list 1) 5 }}", "{{ index (list 1) 5 }}",
    "{{ index . 1 }}", "{{ len 3 }}", "{{ urlParse \":\" }}", "{{ div 1 0 }}", "{{ $ 1 }}", "{{ call 1 }}",
    "{{ \"\\xff\\101\\u00e9\\U0001F600\" }}",
  ]

  /// What other programs have for functions, and Traefik has not.
  static let unknownFunctions = [
    "nosuch", "sha512sum", "randSeededNumeric", "include", "required", "tpl", "toYaml", "fromYaml", "toToml",
    "lookup", "getv", "file", "readFile", "getenv", "md5sum", "camelCase", "toLower", "toUpper", "break2", "string",
    "int32", "é",
  ]

  static let tomlTaken = [
    "[nope]\na = 1\n", "a = 1\r\n", "[http.routers.r]\nrule = \"x\"\n", "\u{feff}a = 1\n", "a = 2001-01-01\n",
    "a = 1\n",
  ]

  static let tomlBroken = [
    "{{\n"
  ]

  /// Traefik fails on them, and they are left alone all the same.
  static let tomlUnchecked = [
    "a = \n", "[http]\n", "[http.routers]\n", "[http.routers.r]\nnope = \"x\"\n", "[http]\nnope = 1\n",
    "a = 1\na = 2\n", "http = 1\n", "[http.routers.r]\nrule = \"x\"\nentryPoints = [[\"a\"]]\n",
    "[http.routers.r]\nrule = 2001-01-01\n", "a = \"\u{1}\"\n", "a: b\n",
  ]
}
