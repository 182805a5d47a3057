//! The body of a health check: the status of the whole and of its components, in a file of its own.
//!
//! ```text
//! {"status":"UP","components":{"db":{"status":"DOWN","details":{"error":"..."}},"livenessState":{"status":"UP"}}}
//! HTTP/1.1 200 OK                                                  what `curl -i` prints above it
//! ```
//!
//! Every component becomes an event of the kind `HealthComponent`: its name is the object, its status the reason, and the
//! message says the status of the whole. Bodies may follow one another with times between them. What this file does not do:
//! find bodies in logs; a signal does.

use crate::formats::arena::Arena;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::lines::{Block, LineFormat};
use crate::formats::prometheus::clock::{self, Named};
use crate::formats::{Format, Match, free_text};
use crate::model::record::{EventRecord, Sink};
use crate::model::source::Head;
use crate::model::time::Time;

/// Health bodies.
pub const FORMAT: Format = Format { name: "health-body", sniff };

/// Components may be nested so deep: those of groups of data sources.
const DEEPEST: u32 = 4;

struct Bodies {
    dated: bool,
    named: Option<Named>,
}

impl LineFormat for Bodies {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        if self.dated { is_date(line) } else { line.starts_with(b"{") || line.starts_with(b"HTTP/") }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !(if self.dated { is_date(line) } else { line.starts_with(b"HTTP/") })
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut time = self.named.map_or(Time::NONE, |named| named.in_zone(block.hints.zone));
        let (arena, mut at) = (Arena::default(), 0);
        while let Some(rest) = block.text.get(at..).filter(|rest| !rest.trim_start().is_empty()) {
            at += rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            let mut scan = Scan::of_text(block.text, &arena);
            scan.restart(at);
            if rest.starts_with('{') {
                let mut body = Body::default();
                match body.read(&mut scan, 0, "") {
                    Ok(()) => body.say(block, at, scan.at(), time, sink),
                    Err(reason) => return sink.quarantine(block.part(at, rest.len()), reason),
                }
                at = scan.at().max(at + 1);
            } else {
                let line = rest.lines().next().unwrap_or_default();
                match clock::time_in(line.as_bytes(), block.hints) {
                    Some(told) => time = told,
                    None if line.starts_with("HTTP/") || line.contains(": ") => {}
                    None => {
                        let foreign = Block { text: line, evidence: block.part(at, line.len()), hints: block.hints };
                        free_text().record(&foreign, sink);
                    }
                }
                at += line.len().max(1);
            }
        }
    }
}

/// What a body says: the whole first, then each component by its path.
#[derive(Default)]
struct Body<'a> {
    overall: &'a str,
    components: Vec<(String, &'a str, &'a str)>,
}

impl<'a> Body<'a> {
    /// Reads the object at the cursor, which is the whole or, below a path, a component.
    fn read(&mut self, scan: &mut Scan<'a>, depth: u32, path: &str) -> Step<()> {
        let slot = self.components.len();
        let (mut status, mut error) = ("", "");
        if !scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = scan.key()? {
            match key {
                "status" => status = scan.text()?,
                "components" | "details" | "checks" if depth < DEEPEST && scan.peek() == Some(b'{') => {
                    scan.enter_object()?;
                    while let Some(name) = scan.key()? {
                        if name == "error" {
                            error = scan.text()?;
                        } else if scan.peek() == Some(b'{') {
                            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                            self.read(scan, depth + 1, &inner)?;
                        } else {
                            scan.skip()?;
                        }
                    }
                }
                _ => scan.skip()?,
            }
        }
        if path.is_empty() {
            self.overall = status;
        } else if !status.is_empty() {
            self.components.insert(slot, (path.to_owned(), status, error));
        }
        Ok(())
    }

    fn say(&self, block: &Block<'_>, from: usize, to: usize, time: Time, sink: &mut dyn Sink) {
        let evidence = block.part(from, to.saturating_sub(from));
        let event = EventRecord { time, count: 1, kind: "HealthComponent", service: &block.hints.service, evidence, ..EventRecord::default() };
        for (name, status, error) in &self.components {
            let message = if error.is_empty() { format!("overall {}", self.overall) } else { format!("overall {}; {error}", self.overall) };
            let warning = !matches!(*status, "UP" | "UNKNOWN");
            sink.event(&EventRecord { warning, object: name, reason: status, message: &message, ..event });
        }
        if self.components.is_empty() {
            let message = format!("overall {}", self.overall);
            sink.event(&EventRecord { warning: self.overall != "UP", object: "health", reason: self.overall, message: &message, ..event });
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let dated = is_date(first.as_bytes());
    // Nothing but a time and the head of an answer may stand above the first body.
    let at = text.find('{').filter(|at| {
        text.get(..*at).is_some_and(|above| above.lines().count() < 24 && (above.trim().is_empty() || dated || first.starts_with("HTTP/")))
    })?;
    let arena = Arena::default();
    let mut scan = Scan::of_text(text.get(at..)?, &arena);
    let mut body = Body::default();
    body.read(&mut scan, 0, "").ok()?;
    let known = body.overall.len() >= 2 && body.overall.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    // A body without components is told from other objects by having nothing but a status and groups.
    let plain = !body.components.is_empty()
        || text.get(at..at + scan.at()).is_some_and(|body| body.len() < 200 && matches!(body.matches("\":").count(), 1 | 2));
    let named = if dated { None } else { clock::in_name(head.path) };
    (known && plain).then(|| Match::lines(85, "health-body", Box::new(Bodies { dated, named })))
}

fn is_date(line: &[u8]) -> bool {
    line.first().is_some_and(|b| !matches!(b, b'{' | b'}' | b' ' | b'"')) && !line.starts_with(b"Date:") && clock::is_dated(line)
}

#[cfg(test)]
mod tests {
    use crate::formats::fixture::{placeless, recognised};

    #[test]
    fn components_of_a_body() {
        let text = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{\"status\":\"UP\",\"components\":{\"db\":{\"status\":\"DOWN\",\"details\":{\"error\":\"refused\",\"validationQuery\":\"isValid()\"}},\"livenessState\":{\"status\":\"UP\"}}}\n";
        let (label, transcript) = recognised(text).unwrap();
        assert_eq!(label, "health-body");
        assert_eq!(
            placeless(&transcript),
            [
                r#"event count="1" warning="true" kind="HealthComponent" object="db" reason="DOWN" message="overall UP; refused""#,
                r#"event count="1" kind="HealthComponent" object="livenessState" reason="UP" message="overall UP""#
            ]
        );
    }

    #[test]
    fn bodies_with_times_and_without_components() {
        let text = "2026-01-01T10:00:00Z\n{\"status\":\"UP\"}\n2026-01-01T10:01:00Z\n{\n  \"status\": \"DOWN\",\n  \"groups\": [\"liveness\"]\n}\n";
        let (_, transcript) = recognised(text).unwrap();
        assert_eq!(
            placeless(&transcript),
            [
                r#"event time="2026-01-01T10:00:00Z" count="1" kind="HealthComponent" object="health" reason="UP" message="overall UP""#,
                r#"event time="2026-01-01T10:01:00Z" count="1" warning="true" kind="HealthComponent" object="health" reason="DOWN" message="overall DOWN""#
            ]
        );
    }

    #[test]
    fn other_objects_are_not_claimed() {
        for text in ["{\"status\":\"success\",\"data\":{}}", "{\"status\":\"SHIPPED\",\"order\":17,\"customer\":3,\"total\":4}", "{\"name\":\"x\"}"] {
            assert!(recognised(text).is_none_or(|(label, _)| label != "health-body"), "{text}");
        }
    }
}
