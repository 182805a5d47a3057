//! Healthy look-alikes first, then the faults.

use crate::correlate::effect::fixture::{Story, at};
use crate::model::finding::{Finding, Severity};
use crate::model::ids::SpanId;
use crate::model::record::SpanKind::{Client, Server};
use crate::model::record::Value::{self, Bool, Int, Text};
use crate::model::record::{Field, SpanRecord, SpanStatus};
use crate::rules::native::stale_cache_read::DETECTOR;

const RULE: &str = include_str!("../../../../rules/cache/stale-cache-read.yaml");

fn found(story: &mut Story) -> Vec<Finding> {
    story.detect(&DETECTOR, RULE)
}

fn is_quiet(story: &mut Story) {
    let found = found(story);
    assert!(found.iter().all(|f| f.severity < Severity::Medium), "{found:#?}\n{:#?}", story.told());
}

fn measure(finding: &Finding, name: &str) -> f64 {
    finding.measures.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name} in {:?}", finding.measures)).value
}

fn read(story: &mut Story, seconds: f64, version: i64, source: &str, host: &str) {
    let fields =
        [("product_id", Int(9)), ("cache_key", Text("product:9")), ("version", Int(version)), ("source", Text(source)), ("@instance", Text(host))];
    story.log(seconds, "catalog", "product read", &fields);
}

fn change(story: &mut Story, seconds: f64, version: i64, host: &str) {
    story.log(seconds, "catalog", "product updated", &[("product_id", Int(9)), ("version", Int(version)), ("@instance", Text(host))]);
}

fn redis(story: &mut Story, times: (f64, f64), trace: u128, id: u64, statement: &str, error: &str) {
    let mut attributes = vec![Field { key: "db.system", value: Text("redis") }, Field { key: "db.statement", value: Text(statement) }];
    if !error.is_empty() {
        attributes.push(Field { key: "error.type", value: Text(error) });
    }
    let name = statement.split(' ').next().unwrap_or("");
    let record = SpanRecord {
        trace: crate::correlate::effect::fixture::trace(trace),
        id: SpanId(id),
        name,
        kind: Client,
        start: at(times.0),
        end: at(times.1),
        status: if error.is_empty() { SpanStatus::Unset } else { SpanStatus::Error },
        attributes: &attributes,
        ..SpanRecord::default()
    };
    story.span("catalog", &record);
}

#[test]
fn fresh_reads_and_old_reads_before_the_change_are_quiet() {
    let mut story = Story::default();
    read(&mut story, 0.0, 1, "db", "a");
    read(&mut story, 5.0, 1, "cache", "a");
    change(&mut story, 10.0, 2, "a");
    // Logged after the change, but begun before it, as far as a log line can tell.
    read(&mut story, 10.2, 1, "cache", "a");
    read(&mut story, 12.0, 2, "db", "a");
    read(&mut story, 13.0, 2, "cache", "a");
    assert!(found(&mut story).is_empty());
}

#[test]
fn within_the_time_to_live_and_without_versions_nothing_is_said() {
    let mut story = Story::default();
    story
        .log(0.0, "catalog", "cache miss, value loaded from database", &[("cache_key", Text("page:1")), ("ttl_s", Int(60))])
        .log(5.0, "catalog", "page updated", &[("page_id", Int(1))])
        .log(20.0, "catalog", "cache hit", &[("cache_key", Text("page:1"))]);
    assert!(found(&mut story).is_empty());
}

#[test]
fn old_by_agreement_is_low() {
    let mut story = Story::default();
    story.log(0.0, "catalog", "cache miss, value loaded from database", &[("cache_key", Text("page:1")), ("ttl_s", Int(60)), ("version", Int(1))]);
    story.log(5.0, "catalog", "page updated", &[("page_id", Int(1)), ("version", Int(2))]);
    story.log(20.0, "catalog", "cache hit", &[("cache_key", Text("page:1")), ("version", Int(1))]);
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Low));
}

#[test]
fn replicas_and_origins_may_lag() {
    let mut story = Story::default();
    change(&mut story, 0.0, 2, "a");
    read(&mut story, 9.0, 1, "replica", "a");
    read(&mut story, 10.0, 1, "db", "a");
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn clocks_of_other_hosts_are_not_trusted_to_milliseconds() {
    let mut story = Story::default();
    change(&mut story, 0.0, 2, "a");
    story.call(
        ("catalog", Server),
        (0.003, 0.004),
        (1, 1, 0),
        "GET /products/9",
        200,
        &[("cache.hit", Bool(true)), ("cache.key", Text("product:9")), ("product.id", Int(9)), ("product.version", Int(1)), ("@instance", Text("b"))],
    );
    assert!(found(&mut story).is_empty());
}

#[test]
fn other_tenants_other_caches_and_rolled_back_changes_do_not_matter() {
    let mut story = Story::default();
    let hit = |tenant: &'static str, version| [("key", Text("product:9")), ("tenant", Text(tenant)), ("version", Int(version))];
    story.log(0.0, "catalog", "cache hit", &hit("acme", 7)).log(9.0, "catalog", "cache hit", &hit("globex", 3));
    story.log(20.0, "catalog", "user updated: rolled back", &[("user_id", Int(4)), ("version", Int(5))]);
    story.log(30.0, "catalog", "cache hit", &[("cache_key", Text("user:4")), ("version", Int(4))]);
    story.log(40.0, "catalog", "cache hit", &[("cache", Text("names")), ("key", Text("5")), ("version", Int(9))]);
    story.log(50.0, "catalog", "cache hit", &[("cache", Text("photos")), ("key", Text("5")), ("version", Int(2))]);
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn a_read_while_the_invalidation_still_runs_is_no_fault() {
    let mut story = Story::default();
    story.log(0.1, "catalog", "product updated", &[("product_id", Int(9)), ("version", Int(2)), ("@trace", Int(1))]);
    redis(&mut story, (0.1, 1.5), 1, 7, "DEL ?", "");
    story.call(
        ("catalog", Server),
        (1.0, 1.01),
        (2, 8, 0),
        "GET /products/9",
        200,
        &[("cache.hit", Bool(true)), ("cache.key", Text("product:9")), ("product.id", Int(9)), ("product.version", Int(1))],
    );
    is_quiet(&mut story);
}

#[test]
fn a_failed_delete_and_an_old_balance() {
    let mut story = Story::default();
    story.log(0.100, "catalog", "account updated", &[("account_id", Int(42)), ("version", Int(18)), ("@trace", Int(1))]);
    redis(&mut story, (0.101, 0.140), 1, 7, "DEL account:42", "Command timed out after 1 second(s)");
    story.call(
        ("catalog", Server),
        (0.900, 0.910),
        (2, 8, 0),
        "GET /accounts/42",
        200,
        &[("cache.hit", Bool(true)), ("cache.key", Text("account:42")), ("version", Int(17))],
    );
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}\n{:#?}", story.told()) };
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.key.as_str()), ("failed-invalidation", Severity::Critical, "account:42"));
    assert!((measure(finding, "max_staleness_s") - 0.8).abs() < 0.01 && finding.confidence >= 0.85);
    assert_eq!(finding.evidence_total, 3);
}

#[test]
fn a_version_that_goes_back_is_proof_by_itself() {
    let mut story = Story::default();
    for (seconds, updated) in [(1.0, "2026-01-01T09:59:58Z"), (5.0, "2026-01-01T09:41:00Z")] {
        let more = [("cache.key", Text("price:7")), ("cache.hit", Bool(true)), ("updated_at", Text(updated))];
        story.call(("shop", Server), (seconds, seconds + 0.01), (1, (seconds * 10.0) as u64, 0), "GET /price/7", 200, &more);
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity, measure(&found[0], "stale_reads")), (1, Severity::Critical, 1.0));
    assert!(found[0].confidence >= 0.75);
}

#[test]
fn a_load_that_overlaps_the_change_is_a_race() {
    let mut story = Story::default();
    story.log(0.150, "catalog", "product updated", &[("product_id", Int(9)), ("version", Int(2))]).log(
        0.200,
        "catalog",
        "cache miss, value loaded from database",
        &[("cache_key", Text("product:9")), ("load_ms", Int(190)), ("@trace", Int(5))],
    );
    redis(&mut story, (0.204, 0.205), 5, 7, "SET product:9 x", "");
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}\n{:#?}", story.told()) };
    assert_eq!(finding.kind, "race-load-vs-write");
    // The same with a deletion afterwards is the remedy.
    redis(&mut story, (0.5, 0.51), 6, 8, "DEL product:9", "");
    assert!(self::found(&mut story).is_empty());
}

#[test]
fn a_hit_after_a_failed_eviction() {
    let mut story = Story::default();
    story.log(0.0, "users", "Cache 'users' failed to evict entry with key '42'", &[]).log(
        3.0,
        "users",
        "Cache entry for key '42' found in cache(s) [users]",
        &[],
    );
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "failed-invalidation"));
    assert!(found[0].confidence >= 0.60);
}

#[test]
fn a_change_that_drops_nothing() {
    let mut story = Story::default();
    read(&mut story, 0.0, 1, "db", "a");
    change(&mut story, 10.0, 2, "a");
    for n in 0..12 {
        read(&mut story, 12.0 + f64::from(n), 1, "cache", "a");
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.operation.as_str()), ("missed-invalidation", Severity::High, "product:*"));
    assert_eq!((measure(finding, "stale_reads"), measure(finding, "reads"), measure(finding, "affected_share")), (12.0, 12.0, 1.0));
}

#[test]
fn another_key_is_dropped() {
    let mut story = Story::default();
    story.log(0.0, "catalog", "user updated", &[("user_id", Int(4)), ("version", Int(2)), ("@trace", Int(1))]);
    redis(&mut story, (0.0, 0.01), 1, 7, "DEL user:4", "");
    for seconds in [10.0, 11.0] {
        story.log(
            seconds,
            "catalog",
            "user read",
            &[("cache_key", Text("user:4:v2")), ("user_id", Int(4)), ("version", Int(1)), ("source", Text("cache"))],
        );
    }
    // The id does not end this key, but the record names it.
    assert_eq!(found(&mut story)[0].kind, "wrong-key");
}

#[test]
fn instances_that_disagree() {
    let mut story = Story::default();
    read(&mut story, 0.0, 2, "cache", "a");
    for n in 0..3 {
        read(&mut story, 10.0 + f64::from(n), 1, "cache", "b");
        read(&mut story, 10.5 + f64::from(n), 2, "cache", "a");
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str(), measure(&found[0], "stale_reads")), (1, "local-cache-divergence", 3.0));
}

#[test]
fn entries_that_outlive_their_time() {
    let mut story = Story::default();
    let hit = |story: &mut Story, seconds: f64| {
        story.log(seconds, "catalog", "cache hit", &[("cache_key", Text("page:1"))]);
    };
    story.log(0.0, "catalog", "cache miss, value loaded from database", &[("cache_key", Text("page:1")), ("ttl_s", Int(10))]);
    hit(&mut story, 9.0);
    hit(&mut story, 11.5);
    assert!(found(&mut story).is_empty());
    hit(&mut story, 40.0);
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "ttl-exceeded"));
}

#[test]
fn hostile_values_are_ignored() {
    let mut story = Story::default();
    let long = "x".repeat(5000);
    for value in [Value::Float(f64::NAN), Text(&long), Text("\u{202e}"), Int(i64::MIN), Bool(true)] {
        story.log(
            0.0,
            "catalog",
            "product read",
            &[("cache_key", value), ("version", value), ("ttl_ms", value), ("source", value), ("load_ms", value)],
        );
        story.log(0.0, "payment", "charge succeeded", &[("order_id", value), ("amount_cents", value), ("currency", value), ("charge_id", value)]);
    }
    assert!(found(&mut story).is_empty());
}

/// Etags as two instances return them.
fn tags(told: &[(f64, &str, &str)]) -> Vec<Finding> {
    let mut story = Story::default();
    for (seconds, host, tag) in told {
        let fields = [("cache_key", Text("page:7")), ("etag", Text(tag)), ("@instance", Text(host))];
        story.log(*seconds, "catalog", "cache hit", &fields);
    }
    found(&mut story)
}

#[test]
fn tags_that_come_back_tell_only_if_others_go_on_with_the_new_one() {
    assert!(tags(&[(0.0, "a", "x1"), (10.0, "a", "y2"), (20.0, "b", "y2"), (30.0, "a", "y2")]).is_empty(), "a change");
    assert!(tags(&[(0.0, "a", "x1"), (10.0, "a", "y2"), (20.0, "a", "x1"), (30.0, "b", "x1")]).is_empty(), "set back on purpose");
    let found = tags(&[(0.0, "a", "x1"), (10.0, "a", "y2"), (20.0, "b", "x1"), (30.0, "a", "y2"), (40.0, "b", "x1"), (50.0, "a", "y2")]);
    assert_eq!((found.len(), found[0].kind.as_str(), measure(&found[0], "stale_reads")), (1, "local-cache-divergence", 2.0));
}

#[test]
fn a_price_that_was_never_seen_before_is_no_old_one() {
    let mut story = Story::default();
    let hit = |story: &mut Story, seconds, price| {
        story.log(seconds, "catalog", "cache hit", &[("cache_key", Text("product:9")), ("price", Int(price))]);
    };
    hit(&mut story, 0.0, 10);
    story.log(5.0, "catalog", "product updated", &[("product_id", Int(9)), ("price", Int(12))]);
    // Somebody else has changed it since.
    hit(&mut story, 20.0, 14);
    assert!(found(&mut story).is_empty());
    hit(&mut story, 30.0, 10);
    assert_eq!(found(&mut story).len(), 1);
}
