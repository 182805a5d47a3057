//! Log templates: how often each was said, and against what: the baseline, or the part of the bundle outside of the incident.

use crate::correlate::Case;
use crate::findings::Diagnosis;
use crate::model::finding::Severity;
use crate::model::ids::TemplateId;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::tables::TemplateStats;
use crate::model::time::Window;
use crate::report::picture::{Calm, Template};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// At most this many are shown.
const TEMPLATES: usize = 100;
/// The incident and the rest of the bundle must each cover this share of it, in percent, to be compared.
const LEAST_SHARE: i64 = 15;
/// Percent of a template's records that must be at hand as rows to say when they were said.
const LEAST_KEPT: u64 = 90;

#[derive(Default)]
struct Seen {
    text: Sym,
    level: Level,
    count: u64,
    window: Window,
    services: BTreeSet<Sym>,
}

impl Seen {
    fn add(&mut self, service: Sym, stats: &TemplateStats) {
        self.text = stats.text;
        self.level = self.level.max(stats.level);
        self.count += stats.count;
        self.window.join(stats.window);
        self.services.insert(service);
    }
}

/// The loudest templates, then the most frequent.
pub(super) fn templates(case: &Case, baseline: Option<&Case>, diagnosis: &Diagnosis) -> Vec<Template> {
    let mut seen: BTreeMap<TemplateId, Seen> = BTreeMap::new();
    for (&(template, service), stats) in &case.tables.templates {
        seen.entry(template).or_default().add(service, stats);
    }
    let names = &case.tables.names;
    let mut all: Vec<(TemplateId, Seen)> = seen.into_iter().collect();
    all.sort_by(|(_, a), (_, b)| b.level.cmp(&a.level).then(b.count.cmp(&a.count)).then_with(|| names.get(a.text).cmp(names.get(b.text))));
    all.truncate(TEMPLATES);
    let usual = baseline.map(|baseline| usual(case, baseline));
    let calm = if baseline.is_some() { BTreeMap::new() } else { against_calm(case, diagnosis, &all) };
    all.into_iter()
        .map(|(template, seen)| Template {
            text: names.get(seen.text).to_owned(),
            level: seen.level.name().to_owned(),
            count: seen.count,
            services: seen.services.iter().map(|&service| names.get(service).to_owned()).filter(|name| !name.is_empty()).collect(),
            window: super::window(seen.window),
            baseline: usual.as_ref().map(|usual| usual.get(&template).copied().unwrap_or(0.0)),
            calm: calm.get(&template).copied(),
        })
        .collect()
}

/// How often each template is said in the baseline, scaled to our length.
fn usual(case: &Case, baseline: &Case) -> BTreeMap<TemplateId, f64> {
    let scale = case.context.window.nanos() as f64 / (baseline.context.window.nanos() as f64).max(1.0);
    // The same templates may have become one here and not there: each goes where one of its members has gone here.
    let ours = &case.tables.clusters;
    let moved: BTreeMap<_, _> = baseline
        .tables
        .clusters
        .members()
        .map(|(member, theirs)| (theirs, ours.of(member), member))
        .filter(|(theirs, home, member)| home != member || theirs == home)
        .map(|(theirs, home, _)| (theirs, home))
        .collect();
    let home = |template: TemplateId| moved.get(&template).copied().unwrap_or_else(|| ours.of(template));
    let mut counts: BTreeMap<TemplateId, u64> = BTreeMap::new();
    for (&(template, _), stats) in &baseline.tables.templates {
        *counts.entry(home(template)).or_default() += stats.count;
    }
    counts.into_iter().map(|(template, count)| (template, (count as f64 * scale * 10.0).round() / 10.0)).collect()
}

/// How often each is said in the time of the incident and outside of it. Only of those whose records are rows: of the others
/// it is not known when they were said.
fn against_calm(case: &Case, diagnosis: &Diagnosis, shown: &[(TemplateId, Seen)]) -> BTreeMap<TemplateId, Calm> {
    let Some(incident) = incident(diagnosis) else { return BTreeMap::new() };
    let all = case.context.window;
    let (during, outside) = (incident.nanos(), all.nanos() - incident.nanos());
    if [during, outside].iter().any(|part| part.saturating_mul(100) < all.nanos().saturating_mul(LEAST_SHARE)) {
        return BTreeMap::new();
    }
    let mut home: HashMap<TemplateId, usize> = shown.iter().enumerate().map(|(at, (template, _))| (*template, at)).collect();
    for (member, cluster) in case.tables.clusters.members() {
        if let Some(&at) = home.get(&cluster) {
            home.insert(member, at);
        }
    }
    let mut counts = vec![(0_u64, 0_u64); shown.len()];
    for log in &case.tables.logs {
        if let Some(count) = home.get(&log.template).and_then(|&at| counts.get_mut(at)) {
            if incident.holds(log.time) { count.0 += 1 } else { count.1 += 1 }
        }
    }
    let share = during as f64 / (outside as f64).max(1.0);
    let known = |((template, seen), (inside, rest)): (&(TemplateId, Seen), (u64, u64))| {
        let kept = (inside + rest).saturating_mul(100) >= seen.count.saturating_mul(LEAST_KEPT);
        kept.then(|| (*template, Calm { during: inside, usual: (rest as f64 * share * 10.0).round() / 10.0 }))
    };
    shown.iter().zip(counts).filter_map(known).collect()
}

/// From the first to the last sign of the root cause and of the faults that it explains.
fn incident(diagnosis: &Diagnosis) -> Option<Window> {
    let root = diagnosis.root()?;
    let mut window = root.finding.window;
    for effect in root.explains.iter().filter_map(|&at| diagnosis.findings.get(at)).filter(|it| it.finding.severity >= Severity::Medium) {
        window.join(effect.finding.window);
    }
    window.start.is_some().then_some(window)
}
