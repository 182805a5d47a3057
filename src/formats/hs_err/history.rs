//! The last collections before a crash.
//!
//! ```text
//! Event: 0.193 GC heap before
//! {Heap before GC invocations=0 (full 0):
//!  garbage-first heap   total 65536K, used 23552K [0x00000000fc000000, 0x0000000100000000)
//! }
//! Event: 0.198 GC heap after
//! {Heap after GC invocations=1 (full 0):
//! ```
//!
//! A collection is a full one if the count of full ones has grown. What this file does not do: the cause, which is not written.

use crate::formats::block_lines::{BlockLine, evidence};
use crate::formats::lines::Block;
use crate::formats::quantity::{bytes, decimal, digits};
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::Sink;
use crate::model::time::Time;

/// The heap at one end of a collection.
#[derive(Clone, Copy, Default)]
struct State {
    uptime: i64,
    full: u64,
    used: u64,
    total: u64,
    from: usize,
    to: usize,
}

/// The collections, while they are read.
#[derive(Default)]
pub(super) struct History {
    before: Option<State>,
    open: Option<(bool, State)>,
    collections: Vec<(State, State)>,
}

impl History {
    pub(super) fn line(&mut self, line: &BlockLine<'_>) {
        let text = line.text.trim_ascii();
        if let Some(event) = text.strip_prefix("Event: ") {
            let (uptime, what) = event.split_once(' ').unwrap_or((event, ""));
            let uptime = decimal(uptime, 1_000_000_000).and_then(|nanos| i64::try_from(nanos).ok()).unwrap_or_default();
            self.open = Some((what.trim_ascii().ends_with("before"), State { uptime, from: line.from, to: line.to, ..State::default() }));
            return;
        }
        let Some((is_before, state)) = &mut self.open else { return };
        state.to = line.to;
        if text.starts_with("{Heap ") {
            state.full = text.split_once("(full ").and_then(|(_, rest)| digits(rest.split(')').next()?)).unwrap_or_default();
        } else if text == "}" {
            let (is_before, state) = (*is_before, *state);
            self.open = None;
            if is_before {
                self.before = Some(state);
            } else if let Some(before) = self.before.take() {
                self.collections.push((before, state));
            }
        } else if !text.starts_with("Metaspace") && !text.starts_with("class space") && !text.contains(" space ") {
            let size = |word: &str| text.split_once(word).and_then(|(_, rest)| bytes(rest.split([',', ' ']).next()?));
            if let (Some(total), Some(used)) = (size(" total "), size(" used ")) {
                state.total = state.total.saturating_add(total);
                state.used = state.used.saturating_add(used);
            }
        }
    }

    pub(super) fn emit(&self, block: &Block<'_>, started: Option<Time>, sink: &mut dyn Sink) {
        for (before, after) in &self.collections {
            sink.gc(&GcRecord {
                time: started.map_or(Time::NONE, |started| started.plus(after.uptime)),
                uptime: Some(after.uptime),
                service: "",
                instance: "",
                id: None,
                kind: if after.full > before.full { GcKind::Full } else { GcKind::Young },
                cause: "",
                before: Some(before.used),
                after: Some(after.used),
                capacity: Some(after.total).filter(|total| *total > 0),
                nanos: u64::try_from(after.uptime - before.uptime).unwrap_or_default(),
                evidence: evidence(block, before.from, after.to),
            });
        }
    }
}
