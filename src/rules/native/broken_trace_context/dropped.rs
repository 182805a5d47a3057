//! Traces that a gateway is set to cut: it logs the trace that a request came with, passes it on without, and the service
//! behind begins another.
//!
//! ```text
//! nginx.conf   proxy_set_header traceparent "";
//! access log   "GET /items/7" 200 traceparent=00-4bf9...-01       shop's span   GET /items/7   trace 91ac..., no parent
//! ```
//!
//! Without the setting nothing is said: at the edge of a system foreign ids are replaced on purpose. What this file does not
//! do: other headers; see `gateway_header_loss`.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity};
use crate::model::names::Sym;
use crate::model::platform::Setting;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::tables::Span;
use crate::model::time::{SECOND, Window};
use crate::rules::native::broken_trace_context::{NEAR, broken};
use crate::rules::native::gateway_header_loss::drops;
use std::collections::BTreeMap;

/// Headers that carry the context of a trace.
const CARRIERS: &[&str] = &["traceparent", "b3", "x-b3-traceid", "uber-trace-id"];

/// Looks whether a gateway cuts the traces of the services behind it.
pub(super) fn dropped(case: &Case, rule: &Rule, roots: &BTreeMap<Sym, Vec<&Span>>, out: &mut Vec<Finding>) {
    let cuts = |row: &Setting| CARRIERS.iter().copied().find(|header| drops(&case.tables.names, row, header));
    let mut gateways: BTreeMap<Sym, (&Setting, &str)> = BTreeMap::new();
    for (row, header) in case.tables.settings.iter().filter_map(|row| Some((row, cuts(row)?))) {
        gateways.entry(row.service).or_insert((row, header));
    }
    for (gateway, cut) in gateways {
        let came_with_one = |row: &&Request| row.is_access && !row.is_call && !row.trace.is_none() && case.spans_of(row.trace).is_empty();
        let requests: Vec<&Request> = case.tables.requests.iter().filter(|row| row.service == gateway).filter(came_with_one).collect();
        for (&service, roots) in roots.iter().filter(|(service, _)| **service != gateway) {
            let pairs = pairs(rule, &requests, roots);
            let enough = pairs.len() as f64 >= rule.limit("calls");
            if enough && 100.0 * pairs.len() as f64 >= rule.limit("matched_percent") * roots.len() as f64 {
                out.push(finding(case, rule, (gateway, service), cut, roots.len(), &pairs));
            }
        }
    }
}

/// Requests and the traces that began while they were served, each at most once: same request, same answer.
fn pairs<'a>(rule: &Rule, requests: &[&'a Request], roots: &[&'a Span]) -> Vec<(&'a Request, &'a Span)> {
    let slack = (rule.limit("clock") * SECOND as f64) as i64;
    let mut free = vec![true; roots.len()];
    let mut pairs = Vec::new();
    for &request in requests {
        let from = roots.partition_point(|root| root.start.plus(slack) < request.start());
        let candidates = roots.iter().enumerate().skip(from).take_while(|(_, root)| root.start <= request.time.plus(slack));
        let is_same = |root: &Span| {
            let same = root.fingerprint == request.fingerprint && root.strong || root.operation == request.operation;
            same && root.http_status == request.status
        };
        if let Some((at, &root)) = candidates.take(NEAR).find(|(at, root)| free.get(*at).copied().unwrap_or(false) && is_same(root)) {
            free[at] = false;
            pairs.push((request, root));
        }
    }
    pairs
}

fn finding(case: &Case, rule: &Rule, hop: (Sym, Sym), (setting, header): (&Setting, &str), all: usize, pairs: &[(&Request, &Span)]) -> Finding {
    let mut window = Window::default();
    pairs.iter().for_each(|(_, root)| window.join(root.window()));
    let mut finding = broken(case, rule, hop, (pairs.len(), all), window);
    "dropped-by-gateway".clone_into(&mut finding.kind);
    finding.severity = if pairs.iter().any(|(_, root)| root.failed()) { Severity::High } else { Severity::Medium };
    finding.confidence = Belief::new()
        .with("requests that came with a trace, served in another", Input::Requests, 0.6)
        .with("a setting that drops the header", Input::Configs, 0.6)
        .value();
    finding
        .word("header", header.to_owned())
        .look_alike("The edge of the system, where foreign ids are replaced on purpose", "not excluded: ask whether the setting is meant so");
    finding.traces = pairs.iter().take(4).flat_map(|(request, root)| [request.trace, root.trace]).collect();
    finding.cite(std::iter::once(setting.evidence).chain(pairs.iter().flat_map(|(request, root)| [request.evidence, root.evidence])));
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};
    use serde_json::json;
    use std::fmt::Write;

    /// Sixty requests, each with a trace of its own, through a gateway to a service whose traces begin there or go on.
    fn found(config: &str, goes_on: bool) -> Vec<Finding> {
        found_in("nginx.conf", config, goes_on)
    }

    fn found_in(path: &str, config: &str, goes_on: bool) -> Vec<Finding> {
        let (mut access, mut spans) = (String::new(), Vec::new());
        for n in 0..60_u64 {
            let outer = format!("{:032x}", u128::from(n + 1) << 70 | 0x5bd1);
            let own = format!("{:032x}", u128::from(n + 1) << 80 | 0x9e37);
            let _ = writeln!(
                access,
                "10.1.2.3 - - [20/Nov/2026:10:{:02}:{:02} +0000] \"GET /api/items/{n} HTTP/1.1\" 200 512 \"-\" \"okhttp/4\" rt=0.040 traceparent=00-{outer}-{:016x}-01",
                n / 30,
                n % 30 * 2,
                n + 1
            );
            let start = 1_795_168_800_000_000_000_u64 + n * 2_000_000_000;
            let attributes = [("http.request.method", "GET"), ("http.route", "/api/items/{id}"), ("url.path", &format!("/api/items/{n}"))]
                .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}));
            let mut attributes = attributes.to_vec();
            attributes.push(json!({"key": "http.response.status_code", "value": {"intValue": "200"}}));
            spans.push(json!({
                "traceId": if goes_on { outer } else { own }, "spanId": format!("{:016x}", n + 1000), "kind": 2, "name": "GET /api/items/{id}",
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 35_000_000).to_string(), "attributes": attributes,
            }));
        }
        let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
        let traces = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
        let config = format!("http {{ server {{ listen 80; location / {{ proxy_pass http://shop:8080; {config} }} }} }}\n");
        check(&rule("broken-trace-context"), &bundle(&[("nginx-access.log", &access), (path, &config), ("shop.json", &traces.to_string())]), None)
    }

    const CUT: &str = "proxy_set_header traceparent \"\";";

    #[test]
    fn a_gateway_is_set_to_drop_the_header() {
        let found = found(CUT, false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].kind.as_str(), found[0].subject.service.as_str(), found[0].subject.peer.as_str()),
            ("dropped-by-gateway", "nginx", "shop")
        );
        assert_eq!((measured(&found[0], "broken"), measured(&found[0], "calls")), (60.0, 60.0));
    }

    #[test]
    fn an_edge_that_is_set_to_nothing_special_and_traces_that_go_on_are_silent() {
        assert!(found("", false).is_empty());
        assert!(found("proxy_set_header traceparent $http_traceparent;", false).is_empty());
        assert!(found("proxy_set_header x-user \"\";", false).is_empty(), "another header");
        assert!(found(CUT, true).is_empty());
        assert!(found_in("inner-proxy/nginx.conf", CUT, false).is_empty(), "a gateway whose requests are not there");
    }
}
