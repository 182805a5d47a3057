//! What is known of every entry, in columns: nearly all entries are used once or are always found, and of these nothing is
//! kept but what their kind is held against.
//!
//! What this file does not do: judge.

use crate::model::names::{Interner, Sym};
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::cache_stampede::loads::Load;
use crate::rules::native::cache_stampede::uses::{Entry, Uses};
use crate::rules::native::cached::{Label, label};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x6c69_6e65_7300);

/// Misses without any sign of their ends that are closer than this are taken for misses at the same time.
const TOGETHER: i64 = SECOND;

/// Everything about one entry as one service used it, in order of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'l> {
    /// Service.
    pub service: Sym,
    /// Entry.
    pub entry: Entry,
    /// The number of its kind.
    pub kind: usize,
    /// Loads, by start.
    pub loads: &'l [Load],
    /// Whether nothing says the ends of the loads, so that they are misses that came together.
    pub guessed: bool,
    /// Which instance found the value when, or had just filled it: by instance and time.
    pub found: &'l [Found],
    /// How many of these were hits.
    pub hits: u64,
    /// Misses that waited for the load of another.
    pub waits: u64,
    /// Times of fills, in order.
    pub fills: &'l [Fill],
    /// How many seconds an entry may live, if a fill says so.
    pub lifetime: Option<f64>,
}

/// That an instance found the value of an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Found {
    entry: u32,
    pub(super) instance: Sym,
    pub(super) time: Time,
}

/// That an entry was filled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Fill {
    entry: u32,
    pub(super) time: Time,
}

/// The entries of one kind that one service used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind<'a> {
    /// Service.
    pub service: Sym,
    /// What a report calls them.
    pub label: Label<'a>,
    /// Whether any was ever found.
    pub is_found: bool,
    /// From the first to the last time that one was found or loaded.
    pub watched: Window,
    /// The same of misses of which nobody says whether they loaded.
    missed: Window,
}

/// Where what is said of an entry is noted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    kind: usize,
    entry: Option<u32>,
}

impl Slot {
    /// Whether more is kept than what concerns the kind.
    pub(super) const fn is_kept(self) -> bool {
        self.entry.is_some()
    }
}

/// What is known of one entry, beside the columns.
struct Account {
    service: Sym,
    entry: Entry,
    kind: usize,
    guessed: bool,
    hits: u64,
    waits: u64,
    lifetime: Option<f64>,
}

/// What is said of all entries.
pub(super) struct Ledger<'a> {
    /// Whether a single load may be a burst.
    keeps_single: bool,
    kinds: Vec<Kind<'a>>,
    kind_of: HashMap<(Sym, Label<'a>), usize, FixedState>,
    accounts: Vec<Account>,
    entry_of: HashMap<(Sym, Entry), u32, FixedState>,
    /// Services of which loads are told.
    telling: HashSet<Sym, FixedState>,
    loads: Vec<Load>,
    misses: Vec<Load>,
    found: Vec<Found>,
    fills: Vec<Fill>,
}

impl<'a> Ledger<'a> {
    /// An empty one. Entries that are used once are left out unless one load is enough for a burst.
    pub(super) fn new(keeps_single: bool) -> Self {
        Self {
            keeps_single,
            kinds: Vec::new(),
            kind_of: HashMap::with_hasher(HASHER),
            accounts: Vec::new(),
            entry_of: HashMap::with_hasher(HASHER),
            telling: HashSet::with_hasher(HASHER),
            loads: Vec::new(),
            misses: Vec::new(),
            found: Vec::new(),
            fills: Vec::new(),
        }
    }

    /// Where an entry is noted. One that nobody ever missed or filled was not loaded; one that was used once was not loaded
    /// again.
    pub(super) fn slot(&mut self, uses: &Uses<'_>, names: &'a Interner, service: Sym, entry: Entry) -> Slot {
        let label = match entry {
            Entry::Key(place) => label(place, names),
            Entry::Request(operation, _) => Label::of(names.get(operation)),
        };
        let next = self.kinds.len();
        let kind = *self.kind_of.entry((service, label)).or_insert(next);
        if kind == next {
            self.kinds.push(Kind { service, label, is_found: false, watched: Window::default(), missed: Window::default() });
        }
        if !uses.may_load(entry) || !self.keeps_single && !uses.may_return(entry) {
            return Slot { kind, entry: None };
        }
        let next = self.accounts.len() as u32;
        let number = *self.entry_of.entry((service, entry)).or_insert(next);
        if number == next {
            self.accounts.push(Account { service, entry, kind, guessed: false, hits: 0, waits: 0, lifetime: None });
        }
        Slot { kind, entry: Some(number) }
    }

    fn account(&mut self, slot: Slot) -> Option<&mut Account> {
        self.accounts.get_mut(slot.entry? as usize)
    }

    /// Notes a load, and with it that the entry was filled and that who loaded has the value.
    pub(super) fn load(&mut self, slot: Slot, load: Load) {
        let Some(kind) = self.kinds.get_mut(slot.kind) else { return };
        kind.watched.join(Window::of(load.start, load.end));
        self.telling.insert(kind.service);
        if let Some(entry) = slot.entry {
            self.loads.push(Load { entry, ..load });
        }
        self.fill(slot, load.end);
        self.found(slot, load.end, load.instance);
    }

    /// Notes a miss of which nothing says whether a load followed.
    pub(super) fn miss(&mut self, slot: Slot, miss: Load) {
        let guess = Load { end: miss.start.plus(TOGETHER), entry: slot.entry.unwrap_or(0), ..miss };
        if let Some(kind) = self.kinds.get_mut(slot.kind) {
            kind.missed.join(Window::of(guess.start, guess.end));
        }
        self.misses.extend(slot.entry.map(|_| guess));
    }

    /// Notes that an instance found the value.
    pub(super) fn found(&mut self, slot: Slot, time: Time, instance: Sym) {
        if let Some(kind) = self.kinds.get_mut(slot.kind) {
            kind.watched.add(time);
        }
        self.found.extend(slot.entry.map(|entry| Found { entry, instance, time }));
    }

    /// Counts a hit.
    pub(super) fn hit(&mut self, slot: Slot) {
        if let Some(kind) = self.kinds.get_mut(slot.kind) {
            kind.is_found = true;
        }
        if let Some(account) = self.account(slot) {
            account.hits += 1;
        }
    }

    /// Counts a miss that waited for the load of another.
    pub(super) fn wait(&mut self, slot: Slot) {
        if let Some(account) = self.account(slot) {
            account.waits += 1;
        }
    }

    /// Notes a fill.
    pub(super) fn fill(&mut self, slot: Slot, time: Time) {
        self.fills.extend(slot.entry.map(|entry| Fill { entry, time }));
    }

    /// Notes for how long the entry may live, unless that is known.
    pub(super) fn lifetime(&mut self, slot: Slot, told: impl FnOnce() -> Option<f64>) {
        if let Some(account) = self.account(slot).filter(|account| account.lifetime.is_none()) {
            account.lifetime = told();
        }
    }

    /// Brings everything into order. Of misses that nothing says the end of: where others say it, these have waited for one of
    /// them; where none does, misses of one entry within a short time count as loads at the same time.
    pub(super) fn settle(&mut self) {
        for miss in std::mem::take(&mut self.misses) {
            let Some(account) = self.accounts.get_mut(miss.entry as usize) else { continue };
            if self.telling.contains(&account.service) {
                account.waits += 1;
            } else {
                account.guessed = true;
                self.loads.push(miss);
            }
        }
        for kind in self.kinds.iter_mut().filter(|kind| !self.telling.contains(&kind.service)) {
            kind.watched.join(kind.missed);
        }
        self.loads.sort_unstable_by_key(|load| (load.entry, load.start, load.end, load.evidence));
        self.found.sort_unstable();
        self.fills.sort_unstable();
    }

    /// The kinds, by their numbers.
    pub(super) fn kinds(&self) -> &[Kind<'a>] {
        &self.kinds
    }

    /// The lines of all entries that are kept, after [`Self::settle`].
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let (mut loads, mut found, mut fills) = (self.loads.as_slice(), self.found.as_slice(), self.fills.as_slice());
        self.accounts.iter().zip(0_u32..).map(move |(account, number)| Line {
            service: account.service,
            entry: account.entry,
            kind: account.kind,
            loads: taken(&mut loads, |load| load.entry == number),
            guessed: account.guessed,
            found: taken(&mut found, |found| found.entry == number),
            hits: account.hits,
            waits: account.waits,
            fills: taken(&mut fills, |fill| fill.entry == number),
            lifetime: account.lifetime,
        })
    }
}

/// Takes the rows at the beginning of which something holds.
fn taken<'l, T>(rows: &mut &'l [T], holds: impl Fn(&T) -> bool) -> &'l [T] {
    let len = rows.iter().take_while(|row| holds(row)).count();
    let (first, rest) = rows.split_at(len);
    *rows = rest;
    first
}
