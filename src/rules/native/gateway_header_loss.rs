//! `gateway-header-loss`: headers that clients send and services miss, because something between them drops them.
//!
//! The service says which header it misses. Who drops it is told by the gateway's error log, or by its configuration: names
//! with underscores, headers set to nothing, headers not passed on at all. What this file does not do: compare the headers of
//! single requests hop by hop; records rarely hold them.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::{Interner, Sym};
use crate::model::platform::Setting;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "gateway-header-loss", thresholds: &["missed", "dropped"], detect };

/// Who misses a header, and who drops it.
struct Loss<'a> {
    header: String,
    missed: Vec<&'a Signal>,
    dropped: Vec<&'a Signal>,
    setting: Option<&'a Setting>,
    /// The operation that is always refused behind a gateway, and how often; told only if nothing better is.
    refused: Option<(Sym, usize)>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let missed = by_header(case, "http.header-missing");
    let dropped = by_header(case, "gateway.header-dropped");
    for (header, missed) in missed {
        let dropped = dropped.get(&header).cloned().unwrap_or_default();
        let mut loss = Loss { setting: dropping(case, &header, &missed), header, missed, dropped, refused: None };
        if (loss.missed.len() as f64) < rule.limit("missed") {
            continue;
        }
        let told = loss.dropped.len() as f64 >= rule.limit("dropped") || loss.setting.is_some();
        if !told {
            loss.refused = refused(scope, rule, &loss);
        }
        if told || loss.refused.is_some() {
            out.push(finding(scope, rule, &loss));
        }
    }
}

/// Signals by the header they name, lower case and with dashes: servers spell it as they like.
fn by_header<'a>(case: &'a Case, signal: &str) -> BTreeMap<String, Vec<&'a Signal>> {
    let names = &case.tables.names;
    let mut all: BTreeMap<String, Vec<&Signal>> = BTreeMap::new();
    let Some(signal) = names.find(signal) else { return all };
    for row in case.tables.signals.iter().filter(|row| row.signal == signal) {
        let header = names.get(row.name.or(row.key));
        if !header.is_empty() {
            all.entry(header.to_ascii_lowercase().replace('_', "-")).or_default().push(row);
        }
    }
    all
}

/// The setting of a gateway that drops a header.
fn dropping<'a>(case: &'a Case, header: &str, missed: &[&Signal]) -> Option<&'a Setting> {
    let names = &case.tables.names;
    let spelled_with_underscore = missed.iter().any(|row| names.get(row.name.or(row.key)).contains('_'));
    case.tables.settings.iter().find(|row| {
        let (key, value) = (names.get(row.key), names.get(row.value));
        drops(names, row, header)
            || spelled_with_underscore && key.ends_with(".underscoresinheaders") && value == "off"
            || spelled_with_underscore && key.ends_with(".headerswithunderscoresaction") && value != "ALLOW"
    })
}

/// Whether a setting of a gateway drops a header, however it is spelled: sets it to nothing, removes it, or passes none on.
pub(super) fn drops(names: &Interner, row: &Setting, header: &str) -> bool {
    let (key, value) = (names.get(row.key), names.get(row.value));
    let named = key.strip_suffix(']').and_then(|key| key.rsplit_once(".proxysetheader[")).map(|(_, header)| header.replace('_', "-"));
    named.is_some_and(|name| name == header && value.trim().is_empty())
        || key.ends_with(".proxypassrequestheaders") && value == "off"
        || key.contains("requestheaderstoremove[") && value.eq_ignore_ascii_case(header)
}

/// An operation of the service that is refused without exception while a gateway stands before it, although it works where none
/// does, or the header has a name that gateways drop unless told otherwise. Clients that forget a header are some, not all.
fn refused(scope: &Scope<'_>, rule: &Rule, loss: &Loss<'_>) -> Option<(Sym, usize)> {
    let case = scope.case;
    let names = &case.tables.names;
    let service = loss.missed.first()?.service;
    if !case.tables.requests.iter().any(|row| row.upstream_status > 0 && row.service != service) {
        return None;
    }
    let mut operations: BTreeMap<Sym, (usize, usize)> = BTreeMap::new();
    for row in case.tables.requests.iter().filter(|row| !row.is_call && row.service == service) {
        let (all, bad) = operations.entry(row.operation).or_default();
        *all += 1;
        *bad += usize::from(matches!(row.status, 400 | 401 | 403 | 422));
    }
    let always = operations.into_iter().filter(|(_, (all, bad))| all == bad && *bad as f64 >= rule.limit("missed"));
    let (operation, (count, _)) = always.max_by_key(|(operation, (count, _))| (*count, std::cmp::Reverse(*operation)))?;
    let underscored = loss.missed.iter().any(|row| names.get(row.name.or(row.key)).contains('_'));
    let works = scope.baseline.is_some_and(|baseline| {
        let there = baseline.tables.names.find(names.get(operation));
        let mut rows = baseline.tables.requests.iter().filter(|row| Some(row.operation) == there && row.status > 0);
        rows.next().is_some_and(|first| first.status < 400) && rows.all(|row| row.status < 400)
    });
    (underscored || works).then_some((operation, count))
}

fn finding(scope: &Scope<'_>, rule: &Rule, loss: &Loss<'_>) -> Finding {
    let case = scope.case;
    let names = &case.tables.names;
    let mut window = Window::default();
    loss.missed.iter().chain(&loss.dropped).for_each(|row| window.add(row.time));
    let gateway = || case.tables.requests.iter().find(|row| row.upstream_status > 0 && !row.service.is_none()).map(|row| row.service);
    let who = loss.dropped.first().map(|row| row.service).or(loss.setting.map(|row| row.service)).or_else(gateway).unwrap_or(Sym::NONE);
    let peer = loss.missed.first().map_or(Sym::NONE, |row| row.service);
    let who = who.or(peer);
    let subject = Subject {
        service: names.get(who).to_owned(),
        peer: if who == peer { String::new() } else { names.get(peer).to_owned() },
        key: loss.header.clone(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.services = vec![names.get(peer).to_owned()];
    let count = loss.missed.len() as f64;
    finding.severity = if count >= rule.upper("missed") { Severity::High } else { Severity::Medium };
    finding.score = score(count, rule.limit("missed"), rule.upper("missed"));
    let calm = scope.baseline.is_some_and(|baseline| !by_header(baseline, "http.header-missing").contains_key(&loss.header));
    finding.confidence = Belief::new()
        .with("a service that misses the header", Input::Logs, 0.45)
        .with_if(!loss.dropped.is_empty(), "a gateway that says it drops the header", Input::Logs, 0.5)
        .with_if(loss.setting.is_some(), "a setting that drops the header", Input::Configs, 0.5)
        .with_if(loss.refused.is_some(), "an operation that is always refused behind the gateway", Input::Requests, 0.3)
        .with_if(calm, "the header is not missed in the baseline", Input::Baseline, 0.3)
        .value();
    let told = match (loss.dropped.is_empty(), loss.setting) {
        (false, _) => format!("The gateway's error log says {} times that the header's line is not valid to it.", loss.dropped.len()),
        (true, Some(row)) => format!("Its configuration drops it: {} is \"{}\".", names.get(row.key), names.get(row.value)),
        (true, None) => loss.refused.map_or_else(String::new, |(operation, count)| {
            format!(
                "Every one of {count} requests of {} is refused so behind the gateway; clients that forget a header are some, not all.",
                names.get(operation)
            )
        }),
    };
    finding
        .measure_against("missed", count, "requests", rule.limit("missed"))
        .measure_against("dropped", loss.dropped.len() as f64, "requests", rule.limit("dropped"))
        .word("header", &loss.header)
        .word("told", told)
        .word("baseline", if calm { "In the baseline no request misses it." } else { "" })
        .look_alike(
            "Clients that never sent it",
            if loss.refused.is_some() { "excluded: not one request has it" } else { "excluded: something on the way says that it drops it" },
        )
        .look_alike(
            "A single client",
            if count >= rule.upper("missed") { "excluded: too many requests" } else { "not excluded: clients are not told apart here" },
        );
    finding.cite(loss.dropped.iter().take(3).map(|row| row.evidence));
    finding.cite(loss.setting.map(|row| row.evidence));
    finding.cite(loss.missed.iter().map(|row| row.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn missing(count: u32, header: &str) -> String {
        (0..count)
            .map(|n| format!("2026-01-01T10:00:{:02}.000Z  WARN 1 --- [orders] [exec-1] c.a.Web : Required request header '{header}' for method parameter type String is not present\n", n % 60))
            .collect()
    }

    fn errors(count: u32) -> String {
        (0..count).map(|n| format!("2026/01/01 10:00:{:02} [info] 7#7: *{n} client sent invalid header line: \"X_Tenant_Id: 7\" while reading client request headers, client: 10.0.0.9, server: shop\n", n % 60)).collect()
    }

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("gateway-header-loss"), &bundle(files), None)
    }

    #[test]
    fn names_with_underscores() {
        let found = found(&[("gateway/error.log", &errors(50)), ("orders/app.log", &missing(50, "X_Tenant_Id"))]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str()), ("gateway", "orders"));
        assert_eq!((measured(&found[0], "missed"), measured(&found[0], "dropped")), (50.0, 50.0));
    }

    #[test]
    fn a_header_that_the_configuration_empties() {
        let conf = "events { worker_connections 64; }\nhttp {\n  server {\n    listen 80;\n    location / { proxy_pass http://web; proxy_set_header X-Tenant-Id \"\"; }\n  }\n}\n";
        let found = found(&[("gateway/nginx.conf", conf), ("orders/app.log", &missing(8, "X-Tenant-Id"))]);
        assert_eq!(found.iter().map(|f| f.subject.service.as_str()).collect::<Vec<_>>(), ["gateway"]);
    }

    #[test]
    fn clients_that_never_sent_it() {
        assert!(found(&[("orders/app.log", &missing(50, "X-Tenant-Id"))]).is_empty());
        assert!(found(&[("gateway/error.log", &errors(50)), ("orders/app.log", &missing(50, "X-Other"))]).is_empty(), "another header");
        assert!(found(&[("gateway/error.log", &errors(2)), ("orders/app.log", &missing(2, "X_Tenant_Id"))]).is_empty());
    }
}
