//! `risky-config`: settings that are risky by themselves, whatever other environments have.
//!
//! What this file does not do: values that are left at their default, which the files do not show.

use crate::formats::config::amount::amount;
use crate::formats::config::meaning::{Topic, meaning};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::platform::Setting;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::config_drift::least;
use crate::rules::native::retry_storm::round;
use crate::rules::native::symptoms::Symptoms;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector {
    id: "risky-config",
    thresholds: &["call_timeout", "attempts", "slow_call", "leak_detection", "pool_wait", "symptoms", "slower", "slower_by", "explained"],
    detect,
};

/// A risky setting and why.
struct Risky<'a> {
    row: &'a Setting,
    topic: Topic,
    value: f64,
    unit: &'static str,
    why: &'static str,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut by_service: BTreeMap<Sym, Vec<Risky<'_>>> = BTreeMap::new();
    for row in &case.tables.settings {
        if let Some(risky) = judge(rule, row, case.tables.names.get(row.key), case.tables.names.get(row.value)) {
            by_service.entry(row.service).or_default().push(risky);
        }
    }
    if by_service.is_empty() {
        return;
    }
    let symptoms = Symptoms::of(scope, least(rule));
    for (service, mut all) in by_service {
        let name = case.tables.names.get(service);
        let seen = |risky: &Risky<'_>| symptoms.explained(name, risky.topic).map_or(0, |symptom| symptom.count);
        all.sort_by_key(|risky| (std::cmp::Reverse(seen(risky)), risky.row.evidence));
        out.extend(finding(scope, rule, service, &all, &symptoms));
    }
}

fn judge<'a>(rule: &Rule, row: &'a Setting, key: &str, value: &str) -> Option<Risky<'a>> {
    let known = meaning(key)?;
    let value = amount(value, known.unit)?;
    let (is_pool_wait, is_leak) = (key.ends_with("hikari.connectiontimeout"), key.ends_with("leakdetectionthreshold"));
    let why = match known.topic {
        Topic::Timeout if value <= 0.0 => "a call without a time limit holds its thread for as long as the other side likes",
        Topic::Timeout if value >= rule.limit("call_timeout") => {
            "a call that may take this long holds threads and connections when the other side is slow"
        }
        Topic::Retry if key.ends_with("attempts") && value >= rule.limit("attempts") => {
            "that many attempts multiply the load on what is already failing"
        }
        Topic::Breaker if key.ends_with("slowcalldurationthreshold") && value >= rule.limit("slow_call") => {
            "a breaker that calls nothing slow does not react to slowness"
        }
        Topic::Pool if is_leak && value > 0.0 && value < rule.limit("leak_detection") => "the pool ignores a threshold this small",
        Topic::Pool if is_pool_wait && value > rule.limit("pool_wait") => "a request waits longer for a connection than its caller waits for it",
        _ => return None,
    };
    Some(Risky { row, topic: known.topic, value, unit: known.unit.name(), why })
}

fn finding(scope: &Scope<'_>, rule: &Rule, service: Sym, all: &[Risky<'_>], symptoms: &Symptoms<'_>) -> Option<Finding> {
    let names = &scope.case.tables.names;
    let worst = all.first()?;
    let symptom = symptoms.explained(names.get(service), worst.topic);
    let subject = Subject { service: names.get(service).to_owned(), operation: names.get(worst.row.key).to_owned(), ..Subject::default() };
    let window = symptom.as_ref().map_or(scope.case.context.window, |symptom| symptom.window);
    let mut finding = Finding::new(&rule.id, subject, if window.start.is_none() { Window::default() } else { window });
    // Another rule tells the fault itself; a value that made it worse stays a risk.
    finding.severity = Severity::Low;
    let seen = symptom.as_ref().map_or(0, |symptom| symptom.count);
    finding.score = score(seen as f64, rule.limit("explained"), rule.upper("explained")).max(5.0 + all.len().min(10) as f64);
    let belief = Belief::new().with("a value in a file", Input::Configs, 0.6);
    finding.confidence = match &symptom {
        Some(symptom) => belief.with("what such a value causes", symptom.input, 0.4).value(),
        None => belief.value(),
    };
    let told: Vec<String> =
        all.iter().take(5).map(|risky| format!("{} is {}: {}", names.get(risky.row.key), names.get(risky.row.value), risky.why)).collect();
    finding
        .measure("settings", all.len() as f64, "settings")
        .measure("value", round(worst.value), worst.unit)
        .measure_against("seen", seen as f64, "records", rule.limit("symptoms"))
        .word("told", format!("{}.", told.join("; ")))
        .word("explains", symptom.as_ref().map_or(String::new(), |symptom| format!("In the evidence {} ({} times).", symptom.what, symptom.count)))
        .look_alike("A long timeout for a job that needs it", "not excluded: what calls with it is not known")
        .look_alike("A value that is overridden elsewhere", "not excluded: only the files of the bundle are seen");
    finding.cite(all.iter().map(|risky| risky.row.evidence));
    finding.cite(symptom.iter().flat_map(|symptom| symptom.evidence.iter().copied()));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Severity;
    use crate::rules::fixture::{bundle, check, measured, rule};

    #[test]
    fn values_that_are_risky_by_themselves() {
        let text = "spring.application.name=orders\npayments.read-timeout=120s\nresilience4j.retry.instances.payments.max-attempts=8\n";
        let found = check(&rule("risky-config"), &bundle(&[("application.properties", text)]), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].severity, measured(&found[0], "settings")), ("orders", Severity::Low, 2.0));
    }

    #[test]
    fn usual_values_are_silent() {
        let text = "spring.application.name=orders\npayments.read-timeout=2s\nresilience4j.retry.instances.payments.max-attempts=3\nspring.datasource.hikari.connection-timeout=30000\nspring.datasource.hikari.leak-detection-threshold=0\n";
        assert!(check(&rule("risky-config"), &bundle(&[("application.properties", text)]), None).is_empty());
    }
}
