use super::*;
use crate::correlate::fixture::BASE;
use crate::model::time::SECOND;
use crate::rules::fixture::bundle;
use serde_json::{Value, json};

/// A request through a gateway to `orders`, as its spans tell it.
struct Told {
    second: u32,
    route: &'static str,
    failed: bool,
    millis: i64,
    /// Of the gateway's span.
    attributes: Value,
    /// Of the resource of `orders`.
    resource: Value,
    instance: String,
}

fn told(n: u32) -> Told {
    let instance = format!("orders-{}", n % 3);
    Told { second: n, route: "/orders", failed: false, millis: 40 + i64::from(n % 9), attributes: json!({}), resource: json!({}), instance }
}

fn fields(map: &Value) -> Value {
    let any = |value: &Value| if let Some(text) = value.as_str() { json!({"stringValue": text}) } else { json!({"boolValue": value}) };
    map.as_object().map_or_else(|| json!([]), |map| map.iter().map(|(key, value)| json!({"key": key, "value": any(value)})).collect())
}

/// Spans of both services, a request a line.
fn spans(requests: &[Told]) -> String {
    let span = |n: usize, id: u32, parent: u32, kind: u32, told: &Told, attributes: &Value| {
        let start = BASE + i64::from(told.second) * SECOND + i64::from(id) * 1_000_000;
        let mut all = attributes.clone();
        all["http.request.method"] = json!("POST");
        all["http.route"] = json!(told.route);
        all["request.id"] = json!(format!("r-{n}"));
        let hex = |id: u32| if id == 0 { String::new() } else { format!("{:016x}", n as u64 * 16 + u64::from(id)) };
        json!({
            "traceId": format!("{:032x}", (n as u128 + 1) * 0x9e37_79b9_7f4a_7c15_f39c), "spanId": hex(id), "parentSpanId": hex(parent), "kind": kind,
            "name": format!("POST {}", told.route), "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": (start + (told.millis - 2 * i64::from(id)) * 1_000_000).to_string(),
            "attributes": fields(&all), "status": if told.failed { json!({"code": 2}) } else { json!({}) },
        })
    };
    let group = |service: &str, instance: &str, resource: &Value, spans: Value| {
        let mut all = resource.clone();
        all["service.name"] = json!(service);
        all["service.instance.id"] = json!(instance);
        json!({"resource": {"attributes": fields(&all)}, "scopeSpans": [{"spans": spans}]})
    };
    let line = |(n, told): (usize, &Told)| {
        let gateway =
            group("gateway", "gateway-0", &json!({}), json!([span(n, 1, 0, 2, told, &told.attributes), span(n, 2, 1, 3, told, &json!({}))]));
        let orders = group("orders", &told.instance, &told.resource, json!([span(n, 3, 2, 2, told, &json!({}))]));
        format!("{}\n", json!({"resourceSpans": [gateway, orders]}))
    };
    requests.iter().enumerate().map(line).collect()
}

fn found(requests: &[Told]) -> Vec<Difference> {
    differences(&bundle(&[("traces.jsonl", &spans(requests))]), None)
}

fn named(found: &[Difference]) -> Vec<String> {
    found.iter().map(|it| format!("{} {}={}", it.kind.name(), it.key, it.value)).collect()
}

/// Numbers that look like chance, the same in every run.
fn chance(n: u32, salt: u32) -> u32 {
    let mixed = (u64::from(n) << 32 | u64::from(salt)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_shr(40) as u32
}

fn tenant_of(n: u32) -> &'static str {
    TENANTS[chance(n, 1) as usize % 5]
}

/// Whether one of so many is it, by chance.
fn one_in(n: u32, salt: u32, many: u32) -> bool {
    chance(n, salt).is_multiple_of(many)
}

const NOTHING: [String; 0] = [];
const TENANTS: [&str; 5] = ["acme", "globex", "initech", "umbrella", "hooli"];

#[test]
fn one_tenant_fails() {
    let all: Vec<Told> = (0..600)
        .map(|n| {
            let tenant = TENANTS[chance(n, 1) as usize % 5];
            let attributes = json!({"tenant": tenant, "beta": one_in(n, 2, 2), "plan": if one_in(n, 3, 2) { "free" } else { "gold" }});
            Told { failed: tenant == "umbrella" && one_in(n, 4, 3) || n % 200 == 7, attributes, ..told(n) }
        })
        .collect();
    let found = found(&all);
    assert_eq!(named(&found), ["attribute tenant=umbrella"]);
    let bad = all.iter().filter(|it| it.failed).count() as u64;
    let with = |failed: bool| all.iter().filter(|it| it.failed == failed && it.attributes["tenant"] == "umbrella").count() as u64;
    assert_eq!(found[0].counts, Counts { bad_with: with(true), bad, good_with: with(false), good: 600 - bad });
    assert_eq!((found[0].ending, found[0].service.as_str(), found[0].evidence.len()), (Ending::Failed, "gateway", 3));
    assert!(found[0].chance < 1e-9 && found[0].sentence().starts_with("tenant=umbrella at gateway: "), "{}", found[0].sentence());
}

#[test]
fn a_new_version_is_slow_whether_it_came_for_all_or_for_some() {
    for some in [true, false] {
        let all: Vec<Told> = (0..400)
            .map(|n| {
                let is_new = if some { one_in(n, 1, 4) } else { n > 300 };
                let resource = json!({"service.version": if is_new { "2.0.0" } else { "1.9.4" }, "telemetry.sdk.language": "java"});
                Told { millis: if is_new { 900 } else { 40 } + i64::from(n % 9), resource, ..told(n) }
            })
            .collect();
        let found = found(&all);
        assert_eq!(named(&found), ["version service.version=2.0.0"]);
        assert_eq!((found[0].ending, found[0].service.as_str()), (Ending::Slow, "orders"));
    }
}

#[test]
fn a_zone_and_the_instances_in_it_are_told_once() {
    let all: Vec<Told> = (0..500)
        .map(|n| {
            let place = chance(n, 1) as usize % 6;
            let zone = ["a", "b", "c"][place / 2];
            let resource = json!({"cloud.availability_zone": zone, "service.version": "1.9.4"});
            Told { failed: place / 2 == 1 && one_in(n, 2, 2), resource, instance: format!("orders-{place}"), ..told(n) }
        })
        .collect();
    assert_eq!(named(&found(&all)), ["attribute cloud.availability_zone=b"]);
}

#[test]
fn one_instance_and_what_only_it_has() {
    let all: Vec<Told> = (0..500)
        .map(|n| {
            let resource = json!({"host.name": format!("node-{}", n % 3)});
            Told { failed: n % 3 == 1 && one_in(n, 2, 2), resource, ..told(n) }
        })
        .collect();
    let found = found(&all);
    assert_eq!((named(&found), &found[0].also), (vec!["instance instance=orders-1".to_owned()], &vec!["host.name=node-1 at orders".to_owned()]));
}

#[test]
fn uneven_but_unrelated_is_not_told() {
    let all: Vec<Told> = (0..800)
        .map(|n| {
            let tenant = if chance(n, 1) % 10 < 8 { "acme" } else { "globex" };
            Told { failed: one_in(n, 2, 12), attributes: json!({"tenant": tenant, "beta": n.is_multiple_of(50)}), ..told(n) }
        })
        .collect();
    assert_eq!(named(&found(&all)), NOTHING, "most failures are of the tenant with most requests");
}

#[test]
fn what_goes_along_with_the_route_is_not_told_but_the_route() {
    // One route fails for all; a tenant hardly uses another.
    let all: Vec<Told> = (0..800)
        .map(|n| {
            let is_export = one_in(n, 1, 5);
            let tenant = if chance(n, 2) % 10 < if is_export { 9 } else { 2 } { "acme" } else { "globex" };
            let failed = is_export && one_in(n, 3, 2);
            Told { route: if is_export { "/export" } else { "/orders" }, failed, attributes: json!({"tenant": tenant}), ..told(n) }
        })
        .collect();
    assert_eq!(named(&found(&all)), ["route route=POST /export"]);
}

#[test]
fn who_is_busy_while_everything_fails_is_not_to_blame() {
    let all: Vec<Told> = (0..1000)
        .map(|n| {
            let is_outage = (500..600).contains(&n);
            let tenant = if is_outage && n % 10 < 9 { "batch" } else { TENANTS[chance(n, 1) as usize % 5] };
            Told { failed: is_outage && one_in(n, 2, 2), attributes: json!({"tenant": tenant}), ..told(n) }
        })
        .collect();
    assert_eq!(named(&found(&all)), NOTHING);
}

#[test]
fn of_many_attributes_some_differ_by_chance_and_none_is_told() {
    for round in 0..8 {
        let all: Vec<Told> = (0..300)
            .map(|n| {
                let attributes: serde_json::Map<String, Value> =
                    (0..60).map(|key| (format!("key{key}"), json!(format!("v{}", chance(n, 100 * round + key) % (2 + key % 20))))).collect();
                Told { failed: one_in(n, 10_000 + round, 10), attributes: attributes.into(), ..told(n) }
            })
            .collect();
        assert_eq!(named(&found(&all)), NOTHING, "round {round}");
    }
}

#[test]
fn what_a_failure_brings_with_it_is_no_reason() {
    let all: Vec<Told> = (0..300)
        .map(|n| {
            let failed = one_in(n, 1, 6);
            Told { failed, attributes: json!({"outcome": if failed { "SERVER_ERROR" } else { "SUCCESS" }, "payment.result": failed}), ..told(n) }
        })
        .collect();
    assert_eq!(named(&found(&all)), NOTHING);
}

#[test]
fn a_healthy_system_has_no_differences() {
    let all: Vec<Told> = (0..600).map(|n| Told { attributes: json!({"tenant": tenant_of(n)}), ..told(n) }).collect();
    assert_eq!(found(&all), []);
}

#[test]
fn two_reasons_are_told_both() {
    let all: Vec<Told> = (0..900)
        .map(|n| {
            let (tenant, zone) = (TENANTS[chance(n, 1) as usize % 5], ["a", "b", "c", "d"][chance(n, 2) as usize % 4]);
            let failed = tenant == "acme" && one_in(n, 3, 2) || zone == "d" && one_in(n, 4, 3);
            Told { failed, attributes: json!({"tenant": tenant}), resource: json!({"cloud.availability_zone": zone}), ..told(n) }
        })
        .collect();
    let mut told = named(&found(&all));
    told.sort();
    assert_eq!(told, ["attribute cloud.availability_zone=d", "attribute tenant=acme"]);
}

#[test]
fn parts_of_a_bundle_give_the_same_in_any_order() {
    let all: Vec<Told> =
        (0..600).map(|n| Told { failed: chance(n, 1) % 5 == 1 && n % 3 != 0, attributes: json!({"tenant": tenant_of(n)}), ..told(n) }).collect();
    let text = spans(&all);
    let lines: Vec<&str> = text.lines().collect();
    let part = |of: std::ops::Range<usize>| lines[of].join("\n");
    // The ids are few enough in each of the small parts to look like values.
    let parts: Vec<String> = (0..30).map(|n| part(20 * n..20 * n + 20)).collect();
    let whole = differences(&bundle(&[("traces.jsonl", &text)]), None);
    assert_eq!(named(&whole), ["attribute tenant=globex"]);
    let without_places = |found: Vec<Difference>| found.into_iter().map(|it| Difference { evidence: Vec::new(), ..it }).collect::<Vec<_>>();
    let paths: Vec<String> = (0..30).map(|n| format!("{}/traces.jsonl", n * 7 % 30)).collect();
    let files: Vec<(&str, &str)> = paths.iter().zip(&parts).map(|(path, part)| (path.as_str(), part.as_str())).collect();
    assert_eq!(without_places(differences(&bundle(&files), None)), without_places(whole.clone()));
    let reversed: Vec<(&str, &str)> = files.iter().rev().copied().collect();
    assert_eq!(differences(&bundle(&reversed), None), differences(&bundle(&files), None));
}
