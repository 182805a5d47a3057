//! Files of objects: JSON or YAML, one after the other, listings made again and again with the time above each.
//!
//! ```text
//! {"apiVersion":"v1","items":[...],"kind":"List"}     ---                     Sun Nov 22 19:44:42 UTC 2026
//! {"type":"ADDED","object":{...}}                     apiVersion: v1          {"kind":"HorizontalPodAutoscaler",...}
//! ```
//!
//! Of a list only one item is held at a time, as long as it is JSON. What this file does not do: know kinds; `object.rs` does.

use super::object::{self, Ground};
use super::{json, yaml};
use crate::formats::arena::Arena;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::lines::{Block, LineFormat};
use crate::formats::prometheus::clock::{self, Named};
use crate::formats::{Format, Match};
use crate::model::record::{Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use memchr::memmem;

/// Kubernetes objects.
pub const FORMAT: Format = Format { name: "kube-object", sniff };

/// Objects of the head that are looked at.
const OBJECTS: usize = 3;

/// What between two objects belongs to none.
const BETWEEN: [char; 6] = [' ', '\t', '\r', '\n', ',', '\u{feff}'];

/// The line format.
struct Manifests {
    /// Whether times stand above the listings: then they are the borders.
    dated: bool,
    /// The time in the file's name, for a file of one listing.
    named: Option<Named>,
}

impl LineFormat for Manifests {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        if self.dated {
            return is_date(line);
        }
        match line {
            [b'-', b'-', b'-'] | [b'-', b'-', b'-', b' ', ..] | [b'{' | b'[', ..] => true,
            // Inside of a document neither an empty line nor a comment stands above these.
            _ => begins_yaml(line) && (previous.is_empty() || previous.first() == Some(&b'#')),
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !self.starts(line, b"-")
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let named = self.named.map_or(Time::NONE, |named| named.in_zone(block.hints.zone));
        Reader { block, arena: &Arena::default(), time: named, sink }.read();
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let dated = text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| is_date(line.as_bytes()));
    let text = if dated { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    let text = text.trim_start_matches(BETWEEN);
    let (good, label) = match text.as_bytes().first()? {
        b'{' | b'[' => (is_json(text, head.whole), "kube-object/json"),
        _ => (is_yaml(text), "kube-object/yaml"),
    };
    let named = if dated { None } else { clock::in_name(head.path) };
    good.then(|| Match::lines(92, label, Box::new(Manifests { dated, named })))
}

/// Whether the first objects are those of Kubernetes; of one that is longer than the head, what its beginning says.
fn is_json(text: &str, whole: bool) -> bool {
    let arena = Arena::default();
    let mut scan = Scan::of_text(text, &arena);
    for _ in 0..OBJECTS {
        match json::read(&mut scan) {
            Ok(node) if object::is_one(&node) => return true,
            Ok(_) => scan.restart(text.len() - text.get(scan.at()..).unwrap_or_default().trim_start_matches(BETWEEN).len()),
            Err(Reason::Truncated) if !whole || text.len() > 1 => return looks_like_one(text),
            Err(_) => return false,
        }
    }
    false
}

/// Whether the beginning of an object has the keys that all have, as keys.
fn looks_like_one(text: &str) -> bool {
    let has =
        |key: &str| memmem::find_iter(text.as_bytes(), key).any(|at| text.get(at + key.len()..).unwrap_or_default().trim_start().starts_with(':'));
    has("\"apiVersion\"") && (has("\"kind\"") || has("\"items\"")) && has("\"metadata\"")
}

fn is_yaml(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !line.trim_start().is_empty() && !line.starts_with('#'));
    let first = lines().find(|line| !line.starts_with("---")).unwrap_or_default();
    let has = |key: &str| lines().any(|line| line.trim_start_matches(['-', ' ']).starts_with(key));
    begins_yaml(first.as_bytes()) && has("apiVersion:") && has("kind:") || first.starts_with("metadata:") && has("involvedObject:")
}

fn begins_yaml(line: &[u8]) -> bool {
    const FIRST: [&[u8]; 5] = [b"apiVersion:", b"kind:", b"- apiVersion:", b"- kind:", b"items:"];
    FIRST.iter().any(|key| line.starts_with(key))
}

/// Whether a line is what a script printed above a listing.
fn is_date(line: &[u8]) -> bool {
    !matches!(line.first(), None | Some(b' ' | b'\t' | b'{' | b'}' | b'[' | b']' | b'"')) && !line.contains(&b'{') && clock::is_dated(line)
}

struct Reader<'b, 's> {
    block: &'b Block<'b>,
    arena: &'b Arena,
    time: Time,
    sink: &'s mut dyn Sink,
}

impl<'b> Reader<'b, '_> {
    fn read(&mut self) {
        let text = self.block.text;
        let mut at = 0;
        while let Some(rest) = text.get(at..) {
            at = text.len() - rest.trim_start_matches(BETWEEN).len();
            let rest = text.get(at..).unwrap_or_default();
            let line = rest.lines().next().unwrap_or_default();
            let read = match rest.as_bytes().first() {
                None => return,
                Some(b'{' | b'[') => self.json(at),
                Some(_) if is_date(line.as_bytes()) => {
                    self.time = clock::time_in(line.as_bytes(), self.block.hints).unwrap_or(self.time);
                    Ok(at + line.len())
                }
                Some(_) => self.yaml(at),
            };
            match read {
                Ok(end) => at = end,
                Err(reason) => return self.sink.quarantine(self.block.part(at, text.len() - at), reason),
            }
        }
    }

    fn ground(&self, base: usize) -> Ground<'b> {
        Ground { block: self.block, base, time: self.time }
    }

    /// Reads the JSON document at a place; answers where it ends.
    fn json(&mut self, at: usize) -> Step<usize> {
        let mut scan = Scan::of_text(self.block.text, self.arena);
        scan.restart(at);
        let (mut kind, mut is_list) = ("", false);
        if scan.peek() == Some(b'{') {
            scan.enter_object()?;
            while let Some(key) = scan.key()? {
                is_list |= key == "items" && scan.peek() == Some(b'[');
                if key == "kind" { kind = scan.text()? } else { scan.skip()? }
            }
            scan.restart(at);
        }
        if !is_list {
            let node = json::read(&mut scan)?;
            object::read(&node, "", self.ground(0), self.sink);
            return Ok(scan.at());
        }
        let of = kind.strip_suffix("List").unwrap_or("");
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            if key != "items" {
                scan.skip()?;
            } else if scan.enter_array()? {
                while scan.item()? {
                    let node = json::read(&mut scan)?;
                    object::read(&node, of, self.ground(0), self.sink);
                }
            }
        }
        Ok(scan.at())
    }

    /// Reads the YAML document at a place; answers where it ends: before the next separator or time.
    fn yaml(&mut self, at: usize) -> Step<usize> {
        let rest = self.block.text.get(at..).unwrap_or_default();
        let rest_after = rest.strip_prefix("---").map_or(rest, |rest| rest.split_once('\n').map_or("", |(_, rest)| rest));
        let base = at + rest.len() - rest_after.len();
        let mut len = 0;
        for line in rest_after.split_inclusive('\n') {
            if line.starts_with("---") || is_date(line.trim_ascii_end().as_bytes()) {
                break;
            }
            len += line.len();
        }
        let document = rest_after.get(..len).unwrap_or_default();
        if document.lines().any(|line| !line.trim_start().is_empty() && !line.starts_with('#')) {
            let node = yaml::read(document, self.arena)?;
            object::read(&node, "", self.ground(base), self.sink);
        }
        Ok(base + len)
    }
}

#[cfg(test)]
mod tests;
