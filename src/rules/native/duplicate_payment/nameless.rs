//! Equal payments of one payer within minutes, where no order, key or charge id tells them apart or together.
//!
//! A hint, no more: the same coffee twice looks the same. What this file does not do: look at payments that name anything.

use crate::correlate::effect::NOTICE;
use crate::correlate::effect::money::Money;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Interner;
use crate::model::rule::Rule;
use crate::model::tables::{Effect, Phase};
use crate::model::time::{SECOND, Window};
use crate::rules::native::duplicate_payment::cluster::Payment;
use crate::rules::native::duplicate_payment::story;
use std::collections::BTreeMap;

/// Two equal payments and how likely they are one.
type Pair<'a> = (Belief, &'a Effect, &'a Effect);

/// One finding per service and operation over all such pairs.
pub(super) fn find(payments: &[Payment<'_>], rule: &Rule, names: &Interner) -> Vec<Finding> {
    let nameless = |e: &Effect| {
        e.key.is_none() && e.token.is_none() && e.outcome.is_none() && !e.party.is_none() && !e.amount.is_none() && !e.currency.is_none()
    };
    let mut by_payer: BTreeMap<_, Vec<&Effect>> = BTreeMap::new();
    for effect in payments.iter().flat_map(|p| p.effects.iter().copied()).filter(|e| nameless(e) && names.get(e.source) != NOTICE) {
        by_payer.entry((effect.service, effect.op, effect.party, effect.amount, effect.currency)).or_default().push(effect);
    }
    let mut pairs: BTreeMap<(&str, &str), Vec<Pair<'_>>> = BTreeMap::new();
    for ((service, op, ..), mut effects) in by_payer {
        effects.sort_by_key(|e| (e.time, e.evidence));
        let done: Vec<&&Effect> = effects.iter().filter(|e| e.phase == Phase::Success).collect();
        for two in done.windows(2) {
            let (a, b) = (*two[0], *two[1]);
            let unknown = effects.iter().any(|e| {
                e.phase == Phase::Ambiguous && e.time <= b.time && e.time >= a.start.plus(-(rule.limit("ambiguous_window_s") as i64) * SECOND)
            });
            let reach = rule.limit(if unknown { "ambiguous_window_s" } else { "heuristic_window_s" });
            let apart = a.span.is_none() || a.span != b.span;
            if a.origin == b.origin && apart && b.time.since(a.time) as f64 <= reach * SECOND as f64 {
                let input = if a.from_span { Input::Spans } else { Input::Logs };
                let belief = Belief::new().with("same-payer-and-amount", input, 0.45);
                let belief = belief.with_if(!a.trace.is_none() && a.trace == b.trace, "one-trace", input, 0.25).with_if(
                    unknown,
                    "unknown-outcome",
                    input,
                    0.2,
                );
                pairs.entry((names.get(service), names.get(op))).or_default().push((belief, a, b));
            }
        }
    }
    pairs.into_iter().map(|((service, operation), pairs)| of_pairs(service, operation, &pairs, rule, names)).collect()
}

fn of_pairs(service: &str, operation: &str, pairs: &[Pair<'_>], rule: &Rule, names: &Interner) -> Finding {
    let mut window = Window::default();
    pairs.iter().for_each(|(_, a, b)| [a, b].iter().for_each(|e| window.add(e.time)));
    let subject = Subject { service: service.to_owned(), operation: operation.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = "unproven".to_owned();
    finding.confidence = pairs.iter().map(|(belief, ..)| belief.value()).fold(0.0, f64::max);
    finding.severity = if finding.confidence >= 0.6 { Severity::High } else { Severity::Low };
    finding.score = score(pairs.len() as f64, rule.limit("orders"), rule.upper("orders"));
    finding.measure_against("duplicated_orders", pairs.len() as f64, "payments", rule.limit("orders"));
    let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
    for (_, a, _) in pairs {
        if let Some(amount) = Money::parse(names.get(a.amount)) {
            let sum = sums.entry(names.get(a.currency)).or_default();
            *sum = sum.plus(amount);
        }
    }
    for (code, sum) in &sums {
        finding.measure(&format!("possibly_duplicated_{}", code.to_ascii_lowercase()), sum.as_f64(), code);
    }
    let gap = pairs.iter().map(|(_, a, b)| b.time.since(a.time)).min().unwrap_or(0);
    finding.word("orders", "not named in the evidence");
    finding.word("mechanism", format!("The same payer paid the same amount again after {}.", story::duration(gap)));
    finding.missing.push("order ids or charge ids in the payment records".to_owned());
    finding.cite(pairs.iter().flat_map(|(_, a, b)| [a.evidence, b.evidence]));
    finding
}
