//! `unhealthy-component-masked`: the body of a health check says that a component is down, and its status says that all is well.
//!
//! What this file does not do: checks that leave the component out altogether; see `shallow_health_check`.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "unhealthy-component-masked", thresholds: &["components"], detect };

/// A component that is not well in a body that is.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Whose body it is.
    pub service: Sym,
    /// Its name: `db`, `redis`.
    pub component: String,
    /// Its status.
    pub state: String,
    /// The status of the whole.
    pub overall: String,
    /// What it says went wrong.
    pub error: String,
    /// When, if that is known.
    pub window: Window,
    /// What says so.
    pub input: Input,
    /// Where.
    pub evidence: Evidence,
}

/// Every component that a body hides.
pub fn masked(case: &Case) -> Vec<Masked> {
    let names = &case.tables.names;
    let mut found = Vec::new();
    let bodies: Vec<_> = case.tables.events.iter().filter(|event| event.warning && names.get(event.kind) == "HealthComponent").collect();
    let only = if bodies.is_empty() { Sym::NONE } else { only(case) };
    for event in bodies {
        let message = names.get(event.message);
        let (overall, error) =
            message.strip_prefix("overall ").unwrap_or(message).split_once("; ").unwrap_or((message.strip_prefix("overall ").unwrap_or(""), ""));
        // Only these two are answered with 503.
        if matches!(overall, "" | "DOWN" | "OUT_OF_SERVICE") || names.get(event.object) == "health" {
            continue;
        }
        let mut window = Window::default();
        window.add(event.time);
        found.push(Masked {
            // A body in a file that names nobody was given the component's own name.
            service: if event.service == event.object { only } else { event.service },
            component: names.get(event.object).to_owned(),
            state: names.get(event.reason).to_owned(),
            overall: overall.to_owned(),
            error: error.to_owned(),
            window,
            input: Input::Events,
            evidence: event.evidence,
        });
    }
    if let Some(signal) = names.find("health.masked") {
        for row in case.tables.signals.iter().filter(|row| row.signal == signal) {
            let mut window = Window::default();
            window.add(row.time);
            let (component, state) = (names.get(row.name).to_owned(), names.get(row.key).to_owned());
            let masked = Masked {
                service: row.service,
                component,
                state,
                overall: "UP".to_owned(),
                error: String::new(),
                window,
                input: Input::Logs,
                evidence: row.evidence,
            };
            found.push(masked);
        }
    }
    found
}

/// The only service that served anything.
fn only(case: &Case) -> Sym {
    let loads = case.loads();
    let mut services = loads.keys().copied().filter(|service| !service.is_none());
    services.next().filter(|_| services.next().is_none()).unwrap_or(Sym::NONE)
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let mut by_service: BTreeMap<Sym, Vec<Masked>> = BTreeMap::new();
    for one in masked(scope.case) {
        by_service.entry(one.service).or_default().push(one);
    }
    for (service, all) in by_service {
        out.extend(finding(scope.case, rule, service, &all));
    }
}

fn finding(case: &Case, rule: &Rule, service: Sym, all: &[Masked]) -> Option<Finding> {
    let first = all.first()?;
    let components: BTreeSet<&str> = all.iter().map(|one| one.component.as_str()).collect();
    let mut window = Window::default();
    all.iter().for_each(|one| window.join(one.window));
    let named: Vec<Evidence> = failures_of(case, service, &components);
    let mut finding = Finding::new(&rule.id, Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() }, window);
    finding.severity = if named.is_empty() { Severity::Medium } else { Severity::High };
    finding.score = score(components.len() as f64, rule.limit("components"), rule.upper("components")).max(40.0);
    finding.confidence = Belief::new()
        .with("the body of the check", first.input, 0.9)
        .with_if(!named.is_empty(), "errors that name the component", Input::Logs, 0.4)
        .proven()
        .value();
    finding
        .measure_against("components_down", components.len() as f64, "components", rule.limit("components"))
        .measure("bodies", all.len() as f64, "bodies")
        .measure("errors", named.len() as f64, "records")
        .word("components", components.iter().copied().collect::<Vec<_>>().join(", "))
        .word("state", first.state.clone())
        .word("overall", first.overall.clone())
        .word("error", if first.error.is_empty() { String::new() } else { format!("It says: {}.", first.error.trim_end_matches('.')) })
        .word("users", if named.is_empty() { String::new() } else { format!("{} errors of the service name the component.", named.len()) })
        .look_alike("A status that is not known", "excluded: UNKNOWN is no trouble and does not count")
        .look_alike("Left out on purpose", "not excluded: the body does not say why");
    finding.cite(all.iter().map(|one| one.evidence));
    finding.cite(named);
    Some(finding)
}

/// Words by which errors call what a component stands for.
const KINDS: [(&str, &[&str]); 6] = [
    ("db", &["sql", "jdbc", "hikari", "database", "postgres", "mysql"]),
    ("redis", &["redis", "lettuce", "jedis"]),
    ("kafka", &["kafka"]),
    ("rabbit", &["amqp", "rabbit"]),
    ("mongo", &["mongo"]),
    ("elasticsearch", &["elastic"]),
];

/// Errors of a service whose exception speaks of one of the components.
fn failures_of(case: &Case, service: Sym, components: &BTreeSet<&str>) -> Vec<Evidence> {
    let names = &case.tables.names;
    let words: Vec<String> = components
        .iter()
        .flat_map(|component| {
            let lower = component.to_ascii_lowercase();
            let kind = KINDS
                .iter()
                .filter(|(kind, _)| lower.contains(kind))
                .flat_map(|(_, words)| words.iter().map(|word| (*word).to_owned()))
                .collect::<Vec<_>>();
            kind.into_iter().chain((lower.len() > 3).then_some(lower))
        })
        .collect();
    let speaks = |text: &str| words.iter().any(|word| text.to_ascii_lowercase().contains(word.as_str()));
    let logs = case.tables.logs.iter().filter(|log| log.service == service && log.level >= crate::model::record::Level::Error);
    logs.filter(|log| speaks(names.get(log.exception))).map(|log| log.evidence).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, rule};

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("unhealthy-component-masked"), &bundle(files), None)
    }

    #[test]
    fn honest_bodies_are_healthy() {
        for body in [
            "{\"status\":\"UP\",\"components\":{\"db\":{\"status\":\"UP\"},\"discovery\":{\"status\":\"UNKNOWN\"}}}",
            "{\"status\":\"DOWN\",\"components\":{\"db\":{\"status\":\"DOWN\"}}}",
            "{\"status\":\"UP\",\"groups\":[\"liveness\",\"readiness\"]}",
        ] {
            assert!(found(&[("orders/health.json", body)]).is_empty(), "{body}");
        }
    }

    #[test]
    fn up_with_a_database_that_is_down() {
        let body = "{\"status\":\"UP\",\"components\":{\"db\":{\"status\":\"DOWN\",\"details\":{\"error\":\"java.sql.SQLTransientConnectionException: timed out\"}},\"livenessState\":{\"status\":\"UP\"}}}";
        let found = found(&[("orders/health.json", body)]);
        assert_eq!((found.len(), found[0].severity, found[0].subject.service.as_str()), (1, Severity::Medium, "orders"));
        assert_eq!((found[0].words["components"].as_str(), found[0].words["overall"].as_str()), ("db", "UP"));
        let log = "{\"time\":\"2026-01-01T10:00:00Z\",\"level\":\"ERROR\",\"msg\":\"order failed\",\"stack_trace\":\"java.sql.SQLTransientConnectionException: timed out\\n\\tat a.B.c(B.java:1)\"}\n";
        assert_eq!(super::tests::found(&[("orders/health.json", body), ("orders/app.json", log)])[0].severity, Severity::High);
    }

    #[test]
    fn a_body_in_a_log() {
        let log = "{\"time\":\"2026-01-01T10:00:00Z\",\"level\":\"WARN\",\"msg\":\"health: {\\\"status\\\":\\\"UP\\\",\\\"components\\\":{\\\"db\\\":{\\\"status\\\":\\\"DOWN\\\"}}}\"}\n";
        assert_eq!(found(&[("orders/app.json", log)]).len(), 1);
    }
}
