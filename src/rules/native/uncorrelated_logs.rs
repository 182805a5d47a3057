//! `uncorrelated-logs`: a service whose records of requests name no trace, so that nothing can be joined with them.
//!
//! Only records that belong to requests count, and only services that take part in requests of others: what one service
//! does by itself needs no id to be understood. What this file does not do: follow broken traces; see `broken_trace_context`.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::joinable::Joinable;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector =
    Detector { id: "uncorrelated-logs", thresholds: &["records", "coverage_percent", "handed_on_percent", "on_request_percent", "errors"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let partners = partners(case);
    let nobody = BTreeSet::new();
    for (&service, joinable) in &case.tables.joinable {
        // What is lost on the way inside a service is missed there, too, whoever else takes part.
        let (linked, alone) = (partners.get(&service).unwrap_or(&nobody), !partners.contains_key(&service));
        let lost = !alone && joinable.records.all as f64 >= rule.limit("records") && joinable.records.percent() < rule.limit("coverage_percent");
        let handed_on = joinable.handed_on.all as f64 >= rule.limit("records")
            && joinable.handed_on.percent() < rule.limit("handed_on_percent")
            && joinable.records.percent() >= rule.limit("on_request_percent")
            && joinable.records.all > 0;
        if lost || handed_on {
            out.push(finding(case, rule, service, joinable, linked, lost));
        }
    }
}

/// Every service that takes part in requests of others, with those it is linked to.
fn partners(case: &Case) -> BTreeMap<Sym, BTreeSet<Sym>> {
    let services: BTreeSet<Sym> = case.tables.joinable.keys().copied().filter(|service| !service.is_none()).collect();
    let mut linked: BTreeMap<Sym, BTreeSet<Sym>> = BTreeMap::new();
    let mut link = |a: Sym, b: Sym| {
        if a != b && services.contains(&a) && services.contains(&b) {
            linked.entry(a).or_default().insert(b);
            linked.entry(b).or_default().insert(a);
        }
    };
    for (from, to, _) in case.context.graph.edges() {
        if from.system.is_none() && to.system.is_none() {
            link(from.name, to.name);
        }
    }
    for row in case.tables.requests.iter().filter(|row| !row.peer.is_none()) {
        let host = case.tables.names.get(row.peer);
        let name = host.split([':', '.']).next().unwrap_or(host);
        if let Some(peer) = case.tables.names.find(name) {
            link(row.service, peer);
        }
    }
    linked
}

fn finding(case: &Case, rule: &Rule, service: Sym, joinable: &Joinable, linked: &BTreeSet<Sym>, lost: bool) -> Finding {
    let names = &case.tables.names;
    let subject = Subject { service: names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, joinable.window);
    let tally = if lost { joinable.records } else { joinable.handed_on };
    if !lost {
        "async-loss".clone_into(&mut finding.kind);
    }
    let followed: Vec<&str> = linked.iter().filter(|other| followable(case, **other, rule)).map(|other| names.get(*other)).collect();
    let lost_errors = joinable.errors.all - joinable.errors.traced;
    let failing = lost_errors as f64 >= rule.limit("errors");
    // Where nobody has ids nothing is broken: nobody has asked for them yet. It matters once somebody has to look for errors.
    finding.severity = match (followed.is_empty(), failing, tally.percent() < rule.upper("coverage_percent")) {
        (false, true, true) => Severity::High,
        (false, ..) | (true, true, true) => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(tally.all as f64 - tally.traced as f64, rule.limit("records"), rule.upper("records"));
    let spans = case.context.graph.node(Party::service(service)).is_some();
    finding.confidence = Belief::new()
        .with("records of requests without an id", Input::Logs, 0.75)
        .with_if(!followed.is_empty(), "partners that have ids", Input::Logs, 0.5)
        .with_if(spans, "spans of the same requests", Input::Spans, 0.5)
        .value();
    finding
        .measure("records", tally.all as f64, "records")
        .measure("without_id", (tally.all - tally.traced) as f64, "records")
        .measure_against("coverage_percent", round(joinable.records.percent()), "percent", rule.limit("coverage_percent"))
        .measure("handed_on", joinable.handed_on.all as f64, "records")
        .measure("handed_on_percent", round(joinable.handed_on.percent()), "percent")
        .measure("errors", joinable.errors.all as f64, "errors")
        .measure("errors_without_id", lost_errors as f64, "errors");
    let listed: Vec<&str> = linked.iter().map(|other| names.get(*other)).collect();
    finding.services = listed.iter().map(|name| (*name).to_owned()).collect();
    finding
        .word("partners", if followed.is_empty() { "no other service".to_owned() } else { followed.join(", ") })
        .word(
            "link",
            if listed.is_empty() { "its own requests carry one".to_owned() } else { format!("it is called by or calls {}", listed.join(", ")) },
        )
        .look_alike("Records of no request", "excluded: start-up, schedulers, pools' upkeep and access logs are not counted")
        .look_alike("Traces that are not sampled", "excluded: the records name no id at all, sampled or not")
        .cite(joinable.without.iter().flatten().map(|(_, _, evidence)| *evidence));
    finding
}

/// Whether most records of a service's requests can be joined.
fn followable(case: &Case, service: Sym, rule: &Rule) -> bool {
    case.tables
        .joinable
        .get(&service)
        .is_some_and(|joinable| joinable.records.all > 0 && joinable.records.percent() >= rule.limit("coverage_percent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn line(n: u32, service: &str, thread: &str, id: &str, message: &str) -> String {
        let id = if id.is_empty() { " ".repeat(49) } else { format!("{id:0>32}-{id:0>16}") };
        format!("2026-01-01T10:{:02}:{:02}.000Z ERROR 1 --- [{service}] [{thread}] [{id}] c.a.Shop : {message} {n}\n", n / 60, n % 60)
    }

    fn lines(service: &str, thread: &str, with_id: bool) -> String {
        (0..300).map(|n| line(n, service, thread, if with_id { "4bf92f35" } else { "" }, "order not saved")).collect()
    }

    const GATEWAY: &str =
        "10.0.0.9 - - [01/Jan/2026:10:00:00 +0000] \"GET /api/orders/17 HTTP/1.1\" 502 167 \"-\" \"curl\" rt=1.002 us=\"502\" ua=\"billing:8080\"\n";

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("uncorrelated-logs"), &bundle(files), None)
    }

    /// What `orders` logs when it calls `billing`.
    fn calls() -> String {
        (0..20).map(|n| format!("{{\"time\":\"2026-01-01T10:00:{n:02}Z\",\"level\":\"info\",\"service\":\"orders\",\"msg\":\"called\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"method\":\"GET\",\"url\":\"http://billing:8080/b/{n}\",\"status\":200}}\n")).collect()
    }

    #[test]
    fn a_service_without_ids_among_others() {
        let (orders, billing, calls) = (lines("orders", "nio-8080-exec-1", true), lines("billing", "nio-8080-exec-1", false), calls());
        let found = found(&[("orders/app.log", &orders), ("orders/calls.json", &calls), ("billing/app.log", &billing)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].severity), ("billing", Severity::High));
        assert_eq!((measured(&found[0], "without_id"), measured(&found[0], "coverage_percent")), (300.0, 0.0));
    }

    #[test]
    fn ids_lost_on_the_way_to_a_pool() {
        let mut billing = lines("billing", "nio-8080-exec-1", true);
        billing.push_str(&lines("billing", "task-3", false));
        let (orders, calls) = (lines("orders", "nio-8080-exec-1", true), calls());
        let found = found(&[("orders/app.log", &orders), ("orders/calls.json", &calls), ("billing/app.log", &billing)]);
        assert_eq!(found.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["async-loss"], "{found:?}");
    }

    #[test]
    fn upkeep_and_lonely_services_are_silent() {
        let (orders, calls) = (lines("orders", "nio-8080-exec-1", true), calls());
        let upkeep = lines("billing", "scheduling-1", false);
        assert!(found(&[("orders/app.log", &orders), ("orders/calls.json", &calls), ("billing/app.log", &upkeep)]).is_empty());
        let lonely = lines("billing", "nio-8080-exec-1", false);
        assert!(found(&[("billing/app.log", &lonely)]).is_empty(), "nobody else takes part");
        assert!(found(&[("gateway/access.log", &GATEWAY.repeat(300)), ("billing/app.log", &lines("billing", "nio-8080-exec-1", true))]).is_empty());
    }
}
