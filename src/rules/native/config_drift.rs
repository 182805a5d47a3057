//! `config-drift` and `environment-config-drift`: settings that differ between two environments, and what that explains.
//!
//! The first looks at what decides over the speed and failures of a service, the second at what stands in front of services:
//! limits, headers, tokens. A difference alone is a note; it is a fault only where the evidence shows what it would cause.
//! What this file does not do: hosts, names, credentials and log levels, which differ by design.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::drift::{Compared, Difference, compared};
use crate::rules::native::retry_storm::round;
use crate::rules::native::symptoms::{Least, Symptom, Symptoms};
use crate::rules::{Detector, Scope};

const THRESHOLDS: &[&str] = &["ratio", "symptoms", "slower", "slower_by", "explained"];

pub(crate) const CONFIG: Detector = Detector { id: "config-drift", thresholds: THRESHOLDS, detect: of_services };
pub(crate) const ENVIRONMENT: Detector = Detector { id: "environment-config-drift", thresholds: THRESHOLDS, detect: of_gateways };

/// How many differences a finding gives the numbers of.
const TOLD: usize = 8;

fn of_services(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    detect(scope, rule, false, out);
}

fn of_gateways(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    detect(scope, rule, true, out);
}

fn detect(scope: &Scope<'_>, rule: &Rule, gateway: bool, out: &mut Vec<Finding>) {
    let all = compared(scope, rule.limit("ratio"));
    if all.is_empty() {
        return;
    }
    let symptoms = Symptoms::of(scope, least(rule));
    for mut compared in all {
        compared.differences.retain(|difference| difference.meaning.topic.is_of_gateway() == gateway);
        if !compared.differences.is_empty() {
            out.extend(finding(scope, rule, &compared, &symptoms, gateway));
        }
    }
}

/// What counts as seen, by the rule's thresholds.
pub(super) fn least(rule: &Rule) -> Least {
    Least { count: rule.limit("symptoms"), ratio: rule.limit("slower"), delta: rule.limit("slower_by") }
}

fn finding(scope: &Scope<'_>, rule: &Rule, compared: &Compared, symptoms: &Symptoms<'_>, gateway: bool) -> Option<Finding> {
    let explains = |difference: &&Difference| {
        let seen = symptoms.explained(&compared.service, difference.meaning.topic);
        seen.filter(|_| difference.risky).map(|symptom| ((*difference).clone(), symptom))
    };
    let explained: Option<(Difference, Symptom)> = compared.differences.iter().find_map(|difference| explains(&difference));
    let first = explained.as_ref().map(|(difference, _)| difference).or(compared.differences.first())?;
    let window = explained.as_ref().map_or(scope.case.context.window, |(_, symptom)| symptom.window);
    let subject = Subject { service: compared.service.clone(), operation: first.key.clone(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, if window.start.is_none() { Window::default() } else { window });
    let risky = compared.differences.iter().filter(|difference| difference.risky).count();
    finding.severity = match (explained.is_some(), risky > 0) {
        (true, _) => Severity::Medium,
        (false, true) if !gateway => Severity::Low,
        _ => Severity::Info,
    };
    let seen = explained.as_ref().map_or(0, |(_, symptom)| symptom.count);
    finding.score = score(seen as f64, rule.limit("explained"), rule.upper("explained")).max(5.0 + risky.min(10) as f64);
    let belief = Belief::new().with("two environments with different values", Input::Configs, 0.6);
    finding.confidence = match &explained {
        Some((_, symptom)) => belief.with("what such a value causes", symptom.input, 0.5).value(),
        None => belief.value(),
    };
    let told: Vec<String> = compared.differences.iter().take(TOLD).map(|difference| compared.sentence(difference)).collect();
    finding
        .word("differences", format!("{}.", told.join("; ")))
        .word("other", &compared.other)
        .word("first", compared.sentence(first))
        .word(
            "explains",
            explained.as_ref().map_or(String::new(), |(_, symptom)| format!("In the evidence {} ({} times).", symptom.what, symptom.count)),
        )
        .measure("differences", compared.differences.len() as f64, "settings")
        .measure("risky_differences", risky as f64, "settings")
        .measure("harmless_differences", compared.harmless as f64, "settings")
        .measure_against("seen", seen as f64, "records", rule.limit("symptoms"));
    let ordered = std::iter::once(first).chain(compared.differences.iter().filter(|difference| difference.key != first.key));
    for difference in ordered.clone().take(TOLD) {
        let name = difference.key.rsplit('.').next().unwrap_or(&difference.key).replace(['[', ']', '/', '-', ' '], "_");
        let unit = difference.meaning.unit.name();
        if let (Some(here), Some(there)) = (difference.here.amount, difference.there.amount) {
            finding.measure(&name, round(here), unit).measure(&format!("other_{name}"), round(there), unit);
        }
    }
    finding.look_alike("Hosts, names, credentials and log levels", "excluded: they differ by design and are only counted").look_alike(
        "An environment that is smaller on purpose",
        if explained.is_some() { "excluded: what the value causes is seen" } else { "not excluded: nothing in the evidence shows harm" },
    );
    finding.cite(ordered.filter_map(|difference| difference.here.evidence).take(4));
    finding.cite(explained.iter().flat_map(|(_, symptom)| symptom.evidence.iter().copied()));
    // A value that only the other environment sets cannot be quoted from this bundle.
    (!finding.evidence.is_empty()).then_some(finding)
}

#[cfg(test)]
mod tests {
    use crate::correlate::Case;
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn yaml(pool: u32, host: &str, profile: &str) -> String {
        format!(
            "spring:\n  application.name: orders\n  datasource:\n    url: jdbc:postgresql://{host}/shop\n    password: {profile}secret\n    hikari.maximum-pool-size: {pool}\nlogging.level.root: {profile}\n"
        )
    }

    fn found(here: &Case, there: Option<&Case>) -> Vec<Finding> {
        check(&rule("config-drift"), here, there)
    }

    fn waits(count: u32) -> String {
        let line = |n: u32| {
            format!(
                "2026-01-01T10:00:{:02}.100Z ERROR 1 --- [orders] [exec-1] o.h.SqlExceptionHelper : HikariPool-1 - Connection is not available, request timed out after 30000ms\n",
                n % 60
            )
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn a_smaller_pool_that_requests_wait_for() {
        let here = bundle(&[("prod/application-prod.yml", &yaml(5, "db1", "prod")), ("prod/orders.log", &waits(20))]);
        let there = bundle(&[("staging/application-staging.yml", &yaml(50, "db2", "staging"))]);
        let found = found(&here, Some(&there));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].severity), ("orders", Severity::Medium));
        assert_eq!((measured(&found[0], "maximumpoolsize"), measured(&found[0], "other_maximumpoolsize")), (5.0, 50.0));
        assert!(!format!("{found:?}").contains("secret\""));
    }

    #[test]
    fn one_bundle_and_an_environment_variable() {
        let case = bundle(&[
            ("config/application-staging.yml", &yaml(50, "db2", "staging")),
            ("config/application-prod.yml", &yaml(50, "db1", "prod")),
            ("config/prod.env", "SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE=5\nDB_PASSWORD=x\n"),
        ]);
        let found = found(&case, None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::Low, "nothing shows harm");
        assert_eq!(measured(&found[0], "maximumpoolsize"), 5.0);
    }

    #[test]
    fn what_differs_by_design_is_silent() {
        let here = bundle(&[("application-prod.yml", &yaml(20, "db1", "prod")), ("orders.log", &waits(20))]);
        let there = bundle(&[("application-staging.yml", &yaml(20, "db2", "staging"))]);
        assert!(found(&here, Some(&there)).is_empty());
        let larger = bundle(&[("application-prod.yml", &yaml(50, "db1", "prod")), ("orders.log", &waits(20))]);
        let found = found(&larger, Some(&there));
        assert!(found.iter().all(|finding| finding.severity < Severity::Medium), "a larger pool does not explain waits: {found:?}");
    }

    #[test]
    fn limits_of_a_gateway_are_another_rule() {
        let conf = |size: &str| {
            format!("events {{ worker_connections 64; }}\nhttp {{\n  server {{\n    listen 80;\n    client_max_body_size {size};\n  }}\n}}\n")
        };
        let rejected: String = (0..20)
            .map(|n| {
                format!(
                    "10.0.0.{n} - - [01/Jan/2026:10:00:{n:02} +0000] \"POST /upload HTTP/1.1\" 413 167 \"-\" \"curl\" rt=0.002 us=\"-\" ua=\"-\"\n"
                )
            })
            .collect();
        let here = bundle(&[("gateway/nginx.conf", &conf("1m")), ("gateway/access.log", &rejected)]);
        let there = bundle(&[("gateway/nginx.conf", &conf("20m"))]);
        assert!(found(&here, Some(&there)).is_empty());
        let found = check(&rule("environment-config-drift"), &here, Some(&there));
        assert_eq!(found.iter().map(|f| (f.subject.service.as_str(), f.severity)).collect::<Vec<_>>(), [("gateway", Severity::Medium)]);
        let calm = bundle(&[("gateway/nginx.conf", &conf("1m"))]);
        let found = check(&rule("environment-config-drift"), &calm, Some(&there));
        assert!(found.iter().all(|finding| finding.severity == Severity::Info), "{found:?}");
    }
}
