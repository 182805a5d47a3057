//! What several rules ask of a case, worked out when the first of them asks and kept for the others.
//!
//! What this file does not do: work anything out in parallel. A thread that waits for other threads here could be given the
//! very rule that waits for it.

use crate::correlate::Case;
use crate::correlate::load::{Load, loads};
use crate::correlate::probe::{Served, served};
use crate::correlate::replicas::{Life, lives};
use crate::model::names::Sym;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The answers so far.
#[derive(Clone, Debug, Default)]
pub struct Views {
    served: OnceLock<Vec<Served>>,
    loads: OnceLock<BTreeMap<Sym, Load>>,
    lives: OnceLock<BTreeMap<Sym, Vec<Life>>>,
}

impl Case {
    /// Everything that was served, by time. Business is taken from the one source of a service that tells more of it, so
    /// that a request is not counted by its span and its log record; probes from every source, since tracers often leave
    /// them out.
    pub fn served(&self) -> &[Served] {
        self.views.served.get_or_init(|| served(self))
    }

    /// What every service served.
    pub fn loads(&self) -> &BTreeMap<Sym, Load> {
        self.views.loads.get_or_init(|| loads(self))
    }

    /// When the instances of every service were active.
    pub fn lives(&self) -> &BTreeMap<Sym, Vec<Life>> {
        self.views.lives.get_or_init(|| lives(self))
    }
}
