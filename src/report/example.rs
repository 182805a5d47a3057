//! Made-up reports for the tests of the writers: one incident with every kind of picture, and the same with hostile texts.

use crate::report::picture::{Bar, Calm, ClassGrowth, Dump, Jvm, Mark, Series, Setting, Template, ThreadGroup, Timeline, Waterfall};
use crate::report::redact::walk::every_text;
use crate::report::{
    Bundle, Coverage, Difference, Edge, FileLine, Finding, Graph, LookAlike, Measure, QuarantineLine, Quote, Report, RootCause, RuleLine, Scenario,
    Service, Show, Story, Subject, Suspect, Tool, Traces, Verdict, Window,
};

/// 2026-09-10T10:00:00Z.
const START_MS: i64 = 1_789_034_400_000;

fn s(text: &str) -> String {
    text.to_owned()
}

fn all(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| s(text)).collect()
}

fn window(start: &str, end: &str) -> Option<Window> {
    Some(Window { start: format!("2026-09-10T{start}Z"), end: format!("2026-09-10T{end}Z") })
}

/// A repeatable, uneven number from 0 to 1.
fn uneven(at: usize) -> f64 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 27)) >> 40) as f64 / (1_u64 << 24) as f64
}

/// The verdict of a report without findings.
pub(super) fn calm() -> Verdict {
    Verdict { level: s("none"), headline: s("Nothing found: 4,567 records of 12 files show none of the faults that could be checked.") }
}

/// A landscape of forty services, most of them well: a slow ledger behind payments, and a cache that fails now and then.
pub(super) fn crowd() -> Report {
    let mut edges: Vec<(String, String)> = Vec::new();
    let mut call = |caller: &str, callee: &str| edges.push((s(caller), s(callee)));
    for bff in ["web-bff", "mobile-bff", "partner-api"] {
        call("edge-gateway", bff);
        for domain in ["orders", "catalog", "accounts", "search"] {
            call(bff, domain);
        }
    }
    for (domain, below) in [
        ("orders", &["payments", "inventory", "shipping", "pricing", "kafka", "orders-db"][..]),
        ("payments", &["ledger", "fraud", "psp-adapter", "payments-db"]),
        ("psp-adapter", &["psp.example.com"]),
        ("ledger", &["ledger-db", "archive"]),
        ("fraud", &["features", "rules-engine"]),
        ("catalog", &["pricing", "images", "catalog-db", "catalog-cache"]),
        ("accounts", &["identity", "accounts-db", "profile-cache"]),
        ("identity", &["identity-db", "mailer"]),
        ("search", &["elastic-1", "elastic-2", "elastic-3"]),
        ("pricing", &["pricing-db", "pricing-cache", "tax"]),
        ("shipping", &["carrier-a", "carrier-b", "carrier-c", "shipping-db"]),
        ("kafka", &["billing", "notifier", "reports"]),
        ("notifier", &["mailer", "sms"]),
        ("billing", &["ledger", "billing-db"]),
    ] {
        below.iter().for_each(|callee| call(domain, callee));
    }
    let bad = ["ledger", "payments", "psp-adapter", "orders"];
    let edges: Vec<Edge> = edges
        .into_iter()
        .enumerate()
        .map(|(at, (caller, callee))| {
            let calls = 200 + (uneven(at) * 9000.0) as u64;
            let (errors, retries) = if callee == "ledger" {
                (calls / 4, calls / 3)
            } else if bad.contains(&callee.as_str()) && caller != "partner-api" {
                (calls / 40, calls / 90)
            } else if callee == "profile-cache" {
                (3, 0)
            } else {
                (0, 0)
            };
            let p99_ms = if errors > 100 { 5000.0 } else { 4.0 + uneven(at + 99) * 180.0 };
            Edge { caller, callee, calls, errors, retries, p50_ms: p99_ms / 9.0, p95_ms: p99_ms / 2.0, p99_ms }
        })
        .collect();
    let suspects = vec![
        Suspect { service: s("ledger"), score: 0.9, ..Suspect::default() },
        Suspect { service: s("payments"), score: 0.4, ..Suspect::default() },
    ];
    Report { graph: Graph { services: Vec::new(), edges }, suspects, verdict: calm(), ..Report::default() }
}

/// Retries against a slow payment provider charge customers twice.
pub(super) fn rich() -> Report {
    Report {
        schema: "analyze.report/1",
        tool: Tool { name: "analyze", version: "0.1.0", rules_digest: format!("blake3:{}", "5f".repeat(32)) },
        bundle: Bundle {
            name: s("incident-2026-09-10"),
            files: 14,
            bytes: 48_123_456,
            records: 184_567,
            window: window("10:00:00", "10:20:00"),
            digest: format!("blake3:{}", "a1".repeat(32)),
        },
        verdict: Verdict {
            level: s("critical"),
            headline: s(
                "Payments were charged twice 37 times (EUR 1,846.30) after provider slowed from 120 ms to 5.0 s at 10:02:11 and orders retried into it.",
            ),
        },
        findings: findings(),
        root_cause: Some(RootCause {
            finding: s("slow-downstream-4be210"),
            service: Some(s("provider")),
            chain: all(&["slow-downstream-4be210", "retry-storm-91c2aa", "duplicate-payment-3f9a1c"]),
            because: all(&[
                "provider's own time rose 14 times at 10:02:11, 3 s before anything else changed",
                "nothing that provider calls became slower",
            ]),
        }),
        suspects: vec![
            Suspect {
                service: s("provider"),
                score: 0.91,
                because: all(&["self time x14 from 10:02:11", "first service to change", "on the critical path of 94 % of failing traces"]),
                evidence: Vec::new(),
            },
            Suspect {
                service: s("orders"),
                score: 0.34,
                because: all(&["retries x3 per request", "pool at its limit from 10:03"]),
                evidence: Vec::new(),
            },
            Suspect { service: s("catalog"), score: 0.12, because: all(&["heap floor rises 38 MiB per hour"]), evidence: Vec::new() },
        ],
        differences: vec![Difference {
            ending: s("failed"),
            kind: s("version"),
            service: s("provider"),
            key: s("service.version"),
            value: s("7.2.0"),
            also: all(&["instance provider-3 of provider"]),
            summary: s("service.version=7.2.0 at provider: 84 of 90 failed requests, 61 of 910 others; 28 times as likely to be failed"),
            bad_with: 84,
            bad: 90,
            good_with: 61,
            good: 910,
            lift: 28.4,
            chance: 1.2e-41,
            evidence: Vec::new(),
        }],
        stories: vec![Story {
            root: s("slow-downstream-4be210"),
            service: Some(s("provider")),
            findings: all(&["slow-downstream-4be210", "retry-storm-91c2aa", "duplicate-payment-3f9a1c"]),
        }],
        scenarios: scenarios(),
        rules: rules(),
        graph: graph(),
        traces: Traces { traces: 1000, spans: 15_214, orphans: 3, duplicates: 12, logs_joined: 4100 },
        coverage: coverage(),
        show: Show::default(),
        timeline: timeline(),
        waterfalls: waterfalls(),
        jvms: jvms(),
        templates: templates(),
        settings: vec![Setting {
            service: s("orders"),
            profile: s("prod"),
            key: s("spring.datasource.hikari.maximumpoolsize"),
            value: s("20"),
            place: s("orders/application.yml:14"),
            findings: all(&["connection-pool-exhaustion-77aa01"]),
        }],
    }
}

/// The rich report with markup, escapes, secrets and Markdown added to every text.
pub(super) fn hostile() -> Report {
    let mut report = rich();
    every_text(&mut report, &mut |text, _| text.push_str(HOSTILE));
    report
}

/// What may stand in any log.
pub(super) const HOSTILE: &str = "<script>alert(1)</script></style></title>-->\" onmouseover=\"alert(2)' style='x\u{1b}[31m\u{7}\u{9b}2J\u{202e}\r\n# **x** [a](javascript:alert(3)) ```\n| `y` \
                                  4111 1111 1111 1111 jane@example.org password=hunter2 http://evil.example/x.js ]]>{{x}}${x}\u{2028}&lt;&#60;";

#[expect(clippy::too_many_arguments, reason = "a finding has that many parts")]
fn finding(id: &str, scenario: u8, severity: &str, score: f64, confidence: f64, role: &str, service: &str, title: &str, summary: &str) -> Finding {
    Finding {
        id: s(id),
        rule: s(id.rsplit_once('-').map_or(id, |(rule, _)| rule)),
        scenario: Some(scenario),
        title: s(title),
        severity: s(severity),
        score,
        confidence,
        belief: s(if confidence >= 0.85 {
            "confirmed"
        } else if confidence >= 0.6 {
            "likely"
        } else {
            "possible"
        }),
        role: s(role),
        subject: Subject { service: Some(s(service)), ..Subject::default() },
        services: vec![s(service)],
        window: window("10:02:11", "10:14:03"),
        summary: s(summary),
        explanation: s("Each attempt that times out at the caller still runs to its end at the called side. What was paid for is then done again."),
        remedy: all(&["Bound the work: `connect-timeout: 500ms`, `read-timeout: 2s`.", "Alert on the ratio, not the count."]),
        evidence: vec![quote("orders/app.log", 812, "WARN  o.e.orders.PaymentClient - attempt 2 of 3 failed: Read timed out")],
        evidence_total: 1,
        ..Finding::default()
    }
}

fn quote(file: &str, line: u64, excerpt: &str) -> Quote {
    Quote {
        about: line.is_multiple_of(2).then(|| s("client span POST /charge to provider, 5 s, failed: TimeoutException")),
        file: s(file),
        line,
        offset: line * 183,
        length: excerpt.len() as u64,
        digest: format!("blake3:{}", "0c".repeat(32)),
        time: Some(format!("2026-09-10T10:{:02}:{:02}.{:03}Z", 2 + line % 9, line % 60, line % 1000)),
        service: file.split('/').next().map(s),
        trace_id: Some(s("4bf92f3577b34da6a3ce929d0e0e4736")),
        excerpt: s(excerpt),
    }
}

fn measure(name: &str, value: f64, unit: &str, limit: Option<f64>) -> Measure {
    Measure { name: s(name), value, unit: s(unit), limit }
}

fn findings() -> Vec<Finding> {
    let mut slow = finding(
        "slow-downstream-4be210",
        7,
        "high",
        92.4,
        0.94,
        "root-cause",
        "provider",
        "A slow downstream service drags its callers along",
        "provider answered POST /charge in 5.0 s (p99) from 10:02:11, 41 times its 120 ms before; 94 % of the callers' extra time is spent there.",
    );
    slow.subject = Subject { service: Some(s("provider")), peer: Some(s("payments")), operation: Some(s("POST /charge")), key: None };
    slow.services = all(&["provider", "payments", "orders", "gateway"]);
    slow.measures = vec![
        measure("p99_after", 5010.0, "ms", Some(1000.0)),
        measure("slowdown", 41.7, "times", Some(5.0)),
        measure("share_of_extra_time", 94.0, "%", Some(60.0)),
    ];
    slow.explanation = s(
        "Self time is what remains of a span when its children are taken away. provider's rose 14 times within one minute while its request rate stayed level, so the slowness is made there and not passed on.\nThe callers' threads wait meanwhile: that is why orders, which is healthy, looks slow too.",
    );
    slow.remedy = all(&[
        "Give the call a deadline below the caller's own, and fail fast:\n```yaml\nresilience4j.timelimiter:\n  instances:\n    provider:\n      timeoutDuration: 1500ms\n```",
        "Put a bulkhead around `POST /charge` so that at most 20 threads can wait for it.",
        "Ask the provider for its incident record of 10:02 UTC; its own spans are not in the bundle.",
    ]);
    slow.capture_next_time = all(&["Server spans of provider", "Thread dumps of payments, three at ten seconds' distance"]);
    slow.look_alikes = vec![
        LookAlike { name: s("more traffic"), outcome: s("excluded because the request rate stayed within 4 % of its level before") },
        LookAlike { name: s("garbage collection in provider"), outcome: s("not excluded: no GC log of provider in the bundle") },
    ];
    slow.evidence = vec![
        quote(
            "payments/app.log",
            4711,
            "2026-09-10T10:02:14.871Z  WARN [payments,4bf92f3577b34da6a3ce929d0e0e4736] o.e.p.ProviderClient : POST https://provider.example/charge took 5003 ms",
        ),
        quote(
            "traces/otlp.json.gz",
            118,
            "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"name\":\"POST /charge\",\"kind\":3,\"startTimeUnixNano\":\"1789034534871000000\"}",
        ),
        quote(
            "gateway/access.log",
            90_211,
            "10.0.4.17 - - [10/Sep/2026:10:02:19 +0000] \"POST /orders HTTP/1.1\" 504 0 \"-\" \"okhttp/4.12\" rt=5.001 uct=0.001 urt=5.000",
        ),
    ];
    slow.evidence_total = 412;
    slow.explains = all(&["retry-storm-91c2aa", "connection-pool-exhaustion-77aa01"]);

    let mut retries = finding(
        "retry-storm-91c2aa",
        5,
        "high",
        88.0,
        0.91,
        "amplifier",
        "orders",
        "Retries multiply the load on a failing dependency",
        "orders called payments 3.4 times per request on average (up to 9), 411 of 1,200 calls were repeats.",
    );
    retries.subject.peer = Some(s("payments"));
    retries.services = all(&["orders", "payments"]);
    retries.measures = vec![measure("attempts_max", 9.0, "attempts per call", Some(3.0)), measure("retry_share", 34.3, "%", Some(10.0))];
    retries.caused_by = all(&["slow-downstream-4be210"]);
    retries.explains = all(&["duplicate-payment-3f9a1c"]);
    retries.evidence_total = 411;

    let mut duplicate = finding(
        "duplicate-payment-3f9a1c",
        5,
        "critical",
        97.0,
        0.98,
        "symptom",
        "payments",
        "Customers are charged more than once",
        "37 orders were charged twice or more, EUR 1,846.30 in all; each second charge follows a time-out of the first by 2.0 s.",
    );
    duplicate.subject = Subject {
        service: Some(s("payments")),
        peer: Some(s("provider")),
        operation: Some(s("POST /charge")),
        key: Some(s("order-100000000000017")),
    };
    duplicate.services = all(&["payments", "orders", "provider"]);
    duplicate.measures = vec![
        measure("duplicates", 37.0, "charges", Some(1.0)),
        measure("duplicated_amount", 1846.3, "EUR", None),
        measure("keys_checked", 1200.0, "orders", None),
    ];
    duplicate.evidence = (0..8)
        .map(|n| quote("payments/app.log", 5100 + n * 37, &format!("{{\"@timestamp\":\"2026-09-10T10:0{}:31.004Z\",\"level\":\"INFO\",\"message\":\"charged\",\"orderId\":\"100000000000017\",\"amount\":49.90,\"currency\":\"EUR\",\"card\":\"4111 1111 1111 1111\",\"attempt\":{}}}", n + 1, n % 3 + 1)))
        .collect();
    duplicate.evidence_total = 74;
    duplicate.caused_by = all(&["retry-storm-91c2aa"]);
    duplicate.remedy = all(&[
        "Send an `Idempotency-Key` made of the order's id with every charge, and let payments refuse a second one.",
        "Refund the 37 orders listed in the JSON report.",
    ]);

    let mut pool = finding(
        "connection-pool-exhaustion-77aa01",
        3,
        "high",
        81.5,
        0.88,
        "symptom",
        "orders",
        "The connection pool is exhausted",
        "HikariPool-1 of orders had 20 of 20 connections in use for 8 min 12 s; 214 requests waited 30 s and failed.",
    );
    pool.subject.operation = Some(s("HikariPool-1"));
    pool.measures = vec![measure("pending_max", 186.0, "threads", Some(10.0)), measure("wait_p99", 30_002.0, "ms", Some(1000.0))];
    pool.caused_by = all(&["slow-downstream-4be210"]);
    pool.window = window("10:03:05", "10:11:17");

    let mut leak = finding(
        "memory-leak-trend-c0ffee",
        12,
        "medium",
        61.0,
        0.72,
        "root-cause",
        "catalog",
        "Live memory grows without bound",
        "The heap of catalog after full collections grows 38 MiB per hour (95 % interval 31 to 44); the limit is reached in 9 h.",
    );
    leak.measures = vec![measure("growth", 39_845_888.0, "bytes", Some(10_485_760.0)), measure("live_set", 1_932_735_283.0, "bytes", None)];
    leak.window = window("10:00:00", "10:20:00");

    let mut lock = finding(
        "deadlock-de4d10",
        14,
        "critical",
        99.0,
        0.99,
        "root-cause",
        "billing",
        "Threads wait for each other in a circle",
        "Two threads of billing have waited for each other's lock since 10:06:40; 14 more wait behind them.",
    );
    lock.measures = vec![measure("threads_blocked", 16.0, "threads", Some(1.0))];
    lock.window = window("10:06:40", "10:20:00");

    let mut rest = vec![duplicate, slow, lock, retries, pool, leak];
    for (n, (severity, title)) in [
        ("medium", "Time-outs are inverted"),
        ("medium", "Health checks pass while users fail"),
        ("low", "Logs cannot be joined to traces"),
        ("low", "Clocks of two hosts differ"),
        ("info", "Retries were seen and did no harm"),
        ("info", "The bundle has a gap"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut more = finding(
            &format!("further-rule-{n:06x}"),
            [7, 9, 11, 11, 5, 8][n],
            severity,
            55.0 - 8.0 * n as f64,
            0.7 - 0.05 * n as f64,
            "victim",
            "gateway",
            title,
            "gateway gave up after 3.0 s while orders waits 5.0 s for payments.",
        );
        more.scenario = if n == 5 { None } else { more.scenario };
        rest.push(more);
    }
    rest
}

fn scenarios() -> Vec<Scenario> {
    let names = [
        ("Slow only in production", "cannot-tell"),
        ("Kafka lag grows", "clear"),
        ("Database connections exhausted", "confirmed"),
        ("Autoscaling does not help", "cannot-tell"),
        ("Retries create duplicate payments", "confirmed"),
        ("Scheduled job runs several times", "clear"),
        ("One slow downstream drags all", "confirmed"),
        ("Random 500s", "possible"),
        ("Health checks pass, users fail", "likely"),
        ("Cache goes stale", "clear"),
        ("Logs cannot be joined", "possible"),
        ("JVM memory grows per deployment", "likely"),
        ("Fails behind the gateway", "clear"),
        ("Thread pools exhausted, CPU idle", "confirmed"),
        ("Circuit breakers do not help", "cannot-tell"),
    ];
    let found = findings();
    names
        .into_iter()
        .zip(1_u8..)
        .map(|((name, status), number)| Scenario {
            number,
            name: s(name),
            status: s(status),
            rules: all(&["slow-downstream", "retry-storm"]),
            findings: found.iter().filter(|f| f.scenario == Some(number)).map(|f| f.id.clone()).collect(),
            missing: if status == "cannot-tell" {
                all(&["a baseline from another environment", "replica counts over time (kubectl get events, hpa)"])
            } else {
                Vec::new()
            },
        })
        .collect()
}

fn rules() -> Vec<RuleLine> {
    let line = |id: &str, status: &str, missing: &[&str], why: Option<&str>| RuleLine {
        id: s(id),
        status: s(status),
        missing: all(missing),
        why: why.map(s),
    };
    vec![
        line("retry-storm", "found", &[], None),
        line("duplicate-payment", "found", &[], None),
        line("kafka-lag-growth", "clear", &[], None),
        line("autoscaling-ineffective", "not-applicable", &["platform events", "replica counts"], None),
        line("stale-cache-read", "failed", &[], Some("the detector stopped: attempt to divide by zero")),
    ]
}

fn graph() -> Graph {
    let edges = [
        ("web", "gateway", 4100, 41, 0, 40.0, 2100.0),
        ("gateway", "orders", 2400, 220, 0, 35.0, 5020.0),
        ("gateway", "catalog", 1700, 2, 0, 12.0, 90.0),
        ("orders", "payments", 1200, 90, 411, 20.0, 5010.0),
        ("orders", "postgres", 5200, 214, 0, 2.1, 30_002.0),
        ("orders", "kafka", 1150, 0, 0, 1.2, 9.0),
        ("payments", "provider", 1190, 88, 120, 110.0, 5004.0),
        ("payments", "ledger-db", 2300, 0, 0, 1.9, 14.0),
        ("catalog", "redis", 9000, 12, 0, 0.4, 3.0),
        ("catalog", "postgres", 800, 0, 0, 3.0, 22.0),
        ("kafka", "billing", 1150, 4, 9, 8.0, 240.0),
        ("billing", "orders", 40, 0, 0, 12.0, 40.0),
    ];
    let edges: Vec<Edge> = edges
        .into_iter()
        .map(|(caller, callee, calls, errors, retries, p50_ms, p99_ms)| Edge {
            caller: s(caller),
            callee: s(callee),
            calls,
            errors,
            retries,
            p50_ms,
            p95_ms: p99_ms / 1.4,
            p99_ms,
        })
        .collect();
    let mut names: Vec<String> = edges.iter().flat_map(|edge| [edge.caller.clone(), edge.callee.clone()]).collect();
    names.sort();
    names.dedup();
    let services = names
        .into_iter()
        .map(|name| {
            let served = || edges.iter().filter(|edge| edge.callee == name);
            let slowest = served().map(|edge| edge.p99_ms).fold(0.0, f64::max);
            Service {
                calls: served().map(|edge| edge.calls).sum(),
                errors: served().map(|edge| edge.errors).sum(),
                p50_ms: 12.1,
                p99_ms: slowest,
                name,
            }
        })
        .collect();
    Graph { services, edges }
}

fn coverage() -> Coverage {
    let file = |path: &str, format: &str, bytes: u64, records: u64, quarantined: u64, service: Option<&str>| FileLine {
        path: s(path),
        format: s(format),
        bytes,
        records,
        quarantined,
        service: service.map(s),
        digest: Some(format!("blake3:{}", "e7".repeat(32))),
        reasons: if quarantined == 1 {
            vec![QuarantineLine { reason: s("unknown-format"), count: 1, example_offset: 0 }]
        } else if quarantined > 1 {
            vec![
                QuarantineLine { reason: s("invalid-utf8"), count: 2, example_offset: 99 },
                QuarantineLine { reason: s("not-json"), count: quarantined - 2, example_offset: 4711 },
            ]
        } else {
            Vec::new()
        },
    };
    Coverage {
        understood_bytes: 47_900_000,
        quarantined_bytes: 223_456,
        files: vec![
            file("billing/threads-1.txt", "thread-dump/jstack", 181_222, 214, 0, Some("billing")),
            file("catalog/gc.log", "gc-log/unified", 911_222, 4812, 0, Some("catalog")),
            file("gateway/access.log", "access-log/nginx", 12_911_222, 90_812, 0, Some("gateway")),
            file("logs.tar.gz!/orders/app.log", "spring-log/logback", 22_911_222, 71_812, 0, Some("orders")),
            file("notes/screenshot.png", "unrecognised", 223_400, 0, 1, None),
            file("payments/app.log", "json-log/logstash", 9_911_222, 31_812, 7, Some("payments")),
            file("traces/otlp.json.gz", "otlp-json/lines", 6_911_222, 15_214, 0, None),
        ],
    }
}

fn timeline() -> Timeline {
    let series = |name: &str, unit: &str, calm: f64, bad: f64| Series {
        name: s(name),
        unit: s(unit),
        values: (0..120)
            .map(|at| {
                let level = if (13..85).contains(&at) { bad } else { calm };
                (at % 41 != 40).then(|| level * (0.7 + 0.6 * uneven(at + name.len() * 1000)))
            })
            .collect(),
        median: Vec::new(),
    };
    Timeline {
        start_ms: START_MS,
        step_ms: 10_000,
        series: vec![
            Series { median: series("p50", "ms", 20.0, 900.0).values, ..series("payments p99", "ms", 120.0, 5000.0) },
            series("payments p50", "ms", 20.0, 900.0),
            series("orders errors", "errors/s", 0.1, 18.0),
            series("gateway requests", "requests/s", 41.0, 42.0),
            series("HikariPool-1 in use", "connections", 6.0, 19.0),
            series("catalog heap floor", "bytes", 1_800_000_000.0, 1_900_000_000.0),
            series("billing GC pause", "ms", 11.0, 19.0),
        ],
        marks: vec![
            Mark { at_ms: START_MS + 95_000, label: s("deployment of orders 4.12.0") },
            Mark { at_ms: START_MS + 400_000, label: s("billing-7c9f restarted") },
            Mark { at_ms: START_MS + 900_000, label: s("payments scaled 3 to 6") },
        ],
    }
}

fn waterfalls() -> Vec<Waterfall> {
    let bar = |depth: u32, service: &str, name: &str, start_ms: f64, length_ms: f64| Bar {
        depth,
        service: s(service),
        name: s(name),
        start_ms,
        length_ms,
        failed: false,
        attempt: 0,
        critical: false,
        folded: 1,
        ticks: Vec::new(),
    };
    let attempt = |number: u32, start_ms: f64, failed: bool| Bar {
        attempt: number,
        failed,
        critical: true,
        ticks: vec![(start_ms + 2000.0, "WARN")],
        ..bar(2, "orders", "POST payments/charge", start_ms, 2000.0)
    };
    let mut bars = vec![
        Bar { critical: true, failed: true, ..bar(0, "gateway", "POST /orders", 0.0, 6900.0) },
        Bar { critical: true, ..bar(1, "orders", "OrderController.create", 4.0, 6880.0) },
        Bar { folded: 214, ..bar(2, "orders", "SELECT order_line", 10.0, 380.0) },
    ];
    for (number, start) in [(1, 400.0), (2, 2600.0), (3, 4800.0)] {
        bars.push(attempt(number, start, number < 3));
        bars.push(Bar { critical: number == 3, ..bar(3, "payments", "PaymentService.charge", start + 8.0, 4000.0_f64.min(6890.0 - start)) });
        bars.push(Bar {
            ticks: vec![(start + 30.0, "INFO"), (start + 1900.0, "ERROR")],
            ..bar(4, "provider", "POST /charge", start + 20.0, 3900.0_f64.min(6880.0 - start))
        });
    }
    ["worst", "median", "first failing"]
        .into_iter()
        .zip(["4bf92f3577b34da6a3ce929d0e0e4736", "7d4cda1103a24e8b9a7ec0de5a5b1f22", "0af7651916cd43dd8448eb211c80319c"])
        .map(|(why, trace)| Waterfall {
            trace_id: s(trace),
            findings: all(&["retry-storm-91c2aa"]),
            why: s(why),
            total_ms: 6900.0,
            bars: bars.clone(),
            cut: if why == "worst" { 12 } else { 0 },
        })
        .collect()
}

fn jvms() -> Vec<Jvm> {
    let group = |pool: &str, state: &str, count: u64, frames: &[&str]| ThreadGroup { pool: s(pool), state: s(state), count, frames: all(frames) };
    let frames = ["java.net.SocketInputStream.socketRead0(Native Method)", "org.example.payments.ProviderClient.charge(ProviderClient.java:88)"];
    let dump = |label: &str, waiting: u64| Dump {
        label: s(label),
        groups: vec![
            group("http-nio-8080-exec-N", "WAITING", waiting, &frames),
            group("http-nio-8080-exec-N", "RUNNABLE", 4, &["java.lang.Thread.run(Thread.java:1583)"]),
            group(
                "invoice-N",
                "BLOCKED",
                16,
                &["org.example.billing.Ledger.post(Ledger.java:41)", "org.example.billing.Invoice.close(Invoice.java:112)"],
            ),
            group("HikariPool-1 housekeeper", "TIMED_WAITING", 1, &["jdk.internal.misc.Unsafe.park(Native Method)"]),
        ],
        waits: [("invoice-1", "org.example.billing.Ledger", "invoice-2"), ("invoice-2", "org.example.billing.Account", "invoice-1")]
            .into_iter()
            .map(|(waiter, lock, owner)| (s(waiter), s(lock), s(owner)))
            .chain((3..17).map(|n| (format!("invoice-{n}"), s("org.example.billing.Ledger"), s("invoice-2"))))
            .collect(),
        deadlocks: vec![all(&["invoice-1", "invoice-2"])],
    };
    vec![
        Jvm { service: s("billing"), instance: s("billing-7c9f"), dumps: vec![dump("10:07:00", 31), dump("10:07:10", 96)], ..Jvm::default() },
        Jvm {
            service: s("catalog"),
            instance: s("catalog-0"),
            collector: s("G1"),
            capacity: Some(2 << 30),
            heap: (0..240)
                .map(|at| {
                    (at as f64 * 5.0, 1_200_000_000 + at as u64 * 2_400_000 + (uneven(at) * 260e6) as u64 * u64::from(at % 8 != 0), at % 8 == 0)
                })
                .collect(),
            trend: Some([(0.0, 1.2e9), (1195.0, 1.77e9)]),
            band: Some([[(0.0, 1.24e9), (1195.0, 1.73e9)], [(0.0, 1.16e9), (1195.0, 1.81e9)]]),
            pauses: (0..240).map(|at| (at as f64 * 5.0, 4.0 + 30.0 * uneven(at + 7) + if at == 171 { 310.0 } else { 0.0 })).collect(),
            classes: vec![
                ClassGrowth {
                    class: s("org.example.catalog.PriceSnapshot"),
                    bytes: vec![10_400_000, 118_000_000, 241_000_000],
                    instances: vec![104_000, 1_180_000, 2_410_000],
                },
                ClassGrowth { class: s("[B"), bytes: vec![210_000_000, 260_000_000, 330_000_000], instances: vec![900_000, 1_000_000, 1_200_000] },
            ],
            dumps: Vec::new(),
        },
    ]
}

fn templates() -> Vec<Template> {
    let template = |text: &str, level: &str, count: u64, services: &[&str], baseline: Option<f64>| Template {
        text: s(text),
        level: s(level),
        count,
        services: all(services),
        window: window("10:02:14", "10:14:03"),
        baseline,
        calm: None,
    };
    vec![
        template("attempt <n> of <n> failed: Read timed out", "WARN", 411, &["orders"], Some(0.4)),
        template("HikariPool-1 - Connection is not available, request timed out after <n>ms", "ERROR", 214, &["orders"], Some(0.0)),
        template("charged orderId=<id> amount=<n>", "INFO", 1237, &["payments"], Some(1190.0)),
        template("cache refreshed in <n> ms", "DEBUG", 12, &["catalog", "web"], Some(96.0)),
        Template { calm: Some(Calm { during: 40, usual: 8.0 }), ..template("user <id> logged in", "INFO", 40, &["web"], None) },
    ]
}
