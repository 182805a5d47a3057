//! What bad requests have in common that good ones lack: one tenant, one version, one zone, one instance.
//!
//! ```text
//! failed 50 of 1,050    tenant=acme at gateway: 48 of 50 failed, 40 of 1,000 others    chance 1e-48
//!                       beta=true at gateway:   26 of 50 failed, 510 of 1,000 others   as often on both sides
//! ```
//!
//! Requests are compared with their like: of one operation, and in one part of the time, since what is busy while everything
//! fails is not to blame for it; only what is deployed, as a version, may have changed for all at once. Who asks about hundreds
//! of traits finds some by chance, so the chance of each is multiplied by how many were asked about (Bonferroni). The strongest
//! is told first; another one is told if it stands out among requests that are alike in the first one, too. So one tenant that
//! sits in one zone is told once. What this file does not do: conclude who is to blame.

use crate::correlate::Case;
use crate::correlate::ending::{Ending, Request, requests};
use crate::correlate::traits::{Kind, Trait, Traits};
use crate::model::amount::{count, number};
use crate::model::contrast::{Contrast, Counts};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::Time;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// Bad requests that carry a trait, so that it may be told: fewer may each have a reason of its own.
const LEAST_BAD: u64 = 5;
/// Good requests that a comparison needs.
const LEAST_GOOD: u64 = 20;
/// Requests that carry or lack a trait, so that it is asked about.
const LEAST_ASKED: usize = 5;
/// The least share of the bad requests: with three faults at once each explains a third.
const LEAST_COVERAGE: f64 = 0.3;
/// Three times as likely to be bad as like requests: more than a difference of load.
const LEAST_LIFT: f64 = 3.0;
/// The chance of naming anything where nothing is to be named: once in a thousand bundles.
const CHANCE: f64 = 0.001;
/// Differences told of each ending.
const MOST: usize = 3;
/// Requests that are compared: so many bad ones, so many good ones of operations that fail too, so many other good ones. More
/// would only sharpen what is clear.
const MOST_COMPARED: usize = 4096;
/// Parts of the time in which requests are compared with each other only.
const SLICES: usize = 10;
/// Records cited for each.
const CITED: usize = 3;

/// What many bad requests have in common and few good ones have.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// How the bad requests ended.
    pub ending: Ending,
    /// What kind of thing it is.
    pub kind: Kind,
    /// The service whose spans carry it.
    pub service: String,
    /// The key of an attribute, else the kind's name.
    pub key: String,
    /// The value.
    pub value: String,
    /// Others that the very same requests carry, as texts.
    pub also: Vec<String>,
    /// How many of the compared requests carry it.
    pub counts: Counts,
    /// How many times as likely a request that carries it is to be bad as a like one that does not.
    pub lift: f64,
    /// The chance that so many bad requests carry it by chance, times the number of traits that were asked about.
    pub chance: f64,
    /// Records of bad requests that carry it.
    pub evidence: Vec<Evidence>,
}

impl Difference {
    /// `tenant=acme at gateway: 48 of 50 failed requests, 40 of 1,000 others`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Counts { bad_with, bad, good_with, good } = self.counts;
        let ending = if self.ending == Ending::Failed { "failed" } else { "slow" };
        let also = if self.also.is_empty() { String::new() } else { format!(" (the same requests: {})", self.also.join(", ")) };
        format!(
            "{}{also}: {} of {} {ending} requests, {} of {} others; {} times as likely to be {ending}",
            spelled(self.kind, &self.key, &self.value, &self.service),
            count(bad_with),
            count(bad),
            count(good_with),
            count(good),
            number(self.lift),
        )
    }
}

fn spelled(kind: Kind, key: &str, value: &str, service: &str) -> String {
    match kind {
        Kind::Version | Kind::Attribute => format!("{key}={value} at {service}"),
        Kind::Instance => format!("instance {value} of {service}"),
        Kind::Route => format!("{value} of {service}"),
        Kind::Peer => format!("calls of {service} to {value}"),
    }
}

/// What failed requests and slow ones have in common, the strongest first.
#[must_use]
pub fn differences(case: &Case, baseline: Option<&Case>) -> Vec<Difference> {
    let requests = requests(case, baseline);
    let mut found = Vec::new();
    for ending in [Ending::Failed, Ending::Slow] {
        // A request that failed may have been cut short: it is no good example of one that was in time.
        let bad = |request: &&Request| request.ending == ending;
        let good = |request: &&Request| request.ending == Ending::Well || request.ending == Ending::Slow && ending == Ending::Failed;
        if requests.iter().filter(bad).count() as u64 >= LEAST_BAD && requests.iter().filter(good).count() as u64 >= LEAST_GOOD {
            found.extend(Comparison::of(case, &requests, bad, good).explained(ending));
        }
    }
    found
}

/// A request that is compared with others.
struct Compared<'r> {
    request: &'r Request,
    is_bad: bool,
    slice: usize,
    /// Which of the differences found so far it carries, as bits.
    known: u32,
}

/// What is asked about.
struct Asked {
    number: u32,
    alike: Alike,
    /// The requests that carry it.
    carriers: Vec<u32>,
}

struct Comparison<'a, 'r> {
    traits: Traits<'a>,
    requests: Vec<Compared<'r>>,
    asked: Vec<Asked>,
}

impl<'a, 'r> Comparison<'a, 'r> {
    fn of(case: &'a Case, requests: &'r [Request], bad: impl Fn(&&Request) -> bool, good: impl Fn(&&Request) -> bool) -> Self {
        let entries: BTreeSet<(Sym, Sym)> = requests.iter().map(|request| request.entry).collect();
        let failing: BTreeSet<(Sym, Sym)> = requests.iter().filter(&bad).map(|request| request.entry).collect();
        let is_like = |request: &&Request| failing.contains(&request.entry);
        let mut chosen: Vec<(&Request, bool)> = Vec::new();
        chosen.extend(sample(requests.iter().filter(&bad)).into_iter().map(|request| (request, true)));
        for alike in [true, false] {
            chosen.extend(sample(requests.iter().filter(|it| good(it) && is_like(it) == alike)).into_iter().map(|request| (request, false)));
        }
        chosen.sort_by_key(|(request, _)| request.trace);
        let slices = Slices::of(chosen.iter().map(|(request, _)| request.start));
        let compared = |(request, is_bad): (&'r Request, bool)| Compared { request, is_bad, slice: slices.find(request.start), known: 0 };
        let requests: Vec<Compared<'r>> = chosen.into_iter().map(compared).collect();
        let mut traits = Traits::new(case);
        let (mut carriers, mut carried): (Vec<Vec<u32>>, Vec<u32>) = (Vec::new(), Vec::new());
        for (at, it) in (0..).zip(&requests) {
            traits.of(it.request, &mut carried);
            carriers.resize_with(traits.len(), Vec::new);
            for &number in &carried {
                carriers.get_mut(number as usize).into_iter().for_each(|carriers| carriers.push(at));
            }
        }
        let mut idle = traits.too_varied();
        idle.extend(traits.without_choice());
        let is_entry = |carried: &Trait<'_>| {
            let find = |text: &str| case.tables.names.find(text);
            find(carried.service).zip(find(carried.value)).is_some_and(|entry| entries.contains(&entry))
        };
        let asked = |(number, carriers): (u32, Vec<u32>)| {
            let (with, without) = (carriers.len(), requests.len() - carriers.len());
            let carried = traits.get(number).filter(|_| with.min(without) >= LEAST_ASKED && !idle.contains(&number))?;
            let alike = match carried.kind {
                Kind::Route if is_entry(carried) => Alike::Service,
                _ if carried.is_deployed() => Alike::Entry,
                _ => Alike::Moment,
            };
            Some(Asked { number, alike, carriers })
        };
        let asked = (0..).zip(carriers).filter_map(asked).collect();
        Self { traits, requests, asked }
    }

    /// Differences, each of which stands out among requests that are alike in those before it.
    fn explained(mut self, ending: Ending) -> Vec<Difference> {
        let mut found = Vec::new();
        let ln_asked = (self.asked.len().max(1) as f64).ln();
        let stands_out = |contrast: &Contrast| {
            contrast.all.bad_with >= LEAST_BAD
                && contrast.all.coverage() >= LEAST_COVERAGE
                && contrast.lift() >= LEAST_LIFT
                && contrast.ln_chance() + ln_asked <= CHANCE.ln()
        };
        while found.len() < MOST {
            let contrasts = self.contrasts();
            let named = |asked: &Asked| self.traits.get(asked.number);
            let best = self
                .asked
                .iter()
                .zip(&contrasts)
                .filter(|(_, contrast)| stands_out(contrast))
                .min_by(|(a, x), (b, y)| x.ln_chance().total_cmp(&y.ln_chance()).then_with(|| named(a).cmp(&named(b))));
            let Some((best, contrast)) = best else { break };
            let (carriers, bit) = (best.carriers.clone(), 1 << found.len());
            let Some(difference) = self.difference(ending, best.number, &carriers, contrast, ln_asked) else { break };
            found.push(difference);
            for at in carriers {
                if let Some(it) = self.requests.get_mut(at as usize) {
                    it.known |= bit;
                }
            }
        }
        found
    }

    /// Of everything that is asked about, how often like requests carry it.
    fn contrasts(&self) -> Vec<Contrast> {
        let groups = Alike::ALL.map(|alike| Groups::of(&self.requests, alike));
        let mut with: Vec<(u64, u64)> = Vec::new();
        let contrast = |asked: &Asked| {
            let Groups { group_of, totals } = &groups[asked.alike as usize];
            with.clear();
            with.resize(totals.len(), (0, 0));
            for &at in &asked.carriers {
                if let (Some(it), Some(with)) = (self.requests.get(at as usize), group_of.get(at as usize).and_then(|&group| with.get_mut(group))) {
                    add(with, it.is_bad);
                }
            }
            let mut contrast = Contrast::default();
            for (&(bad_with, good_with), &(bad, good)) in with.iter().zip(totals) {
                contrast.add(Counts { bad_with, bad, good_with, good });
            }
            contrast
        };
        self.asked.iter().map(contrast).collect()
    }

    fn difference(&mut self, ending: Ending, number: u32, carriers: &[u32], contrast: &Contrast, ln_asked: f64) -> Option<Difference> {
        let Trait { kind, key, value, service } = *self.traits.get(number)?;
        let same = self.asked.iter().filter(|other| other.number != number && other.carriers == carriers);
        let mut also: Vec<&Trait<'_>> = same.filter_map(|other| self.traits.get(other.number)).collect();
        also.sort_unstable();
        // The same pair at several services is one thing.
        also.retain(|other| (other.key, other.value) != (key, value));
        also.dedup_by_key(|other| (other.key, other.value));
        let also = also.into_iter().take(CITED).map(|other| spelled(other.kind, other.key, other.value, other.service)).collect();
        let requests = carriers.iter().filter_map(|&at| self.requests.get(at as usize));
        let mut bad: Vec<&Request> = requests.filter(|it| it.is_bad).map(|it| it.request).collect();
        bad.sort_by_key(|request| (request.start, request.trace));
        let evidence = bad.into_iter().take(CITED).filter_map(|request| self.traits.carrier(request, number)).collect();
        Some(Difference {
            ending,
            kind,
            service: service.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
            also,
            counts: contrast.all,
            lift: contrast.lift(),
            chance: (contrast.ln_chance() + ln_asked).exp().max(f64::MIN_POSITIVE),
            evidence,
        })
    }
}

fn add((bad, good): &mut (u64, u64), is_bad: bool) {
    *(if is_bad { bad } else { good }) += 1;
}

/// In what requests are alike that are compared with each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alike {
    /// The service that was called, and the time: for what is called there.
    Service,
    /// The operation, at any time: for what is deployed.
    Entry,
    /// The operation and the time.
    Moment,
}

impl Alike {
    const ALL: [Self; 3] = [Self::Service, Self::Entry, Self::Moment];
}

/// Requests in groups of those that are alike.
struct Groups {
    group_of: Vec<usize>,
    /// How many are bad and good.
    totals: Vec<(u64, u64)>,
}

impl Groups {
    fn of(requests: &[Compared<'_>], alike: Alike) -> Self {
        let key = |it: &Compared<'_>| {
            let (service, operation) = it.request.entry;
            match alike {
                Alike::Service => (service, Sym::NONE, it.slice, it.known),
                Alike::Entry => (service, operation, 0, it.known),
                Alike::Moment => (service, operation, it.slice, it.known),
            }
        };
        let mut numbers: BTreeMap<_, usize> = requests.iter().map(|it| (key(it), 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, slot)| *slot = number);
        let mut totals = vec![(0, 0); numbers.len()];
        let number = |it: &Compared<'_>| numbers.get(&key(it)).copied().unwrap_or_default();
        let group_of: Vec<usize> = requests.iter().map(number).collect();
        for (it, group) in requests.iter().zip(&group_of) {
            totals.get_mut(*group).into_iter().for_each(|total| add(total, it.is_bad));
        }
        Self { group_of, totals }
    }
}

/// Those whose trace ids have the least hashes, which have nothing to do with what they carry.
fn sample<'r>(requests: impl Iterator<Item = &'r Request>) -> Vec<&'r Request> {
    const HASHER: FixedState = FixedState::with_seed(0x73_616d_706c_6573);
    let hash = |trace: TraceId| HASHER.hash_one(trace.0);
    let mut requests: Vec<&Request> = requests.collect();
    if requests.len() > MOST_COMPARED {
        requests.select_nth_unstable_by_key(MOST_COMPARED, |request| (hash(request.trace), request.trace));
        requests.truncate(MOST_COMPARED);
    }
    requests
}

/// Parts of the time that hold about as many requests each.
struct Slices(Vec<Time>);

impl Slices {
    fn of(starts: impl Iterator<Item = Time>) -> Self {
        let mut starts: Vec<Time> = starts.collect();
        starts.sort_unstable();
        Self((1..SLICES).filter_map(|part| starts.get(starts.len() * part / SLICES).copied()).collect())
    }

    fn find(&self, time: Time) -> usize {
        self.0.partition_point(|border| *border <= time)
    }
}

#[cfg(test)]
mod tests;
