//! Settings that differ between two environments, and what one environment alone sets: the material of several rules.
//!
//! What is compared is what would be in force: entries for all, over them those of the environment, over these variables of
//! the process. Environments are production and the baseline, or the two nearest to production that one bundle has settings
//! of. What this file does not do: say whether a difference matters; see `symptoms`.

use crate::bundle::environment;
use crate::correlate::Case;
use crate::formats::config::amount::{Unit, amount, without_placeholder};
use crate::formats::config::meaning::{Meaning, Risk, Topic, meaning, squashed};
use crate::model::names::Sym;
use crate::model::platform::Setting;
use crate::model::source::Evidence;
use crate::rules::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// A value of one side.
#[derive(Clone, Debug)]
pub struct Told {
    /// As written, or the default.
    pub value: String,
    /// As a number in the key's unit.
    pub amount: Option<f64>,
    /// Where it stands, if it is set in the bundle itself.
    pub evidence: Option<Evidence>,
}

/// A setting with influence that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Canonical key.
    pub key: String,
    /// What it means.
    pub meaning: Meaning,
    /// In production.
    pub here: Told,
    /// In the other environment.
    pub there: Told,
    /// Whether production has the riskier value.
    pub risky: bool,
}

/// Two environments of one service.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The service's name; empty if nothing names it.
    pub service: String,
    /// Name of the other environment.
    pub other: String,
    /// What differs and has influence, the riskiest first.
    pub differences: Vec<Difference>,
    /// How many other keys differ: hosts, names, levels.
    pub harmless: u64,
}

/// Effective settings, by key without dots.
type Effective<'a> = BTreeMap<String, &'a Setting>;

/// Every service with settings of two environments. `ratio` is how many times larger a number must be to count.
pub fn compared(scope: &Scope<'_>, ratio: f64) -> Vec<Compared> {
    let case = scope.case;
    let mut all = Vec::new();
    let there_all = scope.baseline.map(|baseline| (baseline, by_service(baseline)));
    for (service, rows) in by_service(case) {
        let in_baseline = there_all.as_ref().and_then(|(baseline, services)| services.get(&service).map(|rows| (*baseline, rows)));
        let environments = environments(case, &rows);
        let mut named = environments.iter().copied();
        let (first, second) = (named.next(), named.next());
        let (other, there_case, there) = match (in_baseline, second) {
            (Some((baseline, rows)), _) => {
                let other = self::environments(baseline, rows).iter().copied().find(|name| Some(*name) != first);
                (other.unwrap_or("baseline"), baseline, effective(baseline, rows, other))
            }
            (None, Some(second)) => (second, case, effective(case, &rows, Some(second))),
            (None, None) => continue,
        };
        let here = effective(case, &rows, first);
        let mut found = Compared { service, other: other.to_owned(), differences: Vec::new(), harmless: 0 };
        compare((case, &here), (there_case, &there), ratio, &mut found);
        if !found.differences.is_empty() {
            all.push(found);
        }
    }
    all
}

/// The difference of a topic that is the riskiest, as a sentence; for rules that a difference would explain.
pub fn of_topic(scope: &Scope<'_>, topic: Topic, ratio: f64) -> Option<(String, Evidence)> {
    compared(scope, ratio).iter().find_map(|compared| {
        let difference = compared.differences.iter().find(|difference| difference.meaning.topic == topic && difference.risky)?;
        Some((compared.sentence(difference), difference.here.evidence?))
    })
}

impl Compared {
    /// `hikari.maximumpoolsize is 5 here and 50 in staging`
    #[must_use]
    pub fn sentence(&self, difference: &Difference) -> String {
        format!("{} is {} here and {} in {}", difference.key, difference.here.value, difference.there.value, self.other)
    }
}

/// The settings of every service by its name. Entries that name none belong to the only service whose files lie beside them.
fn by_service(case: &Case) -> BTreeMap<String, Vec<&Setting>> {
    let names = &case.tables.names;
    let folder = |row: &Setting| {
        let path = case.tables.files.get(row.evidence.file.0 as usize).map_or("", |file| file.path.as_str());
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    };
    let mut of_folder: BTreeMap<&str, BTreeSet<Sym>> = BTreeMap::new();
    for row in case.tables.settings.iter().filter(|row| !row.service.is_none()) {
        of_folder.entry(folder(row)).or_default().insert(row.service);
    }
    let mut all: BTreeMap<String, Vec<&Setting>> = BTreeMap::new();
    for row in &case.tables.settings {
        let beside = || of_folder.get(folder(row)).filter(|services| services.len() == 1).and_then(|services| services.first().copied());
        let service = if row.service.is_none() { beside().unwrap_or(Sym::NONE) } else { row.service };
        all.entry(names.get(service).to_owned()).or_default().push(row);
    }
    all
}

/// The environments that settings are for, the likest to production first.
fn environments(case: &Case, rows: &[&Setting]) -> Vec<&'static str> {
    let found: BTreeSet<&str> = rows.iter().map(|row| environment_of(case, row)).filter(|name| !name.is_empty()).collect();
    let mut found: Vec<&str> = found.into_iter().collect();
    found.sort_by_key(|name| environment::distance(name));
    found
}

fn environment_of(case: &Case, row: &Setting) -> &'static str {
    let profiles = case.tables.names.get(row.profile);
    profiles.split([',', ' ', '&', '|']).map(environment::of_word).find(|name| !name.is_empty()).unwrap_or("")
}

/// What is in force in an environment; the later rows go over the earlier.
fn effective<'a>(case: &'a Case, rows: &[&'a Setting], environment: Option<&str>) -> Effective<'a> {
    let rank = |row: &Setting| {
        let format = case.tables.files.get(row.evidence.file.0 as usize).map_or("", |file| file.format.as_str());
        let of_process =
            u8::from(format == "config/variables") + 2 * u8::from(format == "config/jvm-flags") + 3 * u8::from(format.starts_with("config/actuator"));
        (!environment_of(case, row).is_empty(), !row.profile.is_none(), of_process, row.evidence)
    };
    let mut kept: Vec<&Setting> = rows
        .iter()
        .copied()
        .filter(|row| environment.is_none_or(|wanted| matches!(environment_of(case, row), name if name.is_empty() || name == wanted)))
        .collect();
    kept.sort_by_key(|row| rank(row));
    kept.into_iter().map(|row| (squashed(case.tables.names.get(row.key)), row)).collect()
}

fn compare(here: (&Case, &Effective<'_>), there: (&Case, &Effective<'_>), ratio: f64, found: &mut Compared) {
    let keys: BTreeSet<&String> = here.1.keys().chain(there.1.keys()).collect();
    for key in keys {
        let rows = (here.1.get(key).copied(), there.1.get(key).copied());
        let text = |case: &Case, row: Option<&Setting>| row.map(|row| case.tables.names.get(row.value).to_owned());
        let values = (text(here.0, rows.0), text(there.0, rows.1));
        let written =
            rows.0.map(|row| here.0.tables.names.get(row.key)).or_else(|| rows.1.map(|row| there.0.tables.names.get(row.key))).unwrap_or(key);
        let Some(meaning) = meaning(written) else {
            found.harmless += u64::from(values.0.is_some() && values.1.is_some() && values.0 != values.1);
            continue;
        };
        let told = |value: Option<String>, row: Option<&Setting>| {
            let value = value.or_else(|| Some(meaning.default.to_owned()).filter(|default| !default.is_empty()))?;
            Some(Told { amount: amount(&value, meaning.unit), value, evidence: row.map(|row| row.evidence) })
        };
        let (Some(mine), Some(theirs)) = (told(values.0, rows.0), told(values.1, rows.1)) else { continue };
        if !differs(&meaning, &mine, &theirs, ratio) {
            continue;
        }
        let risky = is_risky(&meaning, &mine, &theirs);
        found.differences.push(Difference { key: written.to_owned(), meaning, here: mine, there: theirs, risky });
    }
    found.differences.sort_by(|a, b| b.risky.cmp(&a.risky).then(a.meaning.topic.cmp(&b.meaning.topic)).then(a.key.cmp(&b.key)));
}

fn differs(meaning: &Meaning, here: &Told, there: &Told, ratio: f64) -> bool {
    match (here.amount, there.amount) {
        (Some(a), Some(b)) if a == b => false,
        (Some(a), Some(b)) => meaning.unit == Unit::Switch || a <= 0.0 || b <= 0.0 || a >= ratio * b || b >= ratio * a,
        _ => {
            let unknown = |value: &str| value.contains("${") || value.contains("***");
            let (a, b) = (path_of(&here.value), path_of(&there.value));
            a != b && !unknown(a) && !unknown(b)
        }
    }
}

/// A word without placeholder, and an address without scheme and host: each environment has its own.
fn path_of(value: &str) -> &str {
    let value = without_placeholder(value.trim()).trim_matches(['"', '\'']);
    match value.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => value,
    }
}

fn is_risky(meaning: &Meaning, here: &Told, there: &Told) -> bool {
    match (meaning.risk, here.amount, there.amount) {
        // Zero stands for "without limit" or "off" more often than for none.
        (Risk::Less, Some(a), Some(b)) if meaning.unit != Unit::Switch => a < b && a > 0.0 || b <= 0.0,
        (Risk::Less, Some(a), Some(b)) => a < b,
        (Risk::More, Some(a), Some(b)) => a > b,
        _ => true,
    }
}
