//! What users would gain if calls to a suspect took no time, as a reason beside its score.
//!
//! What this file does not do: add to a score. The whole way to a fault gains as much as the fault itself.

use crate::correlate::Case;
use crate::correlate::what_if::{WhatIf, what_if};
use crate::findings::Suspect;
use crate::model::amount::millis;
use crate::model::time::SECOND;
use std::collections::BTreeMap;

/// The least gain worth a sentence: nanoseconds, and the share of the 99th percentile.
const LEAST_NANOS: u64 = SECOND as u64 / 10;
const LEAST_SHARE: f64 = 0.3;

/// Tells of every suspect what the slowest requests would be without waiting for it.
pub fn tell(case: &Case, suspects: &mut [Suspect]) {
    if suspects.is_empty() {
        return;
    }
    let names = &case.tables.names;
    let mut best: BTreeMap<&str, WhatIf> = BTreeMap::new();
    let matters = |hope: &WhatIf| hope.gain() >= LEAST_NANOS && hope.gain() as f64 >= LEAST_SHARE * hope.p99 as f64;
    for hope in what_if(case).into_iter().filter(matters) {
        let callee = names.get(hope.edge.1.name);
        // The operation that most users wait in: requests times gain; of equals the first.
        let worth = |hope: &WhatIf| u128::from(hope.waited) * u128::from(hope.gain());
        if best.get(callee).is_none_or(|known| worth(&hope) > worth(known)) {
            best.insert(callee, hope);
        }
    }
    for suspect in suspects {
        let Some(hope) = best.get(suspect.service.as_str()) else { continue };
        suspect.because.push(format!(
            "without {} -> {} the p99 of {} at {} would fall from {} to {}",
            names.get(hope.edge.0),
            hope.edge.1.text(names),
            names.get(hope.entry.1),
            names.get(hope.entry.0),
            millis(hope.p99 as f64 / 1e6),
            millis(hope.p99_without as f64 / 1e6),
        ));
        suspect.evidence.push(hope.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};

    fn suspect(service: &str) -> Suspect {
        Suspect { service: service.to_owned(), score: 0.5, because: Vec::new(), evidence: Vec::new() }
    }

    #[test]
    fn a_suspect_that_users_wait_for_is_worth_a_sentence() {
        let case = case(&many(0..40, 10_000, |n| {
            let end = if n % 4 == 0 { 3020 } else { 60 };
            format!("  gw GET /a 0-{}\n    > stock GET /s 10-{end}\n    > price GET /p {end}-{}\n", end + 30, end + 15)
        }));
        let mut suspects = [suspect("stock"), suspect("price"), suspect("gw")];
        tell(&case, &mut suspects);
        assert_eq!(suspects[0].because, ["without gw -> stock the p99 of GET /a at gw would fall from 3.05 s to 40 ms"]);
        assert_eq!(suspects[0].evidence.len(), 1);
        assert!(suspects[1].because.is_empty() && suspects[2].because.is_empty());
    }
}
