//! `classloader-leak`: classes that stay although the application they belong to is gone, or that are generated without end.
//!
//! Class histograms count the loaders of a class, GC logs and metrics show the metaspace, the container says what holds an
//! application. Kinds of evidence add up. What this file does not do: find the path that holds a loader; that takes a heap dump.

mod seen;

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "classloader-leak",
    thresholds: &[
        "copies",
        "loaders",
        "metaspace_growth",
        "classes_growth",
        "growth_share",
        "trend_z",
        "trend_tau",
        "plateau_slope",
        "futile_collections",
    ],
    detect,
};

/// One kind of evidence about one service.
struct Sign {
    service: Sym,
    kind: &'static str,
    input: Input,
    weight: f64,
    /// Whether it shows several loaders, not only many classes.
    loaders: bool,
    /// Whether it is enough by itself.
    decides: bool,
    says: String,
    measures: Vec<(&'static str, f64, &'static str)>,
    window: Window,
    evidence: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut signs: BTreeMap<Sym, Vec<Sign>> = BTreeMap::new();
    let all = [
        seen::copies(case, rule),
        seen::metaspace(case, rule),
        seen::metered(case, rule),
        seen::futile(case, rule),
        seen::held(case),
        seen::exhausted(case),
    ];
    for sign in all.into_iter().flatten() {
        signs.entry(sign.service).or_default().push(sign);
    }
    for (service, mut signs) in signs {
        let kinds: BTreeSet<&str> = signs.iter().map(|sign| sign.kind).collect();
        if !signs.iter().any(|sign| sign.decides) && kinds.len() < 2 {
            continue;
        }
        signs.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        out.push(finding(case.tables.names.get(service), rule, &signs));
    }
}

fn finding(service: &str, rule: &Rule, signs: &[Sign]) -> Finding {
    let mut window = Window::default();
    signs.iter().for_each(|sign| window.join(sign.window));
    let subject = Subject { service: service.to_owned(), operation: "metaspace".to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    if !signs.iter().any(|sign| sign.loaders) {
        "generated-classes".clone_into(&mut finding.kind);
    }
    let mut belief = Belief::new();
    for sign in signs {
        belief = belief.with(sign.kind, sign.input, sign.weight);
    }
    finding.confidence = belief.value();
    let ran_out = signs.iter().any(|sign| sign.kind == seen::EXHAUSTED);
    finding.severity = match (ran_out, signs.len()) {
        (true, _) => Severity::Critical,
        (_, 1) => Severity::Medium,
        _ => Severity::High,
    };
    let copies =
        signs.iter().flat_map(|sign| &sign.measures).find(|(name, ..)| *name == "copies").map_or(rule.limit("copies"), |(_, value, _)| *value);
    finding.score = score(copies, rule.limit("copies"), rule.upper("copies"));
    for (name, value, unit) in signs.iter().flat_map(|sign| &sign.measures) {
        if !finding.measures.iter().any(|measure| measure.name == *name) {
            finding.measure(name, *value, unit);
        }
    }
    let says: Vec<&str> = signs.iter().map(|sign| sign.says.as_str()).collect();
    let holder = signs.iter().find(|sign| sign.kind == seen::HELD).map_or("a heap dump would say which.", |sign| sign.says.as_str());
    finding
        .word("sign", says.first().copied().unwrap_or(""))
        .word("detail", says.get(1..).unwrap_or_default().iter().map(|text| format!("{text}.")).collect::<Vec<_>>().join(" "))
        .word("holder", holder)
        .look_alike("Classes that are loaded when first used", "excluded as far as a course is known: it does not level off")
        .look_alike("The old loader right after a redeployment", "excluded: more than one is kept")
        .cite(signs.iter().flat_map(|sign| sign.evidence.iter().copied().take(3)));
    if !signs.iter().any(|sign| sign.input == Input::ClassHistograms) {
        finding.missing.push("class histograms before and after a redeployment".to_owned());
    }
    finding
}

#[cfg(test)]
mod tests;
