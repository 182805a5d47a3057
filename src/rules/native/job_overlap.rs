//! `job-overlap`: a job that begins again on the same instance before its last run has ended.
//!
//! What this file does not do: runs on several instances; see `duplicate_job_execution`.

use crate::correlate::runs::{self, Run};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "job-overlap", thresholds: &["overlaps", "overlap"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &scope.case.tables.names;
    let least = (rule.limit("overlap") * SECOND as f64) as i64;
    for job in runs::jobs(scope.case) {
        let mut open: BTreeMap<Sym, (&Run, Time)> = BTreeMap::new();
        let mut pairs: Vec<(&Run, &Run)> = Vec::new();
        let (mut window, mut longest) = (Window::default(), 0);
        let divided = job.runs.iter().any(|run| !run.parameter.is_none());
        for run in job.runs.iter().filter(|_| !divided) {
            let Some(end) = run.end else { continue };
            longest = longest.max(end.since(run.start));
            if let Some((before, until)) = open.get(&run.instance)
                && until.since(run.start) >= least
            {
                pairs.push((before, run));
                window.add(run.start);
                window.add(*until);
            }
            if open.get(&run.instance).is_none_or(|(_, until)| end > *until) {
                open.insert(run.instance, (run, end));
            }
        }
        if (pairs.len() as f64) < rule.limit("overlaps") {
            continue;
        }
        let subject = Subject { service: names.get(job.service).to_owned(), operation: names.get(job.name).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        finding.severity = if pairs.len() as f64 >= rule.upper("overlaps") { Severity::Medium } else { Severity::Low };
        finding.score = score(pairs.len() as f64, rule.limit("overlaps"), rule.upper("overlaps"));
        finding.confidence = Belief::new().with("begin and end of overlapping runs", Input::Logs, 0.75).value();
        let seconds = |nanos: i64| (nanos as f64 / 1e8).round() / 10.0;
        finding
            .measure_against("overlaps", pairs.len() as f64, "runs", rule.limit("overlaps"))
            .measure("longest_s", seconds(longest), "s")
            .measure("period_s", seconds(job.period().unwrap_or(0)), "s")
            .measure("runs", job.runs.len() as f64, "runs")
            .word("job", names.get(job.name))
            .look_alike("Runs that are meant to be parallel", "excluded: no parameter tells the runs apart")
            .cite(pairs.iter().flat_map(|(before, run)| [before.evidence, run.evidence]));
        out.push(finding);
    }
}
