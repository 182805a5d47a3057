//! Healthy look-alikes first, then the faults.

use crate::correlate::Case;
use crate::correlate::effect::fixture::Story;
use crate::model::finding::{Finding, Severity};
use crate::model::record::SpanKind::{Client, Server};
use crate::model::record::Value::{Bool, Int, Text};
use crate::rules::fixture::{bundle, check, measured, rule};
use crate::rules::native::cache_stampede::lines::Ledger;
use crate::rules::native::cache_stampede::uses::Uses;
use crate::rules::native::cache_stampede::{DETECTOR, loads};

const RULE: &str = include_str!("../../../../rules/cache/cache-stampede.yaml");

fn found(story: &mut Story) -> Vec<Finding> {
    story.detect(&DETECTOR, RULE)
}

fn is_quiet(story: &mut Story) {
    let found = found(story);
    assert!(found.iter().all(|f| f.severity < Severity::Medium), "{found:#?}");
}

fn hit(story: &mut Story, seconds: f64, key: &str, trace: i64) {
    story.log(seconds, "catalog", "cache hit", &[("cache_key", Text(key)), ("@trace", Int(trace))]);
}

/// A miss that is told when its load of `ms` is over.
fn load(story: &mut Story, seconds: f64, key: &str, ms: i64, trace: i64) {
    let fields = [("cache_key", Text(key)), ("load_ms", Int(ms)), ("ttl_s", Int(600)), ("@trace", Int(trace))];
    story.log(seconds, "catalog", "cache miss, value loaded from database", &fields);
}

/// Loads of 900 ms, one every 5 ms.
fn herd(story: &mut Story, seconds: f64, key: &str, count: i64) {
    for n in 0..count {
        load(story, seconds + 0.9 + 0.005 * n as f64, key, 900, (seconds * 1000.0) as i64 + n);
    }
}

#[test]
fn a_cold_start_after_a_deployment_is_low() {
    let mut story = Story::default();
    herd(&mut story, 0.0, "home:feed", 30);
    for n in 0..40 {
        hit(&mut story, 5.0 + f64::from(n), "home:feed", 5000 + i64::from(n));
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "cold-start", Severity::Low));
}

#[test]
fn an_instance_that_starts_anew_is_cold_again() {
    let lines = |restarted: bool| {
        let mut text = String::new();
        let mut say = |ms: i64, what: &str| {
            let (second, rest) = (ms / 1000, ms % 1000);
            text.push_str(&format!("2026-01-01T10:{:02}:{:02}.{rest:03}Z  INFO 1 --- [main] c.a.Catalog : {what}\n", second / 60, second % 60));
        };
        for n in 0..40 {
            say(1000 * n, "cache hit key=home:feed");
        }
        if restarted {
            say(45_000, "Started catalog in 2.1 seconds (process running for 2.5)");
        }
        for n in 0..12 {
            say(50_900 + 10 * n, "cache miss, value loaded from database key=home:feed load_ms=900");
        }
        bundle(&[("catalog/app.log", &text)])
    };
    let found = |case: &Case| check(&rule("cache-stampede"), case, None);
    assert_eq!(found(&lines(true)).iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Low]);
    let fault = found(&lines(false));
    assert_eq!(
        (fault.len(), fault[0].kind.as_str(), fault[0].severity, fault[0].subject.service.as_str()),
        (1, "single-hot-key", Severity::Medium, "catalog")
    );
}

#[test]
fn the_usual_misses_are_quiet() {
    let mut story = Story::default();
    for n in 0..300_i64 {
        load(&mut story, n as f64 / 3.0, &format!("product:{n}"), 400, n);
        hit(&mut story, n as f64 / 3.0 + 0.1, "product:1", 1000 + n);
        if n % 60 == 0 {
            load(&mut story, n as f64 / 3.0, "product:1", 400, 2000 + n);
            load(&mut story, n as f64 / 3.0 + 0.2, "product:1", 400, 3000 + n);
        }
    }
    assert!(found(&mut story).is_empty());
}

#[test]
fn one_load_that_others_wait_for_is_the_remedy() {
    // Told in words.
    let mut story = Story::default();
    hit(&mut story, 0.0, "home:feed", 1);
    load(&mut story, 601.0, "home:feed", 900, 2);
    for n in 0..49 {
        let fields = [("cache_key", Text("home:feed")), ("cache_hit", Bool(false)), ("load_ms", Int(880)), ("@trace", Int(10 + n))];
        story.log(601.0 + 0.001 * n as f64, "catalog", "cache miss, waited for in-flight load", &fields);
    }
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
    // Told by who calls the database.
    let mut story = Story::default();
    for round in 0..3_i64 {
        for n in 0..50_i64 {
            let begin = 60.0 * round as f64 + 0.002 * n as f64;
            let trace = u128::try_from(round * 100 + n + 1).unwrap();
            let more = [("cache.hit", Bool(false)), ("cache.key", Text("home:feed"))];
            story.call(("catalog", Server), (begin, 60.0 * round as f64 + 0.95), (trace, 1, 0), "GET /home", 200, &more);
            if n == 0 {
                let query = [("db.system", Text("postgresql")), ("db.statement", Text("SELECT feed"))];
                story.call(("catalog", Client), (begin + 0.01, begin + 0.9), (trace, 2, 1), "GET /", 0, &query);
            }
        }
    }
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn values_that_are_never_kept_on_purpose_are_no_cache() {
    let mut story = Story::default();
    for n in 0..100_i64 {
        let at = if n < 10 { 5.0 * n as f64 } else { 60.0 + 0.01 * n as f64 };
        let fields = [("product_id", Int(9)), ("source", Text("db")), ("version", Int(1)), ("duration_ms", Int(300)), ("@trace", Int(n + 1))];
        story.log(at, "catalog", "product read", &fields);
    }
    is_quiet(&mut story);
}

#[test]
fn retries_of_one_request_and_polls_without_a_miss_do_not_count() {
    let mut story = Story::default();
    hit(&mut story, 0.0, "report:1", 1);
    for n in 0..9 {
        load(&mut story, 10.0 + 0.01 * f64::from(n), "report:1", 5000, 7);
        story.call(("catalog", Server), (20.0, 25.0), (u128::try_from(100 + n).unwrap(), 1, 0), "GET /reports/1", 200, &[]);
    }
    assert!(found(&mut story).is_empty());
}

#[test]
fn misses_alone_are_doubted() {
    let mut story = Story::default();
    hit(&mut story, 0.0, "home:feed", 1);
    for n in 0..30 {
        story.log(10.0 + 0.01 * f64::from(n), "catalog", "cache miss", &[("cache_key", Text("home:feed")), ("@trace", Int(10 + i64::from(n)))]);
    }
    hit(&mut story, 12.0, "home:feed", 2);
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Low));
    assert!(found[0].confidence < 0.60 && !found[0].missing.is_empty());
}

#[test]
fn misses_alone_at_every_expiry_are_enough() {
    let mut story = Story::default();
    for round in 0..4 {
        let at = 20.0 * f64::from(round);
        for n in 0..8 {
            story.log(at + 0.05 * f64::from(n), "catalog", "cache miss", &[("cache_key", Text("home:feed"))]);
        }
        (0..15).for_each(|n| hit(&mut story, at + 2.0 + f64::from(n), "home:feed", 0));
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity, measured(&found[0], "bursts")), (1, Severity::Medium, 3.0));
}

#[test]
fn a_hot_key_that_expires() {
    let mut story = Story::default();
    load(&mut story, 0.0, "home:feed", 900, 1);
    for n in 1..600_i64 {
        hit(&mut story, n as f64, "home:feed", 10_000 + n);
    }
    for n in 0..238_i64 {
        load(&mut story, 600.9 + 0.003 * n as f64, "home:feed", 900, 20_000 + n);
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.key.as_str()), ("single-hot-key", Severity::High, "home:feed"));
    let told = |name| measured(finding, name);
    assert_eq!((told("redundant_loads"), told("ttl_s"), told("bursts"), told("bursts_at_expiry")), (237.0, 600.0, 1.0, 1.0));
    assert!((told("redundant_load_s") - 213.3).abs() < 0.1 && finding.confidence >= 0.6);
    assert!((told("max_load_ms"), told("traces_of_widest_burst")) == (900.0, 238.0));
}

#[test]
fn every_period_again_tells_the_expiry() {
    let mut story = Story::default();
    for round in 0..4 {
        let at = 20.0 * f64::from(round);
        for n in 0..8 {
            let fields = [("cache_key", Text("page:1")), ("load_ms", Int(700 + 100 * n)), ("@trace", Int(i64::from(round) * 100 + n + 1))];
            story.log(at + 1.5 + 0.02 * n as f64, "catalog", "cache miss, value loaded from database", &fields);
        }
        for n in 0..10 {
            hit(&mut story, at + 3.0 + f64::from(n), "page:1", i64::from(round) * 100 + 50 + i64::from(n));
        }
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((measured(finding, "bursts"), measured(finding, "period_s"), measured(finding, "loads")), (3.0, 20.0, 32.0));
}

#[test]
fn commands_whose_keys_are_masked() {
    let mut story = Story::default();
    let redis = |statement: &'static str| [("db.system", Text("redis")), ("db.statement", Text(statement)), ("server.address", Text("redis"))];
    let sql = [("db.system", Text("mysql")), ("db.statement", Text("SELECT * FROM products")), ("server.address", Text("db"))];
    let mut trace = 0;
    for round in 0..3 {
        for n in 0..40 {
            let begin = 30.0 * f64::from(round) + if n < 8 { 0.01 * f64::from(n) } else { 1.0 + 0.5 * f64::from(n) };
            trace += 1;
            story.call(("catalog", Server), (begin, begin + 0.6), (trace, 1, 0), "GET /products", 200, &[]);
            story.call(("catalog", Client), (begin + 0.001, begin + 0.002), (trace, 2, 1), "GET /", 0, &redis("GET ?"));
            if n < 8 {
                story.call(("catalog", Client), (begin + 0.003, begin + 0.5), (trace, 3, 1), "GET /", 0, &sql);
                story.call(("catalog", Client), (begin + 0.501, begin + 0.502), (trace, 4, 1), "GET /", 0, &redis("SETEX ? ? ?"));
            }
        }
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}\n{:#?}", story.told()) };
    assert_eq!((finding.kind.as_str(), finding.subject.operation.as_str()), ("single-hot-key", "GET /products"));
    assert_eq!((measured(finding, "bursts"), measured(finding, "concurrent_loads"), measured(finding, "max_load_ms")), (2.0, 8.0, 497.0));
}

#[test]
fn spring_without_traces() {
    let mut text = String::new();
    let mut say = |ms: i64, what: &str| {
        text.push_str(&format!(
            "2026-01-01T10:00:{:02}.{:03}Z TRACE 1 --- [catalog] [nio-8080-exec-1] o.s.cache.interceptor.CacheInterceptor : {what}\n",
            ms / 1000,
            ms % 1000
        ));
    };
    for n in 0..20 {
        say(100 * n, "Cache entry for key 'home' found in cache(s) [pages]");
    }
    for n in 0..15 {
        say(10_000 + 10 * n, "No cache entry for key 'home' in cache(s) [pages]");
    }
    for n in 0..15 {
        say(10_800 + 10 * n, "Creating cache entry for key 'home' in cache(s) [pages]");
    }
    let case = bundle(&[("catalog/app.log", &text)]);
    let found = check(&rule("cache-stampede"), &case, None);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.subject.operation.as_str(), finding.subject.key.as_str()), ("pages", "home"));
    assert_eq!((measured(finding, "concurrent_loads"), measured(finding, "median_load_ms")), (15.0, 800.0));
}

#[test]
fn keys_that_expire_together() {
    let fill = |story: &mut Story, at: f64, keys: std::ops::Range<i64>, trace: i64| {
        for n in keys {
            load(story, at + 0.01 * n as f64, &format!("price:{n}"), 300, trace + n);
        }
    };
    let mut story = Story::default();
    fill(&mut story, 1.0, 0..40, 1);
    assert!(found(&mut story).is_empty(), "a warm-up");
    for n in 0..40 {
        hit(&mut story, 5.0 + f64::from(n), &format!("price:{n}"), 100 + i64::from(n));
    }
    // One by one, as they are wanted.
    for n in 0..40 {
        load(&mut story, 60.0 + 2.0 * f64::from(n), &format!("price:{n}"), 300, 200 + i64::from(n));
    }
    assert!(found(&mut story).is_empty(), "the usual");
    let mut story = Story::default();
    fill(&mut story, 1.0, 0..40, 1);
    fill(&mut story, 301.0, 0..40, 1000);
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "mass-expiry"));
    assert_eq!((measured(&found[0], "keys"), measured(&found[0], "age_s").round()), (40.0, 300.0));
}

#[test]
fn a_key_that_is_never_kept() {
    let story = |with_kin: bool| {
        let mut story = Story::default();
        for n in 0..80 {
            load(&mut story, 1.0 + 0.05 * f64::from(n), "product:0", 400, 1 + i64::from(n));
        }
        if with_kin {
            hit(&mut story, 2.0, "product:1", 999);
        }
        found(&mut story)
    };
    assert!(story(false).iter().all(|f| f.severity < Severity::Medium), "there is no cache here");
    assert_eq!(story(true)[0].kind, "negative-lookup");
}

fn metrics(misses: impl Fn(i64) -> i64, pending: impl Fn(i64) -> i64, hits: impl Fn(i64) -> i64) -> Vec<Finding> {
    let (mut text, mut missed, mut hit) = (String::from("# TYPE cache_gets_total counter\n# TYPE hikaricp_connections_pending gauge\n"), 0, 0);
    for n in 0..30 {
        missed += misses(n);
        hit += hits(n);
        let at = 1_767_261_600_000 + 15_000 * n;
        text.push_str(&format!(
            "cache_gets_total{{cache=\"pages\",result=\"miss\"}} {missed} {at}\ncache_gets_total{{cache=\"pages\",result=\"hit\"}} {hit} {at}\n"
        ));
        text.push_str(&format!("hikaricp_connections_pending{{pool=\"main\"}} {} {at}\n", pending(n)));
    }
    check(&rule("cache-stampede"), &bundle(&[("catalog/metrics.prom", &text)]), None)
}

#[test]
fn metrics_alone_need_a_slow_origin_and_even_traffic() {
    let bursts = |n: i64| if n % 10 == 9 { 300 } else { 3 };
    let queue = |n: i64| if n % 10 == 9 { 12 } else { 0 };
    assert!(metrics(|_| 3, queue, |_| 500).is_empty(), "no more misses than usual");
    assert!(metrics(bursts, |_| 0, |_| 500).is_empty(), "the origin is well");
    assert!(metrics(bursts, queue, |n| if n % 10 == 9 { 9000 } else { 500 }).is_empty(), "more traffic");
    assert!(metrics(|n| if n < 2 { 900 } else { 3 }, |n| i64::from(n < 2) * 9, |_| 500).is_empty(), "a cold start");
    let found = metrics(bursts, queue, |_| 500);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.kind.as_str(), measured(finding, "misses_in_step"), measured(finding, "bursts")), ("miss-burst", 300.0, 3.0));
    assert!(finding.confidence <= 0.60);
}

#[test]
fn of_keys_that_are_used_once_or_always_found_only_the_kind_is_kept() {
    let mut story = Story::default();
    load(&mut story, 1.0, "page:1", 400, 1);
    load(&mut story, 9.0, "page:1", 400, 2);
    load(&mut story, 5.0, "page:2", 400, 3);
    hit(&mut story, 7.0, "page:3", 4);
    hit(&mut story, 20.0, "page:3", 5);
    story.case.tables.effects.sort_by_key(|effect| effect.time);
    let told = |keeps_single: bool| {
        let uses = Uses::of(&story.case).unwrap();
        let mut ledger = Ledger::new(keeps_single);
        loads::note(&story.case, &uses, &mut ledger);
        ledger.settle();
        let lines: Vec<(usize, usize)> = ledger.lines().map(|line| (line.loads.len(), line.found.len())).collect();
        let kinds: Vec<(String, bool, i64)> =
            ledger.kinds().iter().map(|kind| (kind.label.to_string(), kind.is_found, kind.watched.nanos() / 1_000_000)).collect();
        (lines, kinds)
    };
    // From the beginning of the first load, at 0.6 s, to the last hit.
    let kind = vec![("page:*".to_owned(), true, 19_400)];
    assert_eq!(told(false), (vec![(2, 2)], kind.clone()));
    let (mut lines, kinds) = told(true);
    lines.sort_unstable();
    assert_eq!((lines, kinds), (vec![(1, 1), (2, 2)], kind));
}

#[test]
fn hostile_values_are_ignored() {
    let mut story = Story::default();
    for value in [Text(""), Text("\u{202e}"), Int(i64::MIN), Bool(true)] {
        for n in 0..20 {
            let fields = [("cache_key", value), ("load_ms", value), ("ttl_s", value), ("@trace", Int(n))];
            story.log(0.0, "catalog", "cache miss, value loaded from database", &fields);
        }
    }
    is_quiet(&mut story);
}
