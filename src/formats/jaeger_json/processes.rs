//! Who tells: the processes of a trace.
//!
//! ```text
//! "processes":{"p1":{"serviceName":"payments","tags":[{"key":"host.name","type":"string","value":"payments-0"}]},"p2":{…}}
//! "process":{"serviceName":"api","tags":[{"key":"hostname","vType":"STRING","vStr":"api246-sjc1"}]}
//! "process":{"serviceName":"api","tag":{"service@version":"1.2"}}
//! ```
//!
//! What this file does not do: find them.

use crate::formats::jaeger_json::tags::tags;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::otlp::Resource;
use crate::formats::trace_json::{first_text, service};

/// What tells one process of a service from the others: its id, else the pod, the host, the address.
const INSTANCE: [&str; 5] = ["service.instance.id", "k8s.pod.name", "hostname", "host.name", "ip"];

/// The processes of one trace by their ids. A single process for all spans has the empty id.
#[derive(Default)]
pub(super) struct Processes<'a> {
    /// Beyond `live` stand leftovers, whose memory is used again.
    slots: Vec<(&'a str, Resource<'a>)>,
    live: usize,
    /// Where they stand, if they were looked for.
    pub(super) place: Option<usize>,
}

impl<'a> Processes<'a> {
    pub(super) fn clear(&mut self) {
        (self.live, self.place) = (0, None);
    }

    pub(super) fn slot(&mut self, id: &'a str) -> &mut Resource<'a> {
        let at = self.live;
        self.live += 1;
        if at == self.slots.len() {
            self.slots.push(Default::default());
        }
        let slot = &mut self.slots[at];
        slot.0 = id;
        &mut slot.1
    }

    pub(super) fn read(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        self.clear();
        let read = self.each(scan);
        if let Some(live) = self.slots.get_mut(..self.live) {
            live.sort_by_key(|slot| slot.0);
        }
        read
    }

    fn each(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        if scan.enter_object()? {
            while let Some(id) = scan.key()? {
                process(scan, self.slot(id))?;
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, id: &str) -> Option<&Resource<'a>> {
        let live = self.slots.get(..self.live)?;
        live.binary_search_by_key(&id, |slot| slot.0).ok().and_then(|at| live.get(at)).map(|slot| &slot.1)
    }
}

/// Reads one process.
pub(super) fn process<'a>(scan: &mut Scan<'a>, out: &mut Resource<'a>) -> Step<()> {
    out.clear();
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            match key {
                "serviceName" => out.service = service(scan.text()?),
                "tags" | "tag" => tags(scan, &mut out.attributes)?,
                _ => scan.skip()?,
            }
        }
    }
    out.instance = first_text(&out.attributes, &INSTANCE);
    Ok(())
}
