//! Payments that were executed more than once.
//!
//! Proof classes, the strongest first: two charge ids for one idempotency key or one order; two called spans that ended
//! well for one request whose first answer was lost; two successes reported by one place for one order; the same payer,
//! amount and currency within minutes where nothing else is known. An attempt without a known outcome that was repeated,
//! and of which nobody saw the charges, is a finding of low severity: `unproven`.
//!
//! Charges for one order by one scheduled job that runs on several instances are proof too.
//!
//! What this file does not do: follow retries (`retry-storm`), or judge scheduled jobs (`duplicate-job-execution`).

pub mod cluster;
mod jobs;
mod nameless;
mod story;
#[cfg(test)]
mod tests;

use crate::correlate::effect::money::Money;
use crate::model::amount::grouped;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::job::JobMark;
use crate::model::names::{Interner, Sym};
use crate::model::rule::Rule;
use crate::model::tables::{Effect, Phase};
use crate::model::time::{SECOND, Window};
use crate::rules::native::duplicate_payment::cluster::{Payment, Spans};
use crate::rules::native::duplicate_payment::jobs::Runs;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// The detector.
pub const DETECTOR: Detector =
    Detector { id: "duplicate-payment", thresholds: &["heuristic_window_s", "ambiguous_window_s", "double_submit_s", "list_max", "orders"], detect };

/// Sources of effects that repeat on purpose, and of those that move no money.
const INSTALMENT: &str = "instalment";
const TEST: &str = "test";

/// What links the executions of one payment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    KeyIgnored,
    KeyRegenerated,
    Redelivery,
    ScheduledJob,
    DoubleSubmit,
    NoKey,
    Unproven,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::KeyIgnored => "key-ignored",
            Self::KeyRegenerated => "key-regenerated",
            Self::Redelivery => "redelivery",
            Self::ScheduledJob => "scheduled-job",
            Self::DoubleSubmit => "double-submit",
            Self::NoKey => "no-key",
            Self::Unproven => "unproven",
        }
    }
}

/// A payment that was executed more than once, or may have been.
struct Suspect<'a> {
    payment: &'a Payment<'a>,
    kind: Kind,
    belief: Belief,
    /// Attempts of this order without a known outcome, up to the last charge.
    ambiguous: Vec<&'a Effect>,
    refunded: Option<Money>,
}

impl Suspect<'_> {
    /// Whether services on top of each other repeated it: each of them tells of attempts without a known outcome.
    fn is_layered(&self) -> bool {
        self.ambiguous.iter().any(|effect| effect.service != self.ambiguous[0].service)
    }
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &scope.case.tables.names;
    let effects = cluster::effects(scope.case);
    let spans = Spans::of(scope.case, &effects);
    let payments = cluster::payments(&effects, &spans, names);
    let around = Around::of(&effects, &scope.case.tables.jobs, names);
    let mut groups: BTreeMap<(&str, &str, &str, bool), Vec<Suspect<'_>>> = BTreeMap::new();
    for payment in &payments {
        if let Some(suspect) = judge(payment, &around, rule, names) {
            let weak = suspect.kind == Kind::Unproven;
            groups.entry((names.get(payment.service), names.get(payment.peer), names.get(payment.op), weak)).or_default().push(suspect);
        }
    }
    for ((service, peer, operation, _), suspects) in groups {
        let subject = Subject { service: service.to_owned(), peer: peer.to_owned(), operation: operation.to_owned(), key: String::new() };
        out.push(report(subject, &suspects, &payments, &around, &spans, rule, names));
    }
    out.extend(nameless::find(&payments, rule, names));
}

/// What is known of an order or a trace beyond one payment.
struct Around<'a> {
    by_key: BTreeMap<(Sym, Sym), Vec<&'a Effect>>,
    refunds: BTreeMap<Sym, Vec<&'a Effect>>,
    /// Orders, and traces, in which charge ids are told: they decide, not counts of successes.
    keys_with_ids: BTreeSet<(Sym, Sym)>,
    traces_with_ids: BTreeSet<TraceId>,
    /// Orders and traces in which a repetition was recognised.
    keys_replayed: BTreeSet<(Sym, Sym)>,
    traces_replayed: BTreeSet<TraceId>,
    /// Attempts without a known outcome: the most that one place reports.
    ambiguous: u64,
    /// Scheduled work of every instance.
    runs: Runs,
}

impl<'a> Around<'a> {
    fn of(effects: &[&'a Effect], jobs: &[JobMark], names: &Interner) -> Self {
        let mut around = Self {
            by_key: BTreeMap::new(),
            refunds: BTreeMap::new(),
            keys_with_ids: BTreeSet::new(),
            traces_with_ids: BTreeSet::new(),
            keys_replayed: BTreeSet::new(),
            traces_replayed: BTreeSet::new(),
            ambiguous: ambiguous_attempts(effects),
            runs: Runs::of(jobs),
        };
        for &effect in effects {
            let (key, has_trace) = ((effect.space, effect.key), !effect.trace.is_none());
            if !effect.key.is_none() {
                around.by_key.entry(key).or_default().push(effect);
            }
            if names.get(effect.op) == "refund" || effect.phase == Phase::Reversed {
                if effect.phase == Phase::Reversed && !effect.outcome.is_none() {
                    around.refunds.entry(effect.outcome).or_default().push(effect);
                }
                continue;
            }
            if !effect.outcome.is_none() {
                around.keys_with_ids.insert(key);
                if has_trace {
                    around.traces_with_ids.insert(effect.trace);
                }
            }
            if matches!(effect.phase, Phase::Replay | Phase::Prevented) {
                if !effect.key.is_none() {
                    around.keys_replayed.insert(key);
                }
                if has_trace {
                    around.traces_replayed.insert(effect.trace);
                }
            }
        }
        around
    }

    /// Whether something better than counting successes is known about a payment.
    fn is_settled(&self, payment: &Payment<'_>) -> bool {
        let key = (payment.space, payment.key);
        let by_key = !payment.key.is_none() && (self.keys_with_ids.contains(&key) || self.keys_replayed.contains(&key));
        by_key || payment.effects.iter().any(|e| self.traces_with_ids.contains(&e.trace) || self.traces_replayed.contains(&e.trace))
    }
}

/// Attempts without a known outcome. The call and the log line about it are one: the place that reports most of them counts.
pub(super) fn ambiguous_attempts(effects: &[&Effect]) -> u64 {
    let mut places: BTreeMap<_, u64> = BTreeMap::new();
    for effect in effects.iter().filter(|e| e.phase == Phase::Ambiguous) {
        *places.entry((effect.service, effect.origin)).or_default() += 1;
    }
    places.into_values().max().unwrap_or(0)
}

fn judge<'a>(payment: &'a Payment<'a>, around: &Around<'a>, rule: &Rule, names: &Interner) -> Option<Suspect<'a>> {
    let (first, last) = (payment.charges.first()?, payment.charges.last()?);
    let since = first.time.plus(-(rule.limit("ambiguous_window_s") as i64) * SECOND);
    let of_order = around.by_key.get(&(payment.space, payment.key)).filter(|_| !payment.key.is_none());
    let said = of_order.map_or(payment.effects.as_slice(), Vec::as_slice);
    let ambiguous: Vec<_> = said.iter().copied().filter(|e| e.phase == Phase::Ambiguous && since <= e.time && e.start <= last.time).collect();
    let tokens: BTreeSet<Sym> = payment.charges.iter().map(|c| c.token).filter(|t| !t.is_none()).collect();
    let input = if first.effect.from_span { Input::Spans } else { Input::Logs };

    if payment.charges.len() < 2 {
        let safe = payment.by_ids || around.is_settled(payment) || payment.effects.iter().any(|e| !e.token.is_none());
        let repeated = ambiguous.iter().any(|e| e.time <= last.time && e.evidence != last.effect.evidence && e.from_span);
        let belief = Belief::new().with("unknown-outcome-repeated", input, 0.45);
        return (!safe && repeated && last.effect.from_span).then_some(Suspect { payment, kind: Kind::Unproven, belief, ambiguous, refunded: None });
    }
    let same_key = tokens.len() == 1 && payment.charges.iter().all(|c| !c.token.is_none());
    let named = !payment.key.is_none() || same_key;
    let job = around.runs.behind(payment, (rule.limit("ambiguous_window_s") * SECOND as f64) as i64).filter(|_| ambiguous.is_empty());
    let belief = match (payment.by_ids, payment.by_server) {
        (true, _) if same_key => Belief::new().with("charge-ids", input, 0.97).proven(),
        (true, _) if named => Belief::new().with("charge-ids", input, 0.95).proven(),
        // Charge ids that nothing ties together but a chain of traces.
        (true, _) => return None,
        _ if around.is_settled(payment) => return None,
        _ if redelivered(&tokens, same_key, names) => Belief::new().with("redelivery", input, 0.85),
        _ if job.is_some() => Belief::new().with("one job on several instances", input, 0.85),
        (false, true) if !ambiguous.is_empty() => Belief::new().with("server-successes", Input::Spans, 0.90),
        // Two calls that both went well, and no order to say that they are one: two payments.
        _ if !named => return None,
        _ => Belief::new().with("repeated-success", input, 0.75).with_if(!ambiguous.is_empty(), "unknown-outcome", input, 0.6),
    };
    let belief = if tokens.len() > 1 { belief.with("key-regenerated", input, 0.6) } else { belief };
    let belief = if payment.charges.iter().any(|c| names.get(c.effect.source) == INSTALMENT) { belief.doubted(0.2) } else { belief };
    // Without ids a second success under one key may be the replay that the key is for.
    let belief = if same_key && !payment.by_ids && !redelivered(&tokens, same_key, names) { belief.doubted(0.5) } else { belief };
    let kind = if job.is_some() && !same_key { Kind::ScheduledJob } else { kind(payment, &tokens, same_key, &ambiguous, rule, names) };
    let weak = belief.value() < 0.6;
    Some(Suspect { payment, kind: if weak { Kind::Unproven } else { kind }, belief, ambiguous, refunded: refunded(payment, around, names) })
}

fn kind(payment: &Payment<'_>, tokens: &BTreeSet<Sym>, same_key: bool, ambiguous: &[&Effect], rule: &Rule, names: &Interner) -> Kind {
    let traces: BTreeSet<TraceId> = payment.charges.iter().map(|c| c.effect.trace).filter(|t| !t.is_none()).collect();
    let soon = (rule.limit("double_submit_s") * SECOND as f64) as i64;
    let gap = payment.charges.get(1).map_or(i64::MAX, |second| second.time.since(payment.charges[0].time));
    if same_key {
        if redelivered(tokens, same_key, names) { Kind::Redelivery } else { Kind::KeyIgnored }
    } else if tokens.len() > 1 {
        Kind::KeyRegenerated
    } else if ambiguous.is_empty() && traces.len() > 1 && gap <= soon {
        Kind::DoubleSubmit
    } else {
        Kind::NoKey
    }
}

/// Whether the executions share a message's place in its log, `orders-3@1742`.
fn redelivered(tokens: &BTreeSet<Sym>, same_key: bool, names: &Interner) -> bool {
    same_key && tokens.iter().any(|&t| names.get(t).contains('@'))
}

/// What was paid back: refunds of one of the charges, else of the order.
fn refunded(payment: &Payment<'_>, around: &Around<'_>, names: &Interner) -> Option<Money> {
    let by_id: Vec<&Effect> = payment.charges.iter().filter_map(|c| around.refunds.get(&c.effect.outcome)).flatten().copied().collect();
    let of_order =
        || around.by_key.get(&(payment.space, payment.key)).into_iter().flatten().copied().filter(|e| e.phase == Phase::Reversed).collect();
    let refunds: Vec<&Effect> = if by_id.is_empty() && !payment.key.is_none() { of_order() } else { by_id };
    // Provider and ledger log the same refund: each charge id is paid back once.
    let mut once: BTreeMap<Sym, Money> = BTreeMap::new();
    for refund in refunds {
        let amount = Money::parse(names.get(refund.amount)).or_else(|| amount(payment, names))?;
        once.entry(refund.outcome).or_insert(amount);
    }
    once.into_values().reduce(Money::plus)
}

/// What one execution costs. Of the same digits with and without a fraction the one with the fraction has its unit.
fn amount(payment: &Payment<'_>, names: &Interner) -> Option<Money> {
    let charged = payment.charges.iter().find_map(|c| Money::parse(names.get(c.effect.amount)));
    let written = |e: &&Effect| Money::parse(names.get(e.amount));
    match charged.or_else(|| payment.effects.iter().find_map(written)) {
        Some(whole) if whole.is_whole() => payment.effects.iter().filter_map(written).find(|m| !m.is_whole() && m.is_like(whole)).or(Some(whole)),
        other => other,
    }
}

fn currency<'n>(payment: &Payment<'_>, names: &'n Interner) -> &'n str {
    payment.effects.iter().map(|e| names.get(e.currency)).find(|c| !c.is_empty()).unwrap_or("")
}

fn report(
    subject: Subject,
    suspects: &[Suspect<'_>],
    payments: &[Payment<'_>],
    around: &Around<'_>,
    spans: &Spans<'_>,
    rule: &Rule,
    names: &Interner,
) -> Finding {
    let weak = suspects.iter().all(|s| s.kind == Kind::Unproven);
    let extra_of = |s: &Suspect<'_>| s.payment.charges.len().saturating_sub(1) as u64;
    let extra: u64 = suspects.iter().map(extra_of).sum();
    let mut worst: Vec<&Suspect<'_>> = suspects.iter().collect();
    worst.sort_by_key(|s| (std::cmp::Reverse(extra_of(s)), s.payment.effects.first().map(|e| (e.time, e.evidence))));

    let mut window = Window::default();
    for suspect in suspects {
        suspect.payment.charges.iter().for_each(|c| window.add(c.time));
        suspect.ambiguous.iter().for_each(|e| window.add(e.start));
    }
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = most_frequent(suspects).name().to_owned();
    finding.confidence = worst.iter().map(|s| s.belief.value()).fold(0.0, f64::max);

    let of_subject =
        |p: &&Payment<'_>| names.get(p.service) == finding.subject.service && names.get(p.op) == finding.subject.operation && !p.charges.is_empty();
    let charges: u64 = payments.iter().filter(of_subject).map(|p| p.charges.len() as u64).sum();
    let most = suspects.iter().map(|s| s.payment.charges.len()).max().unwrap_or(0);
    let orders = suspects.len();
    finding.measure_against("duplicated_orders", orders as f64, "orders", rule.limit("orders"));
    finding.measure("extra_charges", extra as f64, "charges").measure("charges", charges as f64, "charges").measure(
        "max_charges_for_one_order",
        most as f64,
        "charges",
    );

    let sums = sums(suspects, names);
    let single = sums.len() == 1;
    let mut all_paid_back = !sums.is_empty();
    let mut texts = Vec::new();
    for (code, sum) in &sums {
        let named = |what: &str| if single { what.to_owned() } else { format!("{what}_{}", code.to_ascii_lowercase()) };
        let net = sum.duplicated.minus(sum.refunded);
        all_paid_back &= net <= Money::default();
        finding.measure(&named("duplicated_amount"), sum.duplicated.as_f64(), code);
        finding.measure(&named("duplicated_minor_units"), sum.duplicated.minor(code) as f64, &format!("smallest units of {code}"));
        finding.measure(&named("refunded_amount"), sum.refunded.as_f64(), code).measure(&named("net_amount"), net.as_f64(), code);
        texts.push(format!("{} {code}", grouped(&sum.duplicated.to_string())).trim_end().to_owned());
    }
    let money = if texts.is_empty() { "no amount is named".to_owned() } else { texts.join(", ") };
    finding.word("money", money);
    let payers: BTreeSet<Sym> = suspects.iter().flat_map(|s| &s.payment.effects).map(|e| e.party).filter(|p| !p.is_none()).collect();
    if !payers.is_empty() {
        finding.measure("payers", payers.len() as f64, "payers");
    }
    if around.ambiguous > 0 {
        finding.measure("ambiguous_attempts", around.ambiguous as f64, "attempts");
        if !weak {
            finding.measure(
                "ambiguous_share",
                (extra as f64 / around.ambiguous as f64).min(1.0),
                "extra charges per attempt without a known outcome",
            );
        }
    }

    let layered: u64 = suspects.iter().filter(|s| s.is_layered()).map(extra_of).sum();
    if layered > 0 {
        finding.measure("layered_percent", round(100.0 * layered as f64 / extra.max(1) as f64), "percent of the extra charges");
    }
    if let Some(job) = worst.iter().find_map(|s| around.runs.behind(s.payment, i64::MAX)) {
        finding.word("job", names.get(job));
    }

    let shown = rule.limit("list_max") as usize;
    let mut listed: Vec<&str> = worst.iter().map(|s| names.get(s.payment.key)).filter(|k| !k.is_empty()).take(shown).collect();
    if listed.is_empty() {
        listed.push("not named in the evidence");
    }
    finding.word("orders", listed.join(", "));
    finding.word("mechanism", worst.first().map_or(String::new(), |s| story::tell(s.payment, &s.ambiguous, spans, names)));

    let compensated = all_paid_back && !weak;
    let test = worst.iter().flat_map(|s| &s.payment.charges).all(|c| names.get(c.effect.source) == TEST) && extra > 0;
    finding.severity = match (weak || test, compensated) {
        (true, _) => Severity::Low,
        (false, true) => Severity::High,
        (false, false) => Severity::Critical,
    };
    finding.score = score(orders as f64, rule.limit("orders"), rule.upper("orders"));
    look_alikes(&mut finding, &worst, compensated, test, names);
    cite(&mut finding, &worst, names);
    finding
}

fn look_alikes(finding: &mut Finding, worst: &[&Suspect<'_>], compensated: bool, test: bool, names: &Interner) {
    finding.look_alike(
        "Idempotent replay",
        "excluded: a replay returns the same charge id; charges are counted by distinct ids, or by executions of one place",
    );
    finding.look_alike("Several services logging one charge", "excluded: only ids of one issuer, or successes of one place, are added up");
    if worst.iter().flat_map(|s| &s.payment.charges).any(|c| names.get(c.effect.source) == INSTALMENT) {
        finding.look_alike("Instalments", "not excluded: the wording speaks of instalments or partial payments; the confidence is lowered");
    }
    if compensated {
        finding.look_alike("already compensated", "the charges that were too many have been paid back");
    }
    if test {
        finding.look_alike("load test", "the records are marked as a test: no money moved");
    }
    if worst.first().is_some_and(|s| !s.payment.by_ids) {
        finding.missing.push("charge ids in the logs of the executing service".to_owned());
    }
    if worst.first().is_some_and(|s| s.payment.charges.iter().all(|c| c.token.is_none())) {
        finding.missing.push("idempotency keys in logs or span attributes".to_owned());
    }
}

fn cite(finding: &mut Finding, worst: &[&Suspect<'_>], names: &Interner) {
    for suspect in worst {
        let charges = suspect.payment.charges.iter().map(|c| c.effect.evidence);
        finding.cite(charges.clone().take(2)).cite(suspect.ambiguous.iter().map(|e| e.evidence)).cite(charges.skip(2));
    }
    let mut services = BTreeSet::new();
    let mut traces = Vec::new();
    for effect in worst.iter().flat_map(|s| s.payment.effects.iter().chain(&s.ambiguous)) {
        services.insert(effect.service);
        if !effect.trace.is_none() && traces.len() < Finding::QUOTES && !traces.contains(&effect.trace) {
            traces.push(effect.trace);
        }
    }
    finding.traces = traces;
    let mut services: Vec<String> = services.into_iter().map(|s| names.get(s).to_owned()).collect();
    services.retain(|s| !s.is_empty() && *s != finding.subject.service);
    services.sort();
    finding.services = services;
}

struct Sum {
    duplicated: Money,
    refunded: Money,
}

fn sums(suspects: &[Suspect<'_>], names: &Interner) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for suspect in suspects.iter().filter(|s| s.payment.charges.len() > 1) {
        let Some(one) = amount(suspect.payment, names) else { continue };
        let entry =
            sums.entry(currency(suspect.payment, names).to_owned()).or_insert(Sum { duplicated: Money::default(), refunded: Money::default() });
        for _ in 1..suspect.payment.charges.len() {
            entry.duplicated = entry.duplicated.plus(one);
        }
        entry.refunded = entry.refunded.plus(suspect.refunded.unwrap_or_default());
    }
    sums
}

fn most_frequent(suspects: &[Suspect<'_>]) -> Kind {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    suspects.iter().for_each(|s| *counts.entry(s.kind).or_default() += 1);
    counts.into_iter().max_by_key(|&(kind, count)| (count, std::cmp::Reverse(kind))).map_or(Kind::Unproven, |(kind, _)| kind)
}
