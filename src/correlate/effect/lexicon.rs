//! The wordings and field names of `rules/signals`, compiled so that one scan of a text finds all of them.
//!
//! An operation may be written `name.source`: the part after the dot says what kind of statement it is (`read.cache` is
//! a hit, `.notice` only talks about it). What this file does not do: look at records; that is `effect.rs`.

use crate::correlate::effect::prose;
use crate::correlate::template;
use crate::model::rule::EffectSpec;
use crate::model::tables::Phase;
use aho_corasick::AhoCorasick;
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// What a field tells about an effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The business key.
    Key,
    /// A second key.
    Token,
    /// Identity of the outcome.
    Outcome,
    /// Where the key lives.
    Space,
    /// Amount.
    Amount,
    /// Currency.
    Currency,
    /// On whose behalf.
    Party,
    /// Version.
    Version,
    /// Where from.
    Source,
    /// How it ended.
    Status,
    /// How old the value is, in seconds.
    Age,
    /// The path it is asked for by.
    Path,
}

impl Role {
    /// How many there are.
    pub const COUNT: usize = 12;

    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "key" => Self::Key,
            "token" => Self::Token,
            "outcome" => Self::Outcome,
            "space" => Self::Space,
            "amount" => Self::Amount,
            "currency" => Self::Currency,
            "party" => Self::Party,
            "version" => Self::Version,
            "source" => Self::Source,
            "status" => Self::Status,
            "age" => Self::Age,
            "path" => Self::Path,
            _ => return None,
        })
    }
}

/// A role that a field name has in one family; of two present fields the one with the lower rank counts.
#[derive(Clone, Copy, Debug)]
pub struct RoleOf {
    /// Index of the family.
    pub family: usize,
    /// The role.
    pub role: Role,
    /// Place in the list of names.
    pub rank: u16,
}

/// One family of effects: `payment`, `cache`.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Operation and source of each entry, either may be empty.
    pub operations: Vec<(String, String)>,
    /// Roles of which at least one must be present.
    pub requires: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Operation(u16),
    Phase(Phase, u16),
    Negation,
}

/// A wording found in a text.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    family: usize,
    meaning: Meaning,
    start: usize,
    end: usize,
}

/// What the wordings of one family say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Index of the operation.
    pub operation: Option<u16>,
    /// Index of the entry that names the source.
    pub source: Option<u16>,
    /// How far it got.
    pub phase: Option<Phase>,
    /// The operation's word also is the phase's: `paid` alone.
    pub one_word: bool,
}

/// A record says only so many things; more wordings are not looked at.
const MOST_HITS: usize = 64;

/// All wordings and field names.
#[derive(Debug, Default)]
pub struct Lexicon {
    families: Vec<Family>,
    words: Option<AhoCorasick>,
    meanings: Vec<Vec<(usize, Meaning)>>,
    /// The numbers that wordings hold: `504`.
    numbers: Vec<String>,
    fields: HashMap<Box<str>, Vec<RoleOf>, FixedState>,
}

impl Lexicon {
    /// Compiles the effects of a rule set. Names of phases and roles that do not exist are left to the loader to report.
    #[must_use]
    pub fn new(specs: &[EffectSpec]) -> Self {
        let mut lexicon = Self::default();
        let mut patterns: Vec<String> = Vec::new();
        let mut numbers: HashMap<String, usize, FixedState> = HashMap::default();
        for (family, spec) in specs.iter().enumerate() {
            let mut learn = |words: &[String], meaning: Meaning, meanings: &mut Vec<Vec<(usize, Meaning)>>| {
                for word in words.iter().map(|w| prose::of(w)).filter(|w| w.len() > 2) {
                    let number = *numbers.entry(word).or_insert_with_key(|word| {
                        patterns.push(word.clone());
                        meanings.push(Vec::new());
                        patterns.len() - 1
                    });
                    meanings[number].push((family, meaning));
                }
            };
            let mut operations = Vec::new();
            for (name, words) in &spec.operations {
                learn(words, Meaning::Operation(operations.len() as u16), &mut lexicon.meanings);
                let (name, source) = name.split_once('.').unwrap_or((name, ""));
                operations.push((name.to_owned(), source.to_owned()));
            }
            for (order, (name, words)) in spec.phases.iter().enumerate() {
                if let Some(phase) = phase_of(name) {
                    learn(words, Meaning::Phase(phase, order as u16), &mut lexicon.meanings);
                }
            }
            learn(&spec.negations, Meaning::Negation, &mut lexicon.meanings);
            for (role, names) in &spec.fields {
                let Some(role) = Role::of(role) else { continue };
                for (rank, name) in names.iter().enumerate() {
                    let mut folded = String::new();
                    prose::fold(name, &mut folded);
                    lexicon.fields.entry(folded.into()).or_default().push(RoleOf { family, role, rank: rank as u16 });
                }
            }
            let requires = spec.requires.iter().filter_map(|r| Role::of(r)).collect();
            lexicon.families.push(Family { name: spec.effect.clone(), operations, requires });
        }
        lexicon.numbers = patterns.iter().flat_map(|words| words.split(|c: char| !c.is_ascii_digit())).map(str::to_owned).collect();
        lexicon.numbers.retain(|number| !number.is_empty());
        lexicon.numbers.sort_unstable();
        lexicon.numbers.dedup();
        lexicon.words = AhoCorasick::new(&patterns).ok();
        lexicon
    }

    /// The families, in the order of the rule set.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The roles of a field name that has been folded.
    #[must_use]
    pub fn roles(&self, folded: &str) -> &[RoleOf] {
        self.fields.get(folded).map_or(&[], Vec::as_slice)
    }

    /// Identity of all that decides how a text made by [`prose::push`] is read: everything but the numbers that no wording holds.
    #[must_use]
    pub fn shape(&self, prose: &str) -> u64 {
        let bytes = prose.as_bytes();
        let mut hash = template::Hash::default();
        let (mut from, mut at) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            if !byte.is_ascii_digit() {
                at += 1;
                continue;
            }
            let len = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            if !self.numbers.iter().any(|number| number.as_bytes() == &bytes[at..at + len]) {
                hash.bytes(&bytes[from..at]);
                hash.value();
                from = at + len;
            }
            at += len;
        }
        hash.bytes(&bytes[from..]);
        hash.finish()
    }

    /// Finds every wording of every family in a text made by [`prose::push`].
    pub fn scan(&self, prose: &str, hits: &mut Vec<Hit>) {
        hits.clear();
        // A single blank is what is made of no words at all.
        let Some(words) = self.words.as_ref().filter(|_| prose.len() > 1) else { return };
        for found in words.find_overlapping_iter(prose) {
            for &(family, meaning) in self.meanings.get(found.pattern().as_usize()).map_or(&[][..], Vec::as_slice) {
                hits.push(Hit { family, meaning, start: found.start(), end: found.end() });
            }
            if hits.len() >= MOST_HITS {
                break;
            }
        }
    }

    /// What the wordings say for one family.
    #[must_use]
    pub fn read(&self, family: usize, prose: &str, hits: &[Hit]) -> Reading {
        let Some(known) = self.families.get(family) else { return Reading::default() };
        let mut reading = Reading::default();
        let (mut best_phase, mut phase_at, mut operation_at) = (u16::MAX, (0, 0), (0, 0));
        for hit in hits.iter().filter(|h| h.family == family && !is_covered(h, hits)) {
            match hit.meaning {
                Meaning::Operation(index) => {
                    let Some((name, source)) = known.operations.get(usize::from(index)) else { continue };
                    if !name.is_empty() && reading.operation.is_none_or(|o| index < o) {
                        reading.operation = Some(index);
                        operation_at = (hit.start, hit.end);
                    }
                    if !source.is_empty() && reading.source.is_none_or(|s| index < s) {
                        reading.source = Some(index);
                    }
                }
                Meaning::Phase(phase, order) => {
                    let negated = phase == Phase::Success && hits.iter().any(|n| n.family == family && negates(n, hit, prose));
                    let (phase, order) = if negated { (Phase::Failure, 0) } else { (phase, order) };
                    if order < best_phase {
                        (best_phase, phase_at) = (order, (hit.start, hit.end));
                        reading.phase = Some(phase);
                    }
                }
                Meaning::Negation => {}
            }
        }
        reading.one_word = reading.operation.is_some() && reading.phase.is_some() && phase_at == operation_at;
        reading
    }
}

/// Whether a longer wording of the same kind spans this one: `connect timed out` over `timed out`.
fn is_covered(hit: &Hit, hits: &[Hit]) -> bool {
    hits.iter().any(|other| {
        other.family == hit.family
            && other.end - other.start > hit.end - hit.start
            && other.start <= hit.start
            && hit.end <= other.end
            && matches!((other.meaning, hit.meaning), (Meaning::Operation(_), Meaning::Operation(_)) | (Meaning::Phase(..), Meaning::Phase(..)))
    })
}

/// Whether a negation stands within three words before: at most two words lie between.
fn negates(negation: &Hit, hit: &Hit, prose: &str) -> bool {
    negation.meaning == Meaning::Negation
        && negation.end <= hit.start + 1
        && prose.get(negation.end - 1..hit.start + 1).is_some_and(|between| between.bytes().filter(|&b| b == b' ').count() <= 3)
}

fn phase_of(name: &str) -> Option<Phase> {
    Some(match name {
        "attempt" => Phase::Attempt,
        "success" => Phase::Success,
        "failure" => Phase::Failure,
        "ambiguous" => Phase::Ambiguous,
        "replay" => Phase::Replay,
        "prevented" => Phase::Prevented,
        "reversed" => Phase::Reversed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::effect::fixture::shipped_effects;

    fn read(effect: &str, text: &str) -> (String, String, Option<Phase>) {
        let specs = shipped_effects();
        let family = specs.iter().position(|s| s.effect == effect).unwrap();
        let lexicon = Lexicon::new(&specs);
        let (text, mut hits) = (prose::of(text), Vec::new());
        lexicon.scan(&text, &mut hits);
        let reading = lexicon.read(family, &text, &hits);
        let entry = |i: Option<u16>| i.map(|i| lexicon.families()[family].operations[usize::from(i)].clone()).unwrap_or_default();
        (entry(reading.operation).0, entry(reading.source).1, reading.phase)
    }

    #[test]
    fn texts_of_one_shape_are_read_alike() {
        let specs = shipped_effects();
        let lexicon = Lexicon::new(&specs);
        let shape = |text: &str| lexicon.shape(&prose::of(text));
        assert_eq!(shape("charge 17 failed after 20 ms"), shape("charge 4711 failed after 3 ms"));
        assert_ne!(shape("charge 17 failed"), shape("charge 17 paid"));
        assert_ne!(shape("charge: status 504"), shape("charge: status 500"));
        assert_ne!(shape("charge 1 7"), shape("charge 17"));
    }

    #[test]
    fn payments_are_read_as_people_log_them() {
        use Phase::{Ambiguous, Attempt, Failure, Prevented, Replay, Reversed, Success};
        for (text, operation, phase) in [
            ("charging card", "charge", Some(Attempt)),
            ("Charge succeeded", "charge", Some(Success)),
            ("payment captured", "capture", Some(Success)),
            ("Order paid", "charge", Some(Success)),
            ("card payment was not charged", "charge", Some(Failure)),
            ("failed to charge card: payment not completed", "charge", Some(Failure)),
            ("Payment call failed: I/O error on POST request for \"http://payment/charges\": Read timed out", "charge", Some(Ambiguous)),
            ("payment failed: Connect timed out", "charge", Some(Failure)),
            ("payment unsuccessful", "charge", Some(Failure)),
            ("charge declined: insufficient funds", "charge", Some(Failure)),
            ("Idempotent replay, returning existing payment ch_1", "charge", Some(Replay)),
            ("provider replayed the stored response", "", Some(Replay)),
            ("order already paid", "charge", Some(Replay)),
            ("ERROR: duplicate key value violates unique constraint \"uq_payment_idem\"", "charge", Some(Prevented)),
            ("Charge ch_1 refunded", "refund", Some(Reversed)),
            ("Payment authorized", "authorize", Some(Success)),
            ("discharged battery", "", None),
        ] {
            let (got, _, got_phase) = read("payment", text);
            assert_eq!((got.as_str(), got_phase), (operation, phase), "{text}");
        }
        assert_eq!(read("payment", "receipt mail sent for paid order").1, "notice");
        assert_eq!(read("payment", "webhook received").1, "notice");
    }

    #[test]
    fn caches_are_read_as_people_log_them() {
        for (text, operation, source) in [
            ("Cache entry for key '42' found in cache(s) [users]", "read", "cache"),
            ("No cache entry for key '42' in cache(s) [users]", "read", "origin"),
            ("Creating cache entry for key '42' in cache(s) [users]", "put", ""),
            ("Invalidating cache key [42] for operation x on method y", "invalidate", ""),
            ("Cache 'users' failed to evict entry with key '42'", "invalidate", ""),
            ("cache hit", "read", "cache"),
            ("cache miss, value loaded from database", "read", "origin"),
            ("product read", "read", ""),
            ("product updated", "write", ""),
            ("redis DEL", "invalidate", ""),
        ] {
            let (got, got_source, _) = read("cache", text);
            assert_eq!((got.as_str(), got_source.as_str()), (operation, source), "{text}");
        }
        assert_eq!(read("cache", "Cache 'users' failed to evict entry with key '42'").2, Some(Phase::Failure));
    }
}
