//! `orphaned-work`: a callee that goes on working for callers who have given up.
//!
//! The span of the called side ends after that of the call, which had timed out or was cut off. What this file does not do:
//! find the calls; that is `correlate/chain.rs`.

use crate::correlate::calls::Party;
use crate::correlate::chain::Retried;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "orphaned-work", thresholds: &["calls", "calls_percent", "timed_out_percent", "late"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let mut pairs: BTreeMap<(Sym, Party), Retried> = BTreeMap::new();
    for (key, attempts) in scope.case.context.chains.edges.iter().filter(|(_, attempts)| attempts.orphaned > 0) {
        let pair = pairs.entry((key.from, key.to)).or_default();
        pair.operations.push(key.operation);
        pair.attempts.merge(attempts.clone());
    }
    for ((from, to), pair) in &pairs {
        let mean = pair.attempts.orphaned_nanos as f64 / 1e6 / pair.attempts.orphaned as f64;
        if pair.attempts.orphaned as f64 >= rule.limit("calls") && mean >= rule.limit("late") {
            out.push(finding(scope, rule, *from, *to, pair, mean));
        }
    }
}

fn finding(scope: &Scope<'_>, rule: &Rule, from: Sym, to: Party, pair: &Retried, mean: f64) -> Finding {
    let names = &scope.case.tables.names;
    let attempts = &pair.attempts;
    let mut window = Window::default();
    attempts.orphans.iter().for_each(|(time, ..)| window.add(*time));
    let operation = match pair.operations.as_slice() {
        [only] => names.get(*only).to_owned(),
        _ => String::new(),
    };
    let subject = Subject { service: names.get(from).to_owned(), peer: to.text(names), operation, ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let total = attempts.total().attempts.max(attempts.orphaned) as f64;
    let percent = 100.0 * attempts.orphaned as f64 / total;
    let often = attempts.orphaned as f64 >= rule.upper("calls") && percent >= rule.limit("calls_percent");
    // Users who close a page cut calls off at any time; a caller's timeout is what can be mended.
    let timed_out = 100.0 * attempts.timed_out.count() as f64 >= rule.limit("timed_out_percent") * attempts.orphaned as f64;
    finding.severity = if often && timed_out { Severity::Medium } else { Severity::Low };
    finding.score = score(attempts.orphaned as f64, rule.limit("calls"), rule.upper("calls"));
    finding.confidence = Belief::new().with("spans that outlive the call they answer", Input::Spans, 0.85).value();
    finding
        .measure_against("orphaned_calls", attempts.orphaned as f64, "calls", rule.limit("calls"))
        .measure("orphaned_s", round(attempts.orphaned_nanos as f64 / 1e9), "s")
        .measure("mean_ms", round(mean), "ms")
        .measure("calls", total, "calls")
        .measure("orphaned_percent", round(percent), "percent of calls");
    let limit = match attempts.timeout() {
        Some((nanos, calls)) => {
            finding.measure("timeout", round(nanos as f64 / 1e6), "ms").measure("timed_out_calls", calls as f64, "calls");
            format!("{calls} calls were given up after {}, which looks like the caller's timeout.", crate::rules::say::quantity(nanos as f64, "ns"))
        }
        None => "After how long callers give up does not follow from so few calls.".to_owned(),
    };
    finding
        .word("limit", limit)
        .look_alike("Clocks that differ", "excluded: clocks were aligned before spans were compared")
        .look_alike("Work that goes on in the background on purpose", "not excluded: the span of the request itself lasts longer than the call");
    finding.traces = attempts.orphans.iter().map(|(_, trace, _)| *trace).take(8).collect();
    finding.traces.dedup();
    finding.cite(attempts.orphans.iter().map(|(.., evidence)| *evidence).collect::<Vec<_>>());
    finding.evidence_total = finding.evidence_total.max(attempts.orphaned);
    finding
}

#[cfg(test)]
mod tests {
    use crate::correlate::fixture::{case, many};
    use crate::model::finding::Severity;
    use crate::rules::fixture::{check, measured, rule, rule_with};

    const ONE: &str = "
t1
  shop POST /pay 0-3950
    > payments POST /charges 0-3000 !java.net.SocketTimeoutException
      payments POST /charges 20-3600 201
    > payments POST /charges 3500-3900 201
      payments POST /charges 3520-3880 201
";

    #[test]
    fn the_callee_goes_on() {
        let found = check(&rule_with("orphaned-work", &[("calls", 1.0)]), &case(ONE), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((measured(&found[0], "orphaned_calls"), measured(&found[0], "orphaned_s")), (1.0, 0.6));
        assert!(found[0].words["limit"].contains("so few"), "one call is no timeout");
        assert!(check(&rule("orphaned-work"), &case(ONE), None).is_empty(), "one call is an anecdote");
    }

    #[test]
    fn many_are_a_waste() {
        let shape = |n: u32| format!("  web GET /a 0-2020\n    > api GET /a 5-{} !ReadTimeout\n      api GET /a 6-{} 200", 2005 + n % 4, 2700 + n);
        let found = check(&rule("orphaned-work"), &case(&many(0..40, 10_000, shape)), None);
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Medium]);
        assert!((measured(&found[0], "timeout") - 2001.0).abs() < 3.0);
    }

    #[test]
    fn users_who_leave_are_no_timeout() {
        let shape = |n: u32| {
            let gone = 100 + n * 37 % 900;
            format!("  web GET /a 0-{}\n    > api GET /a 5-{gone} !context canceled\n      api GET /a 6-{} 200", gone + 5, gone + 400 + n)
        };
        let found = check(&rule("orphaned-work"), &case(&many(0..60, 10_000, shape)), None);
        assert!(found.iter().all(|finding| finding.severity < Severity::Medium), "{found:?}");
    }

    #[test]
    fn calls_that_end_after_their_work() {
        let answered = many(0..40, 10_000, |_| "  web GET /a 0-2020\n    > api GET /a 5-2010 200\n      api GET /a 6-2000 200".to_owned());
        let refused = many(0..40, 10_000, |_| "  web GET /a 0-2020\n    > api GET /a 5-2010 !503\n      api GET /a 6-2700 200".to_owned());
        assert!(check(&rule("orphaned-work"), &case(&answered), None).is_empty());
        assert!(check(&rule("orphaned-work"), &case(&refused), None).is_empty(), "answered, not given up");
    }
}
