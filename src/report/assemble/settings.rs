//! Entries of the configuration that findings have to do with: those a finding cites, and those of its services whose key
//! names what it is about.
//!
//! ```text
//! thread-pool-exhaustion at itinerary           server.tomcat.threads.max: 16
//! ineffective-circuit-breaker itinerary, fares  resilience4j.circuitbreaker.instances.fares.slidingwindowsize: 100
//! ```
//!
//! What this file does not do: say that a value is wrong; rules do that.

use crate::correlate::Case;
use crate::findings::{Diagnosis, Judged};
use crate::model::finding::Severity;
use crate::model::platform::Setting;
use crate::model::source::Evidence;
use crate::report::{self, picture};
use std::collections::BTreeMap;

/// At most this many are shown.
const MOST: usize = 40;

/// Words that the name of a rule and a key may have in common.
const TOPICS: &[&str] = &[
    "pool",
    "connection",
    "thread",
    "timeout",
    "retry",
    "breaker",
    "cache",
    "kafka",
    "heap",
    "memory",
    "health",
    "probe",
    "job",
    "header",
    "jwt",
    "transaction",
];

/// The entries, by the first finding they have to do with, then by service and key.
pub(super) fn involved<'c>(case: &'c Case, diagnosis: &Diagnosis) -> Vec<(&'c Setting, Vec<usize>)> {
    let mut found: Vec<(&Setting, Vec<usize>)> = Vec::new();
    for setting in &case.tables.settings {
        let concerned = diagnosis.findings.iter().enumerate().filter(|(_, judged)| judged.finding.severity >= Severity::Medium);
        let of: Vec<usize> = concerned.filter(|(_, judged)| concerns(case, judged, setting)).map(|(at, _)| at).collect();
        if !of.is_empty() {
            found.push((setting, of));
        }
    }
    let names = &case.tables.names;
    found.sort_by(|(a, of_a), (b, of_b)| {
        let key = |setting: &Setting| (names.get(setting.service), names.get(setting.key), names.get(setting.profile), setting.evidence);
        of_a.first().cmp(&of_b.first()).then_with(|| key(a).cmp(&key(b)))
    });
    found.truncate(MOST);
    found
}

fn concerns(case: &Case, judged: &Judged, setting: &Setting) -> bool {
    let finding = &judged.finding;
    if finding.evidence.contains(&setting.evidence) {
        return true;
    }
    let names = &case.tables.names;
    let service = names.get(setting.service);
    if !service.is_empty() && finding.subject.service != service && !finding.services.iter().any(|name| name == service) {
        return false;
    }
    let key = names.get(setting.key);
    let subject = &finding.subject;
    let about = [&subject.peer, &subject.operation, &subject.key].map(|name| plain(name));
    key.split('.').any(|segment| about.iter().any(|name| name.len() >= 3 && *name == plain(segment)))
        || TOPICS.iter().any(|topic| finding.rule.contains(topic) && key.contains(topic))
}

/// Letters and digits, lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The entries as the report shows them.
pub(super) fn settings(
    case: &Case,
    diagnosis: &Diagnosis,
    involved: &[(&Setting, Vec<usize>)],
    quotes: &BTreeMap<Evidence, report::Quote>,
) -> Vec<picture::Setting> {
    let names = &case.tables.names;
    let shown = |(setting, of): &(&Setting, Vec<usize>)| picture::Setting {
        service: names.get(setting.service).to_owned(),
        profile: names.get(setting.profile).to_owned(),
        key: names.get(setting.key).to_owned(),
        value: names.get(setting.value).to_owned(),
        place: quotes.get(&setting.evidence).map_or_else(String::new, |quote| format!("{}:{}", quote.file, quote.line)),
        findings: of.iter().filter_map(|&at| diagnosis.findings.get(at)).map(|judged| judged.id.clone()).collect(),
    };
    involved.iter().map(shown).collect()
}
