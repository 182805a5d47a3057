//! Small bundles of the faults of scenarios 1 to 8 and of what looks like them: other evidence, layouts and names than the samples'.
//!
//! Each directory of `tests/bundles/1-8` says in its `expect.yaml` what it is, what must be found there, and which faults it looks
//! like without having them. The samples count as well.

use crate::program;
use crate::samples::{Sample, all_of, report, samples};
use std::sync::OnceLock;

/// Headline rules of which one is enough where two tell of one fault.
const HEADLINES: &[&[&str]] = &[
    &["autoscaling-ineffective"],
    &["connection-pool-exhaustion"],
    &["duplicate-job-execution"],
    &["duplicate-payment", "retry-storm"],
    &["intermittent-5xx"],
    &["kafka-lag-growth"],
    &["slow-downstream"],
    &["slow-in-production"],
];
/// Bundles of each kind that a headline rule is tried on at least.
const LEAST: usize = 3;

fn bundles() -> &'static [Sample] {
    static BUNDLES: OnceLock<Vec<Sample>> = OnceLock::new();
    BUNDLES.get_or_init(|| all_of(&program::bundles_in("tests/bundles/1-8")))
}

#[test]
fn bundles_say_what_is_expected() {
    report(&bundles().iter().flat_map(Sample::faults).collect::<Vec<_>>());
}

#[test]
fn every_headline_rule_has_faults_and_look_alikes() {
    let mut faults = Vec::new();
    for rules in HEADLINES {
        let count = |is: &dyn Fn(&Sample, &str) -> bool| {
            let all = samples().iter().chain(bundles());
            all.filter(|bundle| rules.iter().any(|rule| is(bundle, rule))).count()
        };
        let (positive, alike) = (count(&|bundle, rule| bundle.is_expected(rule)), count(&|bundle, rule| bundle.looks_like(rule)));
        println!("{:45}{positive:>4} faults{alike:>4} look-alikes", rules.join(", "));
        if positive < LEAST || alike < LEAST {
            faults.push(format!("{}: {positive} bundles with the fault, {alike} without", rules.join(", ")));
        }
    }
    report(&faults);
}
