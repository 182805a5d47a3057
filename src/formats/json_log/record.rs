//! One JSON object as a log record: the walk over its members, and what they add up to.
//!
//! ```text
//! {"@timestamp":"2026-11-22T19:36:07.043Z","message":"accepted","level":"INFO","traceId":"f707…","orderId":"ord-0"}
//! {"level":30,"time":1795376313582,"pid":7,"hostname":"vm","req":{"method":"POST"},"msg":"request completed"}
//! {"instant":{"epochSecond":1795376223,"nanoOfSecond":181165068},"level":"INFO","message":"x","contextMap":{"traceId":"0cd2…"}}
//! ```
//!
//! Every member goes to the part of the record that its key claims, if its value fits there and no better key has
//! claimed the part; everything else becomes a field, so that nothing is lost. What this file does not do: decide
//! whether an object is a log record at all; that is the sniffing in `mod.rs`.

use crate::formats::access_log::Told;
use crate::formats::json_log::bump::Bump;
use crate::formats::json_log::found::Found;
use crate::formats::json_log::keys::{self, Alias, Role};
use crate::formats::json_log::scan::{Broken, Cursor, Item, Raw};
use crate::formats::json_log::trail::{Fresh, Place, Trails};
use crate::formats::payload;
use crate::model::record::{Field, Level, LogRecord, Sink, Value};
use crate::model::source::{Evidence, Hints};
use std::cell::Cell;

/// Objects nested deeper than this stay JSON text.
const DEEPEST: u8 = 6;
/// JSON inside the message inside the message is read, and no further.
const MESSAGES: u8 = 2;
/// A buffer that a giant record has grown is not kept beyond this.
const KEPT: usize = 4 << 20;

/// Buffers that are reused from record to record.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    path: String,
    fields: Vec<Field<'static>>,
    trails: Trails,
    fresh: Fresh,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Reads the object at the start of `text` and gives it to the sink: how many bytes it took. `prefix` is what stood
/// before it on the line; `evidence` is asked for that many bytes.
pub fn read(text: &str, prefix: &str, evidence: impl Fn(usize) -> Evidence, hints: &Hints, sink: &mut dyn Sink) -> Result<usize, Broken> {
    let mut scratch = SCRATCH.take();
    // Unescaped text is never longer than what it stands for; joined keys and rendered stacks are short beside it.
    let room = 4 * text.len() + 4096;
    if scratch.bytes.len() < room {
        scratch.bytes.resize(room, 0);
    }
    scratch.fresh.clear();
    let mut walker = Walker {
        bump: Bump::new(&mut scratch.bytes),
        path: std::mem::take(&mut scratch.path),
        trails: &scratch.trails,
        place: Place::ROOT,
        is_known: true,
        fresh: scratch.fresh,
        found: Found::new(hints, scratch.fields),
    };
    let mut cursor = Cursor::new(text);
    let read = walker.record(&mut cursor).map(|()| cursor.at());
    if let Ok(len) = read {
        walker.found.prefix(prefix);
        let record = walker.found.finish(&mut walker.bump);
        let mut record = LogRecord { evidence: evidence(len), fields: &walker.found.fields, ..record };
        // Servers log requests without any message.
        let told = if record.message.is_empty() { Told::of(record.fields, hints.zone) } else { None };
        if let Some(told) = &told {
            record.message = told.message();
            record.level = if record.level == Level::None { told.level } else { record.level };
            record.time = if record.time.is_none() { told.time } else { record.time };
        }
        // A shipper that knows nothing of the line it carries.
        if record.level == Level::None && record.logger.is_empty() && payload::is_line(record.message) {
            payload::read(record.message, &LogRecord { message: "", ..record }, hints, sink);
        } else {
            sink.log(&record);
        }
    }
    let place = walker.place;
    scratch.path = walker.path;
    scratch.fresh = walker.fresh;
    scratch.fields = emptied(walker.found.fields);
    scratch.trails.grow(place, &scratch.fresh);
    if scratch.bytes.len() > KEPT {
        scratch.bytes = Vec::new();
    }
    SCRATCH.set(scratch);
    read
}

/// The empty vector in the same memory, free of what it borrowed.
fn emptied(fields: Vec<Field<'_>>) -> Vec<Field<'static>> {
    fields.into_iter().map_while(|_| None).collect()
}

/// Which keys of an object mean something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All.
    Record,
    /// Only ids, service and instance: the object holds what a user put there.
    Context,
}

/// The object that is being walked.
#[derive(Clone, Copy)]
struct Scope {
    /// Length of the path to it, the last dot included.
    path: usize,
    /// Where in the path the keys that mean something begin.
    base: usize,
    mode: Mode,
    /// Added to the rank of every key: what is nested is believed less.
    rank: u8,
    depth: u8,
}

/// The record's own members. Ranks of keys are below 32, so that each step of nesting is worse than all of the last.
const ROOT: Scope = Scope { path: 0, base: 0, mode: Mode::Record, rank: 64, depth: 0 };
/// The members of an application's own line inside a shipper's record: better than what is around it.
const PAYLOAD: Scope = Scope { rank: 0, ..ROOT };
/// The members of JSON in a message: worse than what is around it.
const MESSAGE: Scope = Scope { rank: 128, ..ROOT };

struct Walker<'a> {
    bump: Bump<'a>,
    path: String,
    trails: &'a Trails,
    /// How far the keys have come in an order that is known.
    place: Place,
    is_known: bool,
    /// The keys after that.
    fresh: Fresh,
    found: Found<'a>,
}

/// A key, and what it means where it stands.
#[derive(Clone, Copy)]
struct Key<'a> {
    text: &'a str,
    alias: Alias,
    /// The name of a field under it, if that is known.
    name: Option<&'a str>,
}

impl<'a> Walker<'a> {
    fn record(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Broken> {
        if !matches!(cursor.item()?, Item::Object) {
            return Err(Broken::Malformed);
        }
        self.object(cursor, ROOT)?;
        for _ in 0..MESSAGES {
            let message = self.found.message;
            if !message.value.trim_start().starts_with('{') {
                break;
            }
            let mut inner = Cursor::new(message.value);
            let whole = inner.item().is_ok() && inner.rest().is_ok() && inner.peek().is_none();
            if !whole {
                break;
            }
            inner = Cursor::new(message.value);
            inner.item()?;
            self.found.message = Default::default();
            self.object(&mut inner, if message.rank == ROOT.rank + keys::LOG { PAYLOAD } else { MESSAGE })?;
            if self.found.message.value.is_empty() {
                self.found.message = message;
                break;
            }
        }
        Ok(())
    }

    fn object(&mut self, cursor: &mut Cursor<'a>, scope: Scope) -> Result<(), Broken> {
        let mut first = true;
        while cursor.has_member(first)? {
            first = false;
            let key = self.key(cursor, scope)?;
            // Nine of ten values are strings, and need no detour over an `Item`.
            if cursor.peek() == Some(b'"') {
                let raw = cursor.string()?;
                self.text(raw, key, scope);
                continue;
            }
            match cursor.item()? {
                Item::Text(raw) => self.text(raw, key, scope),
                Item::Number(number) => {
                    let name = self.name(key, scope);
                    self.found.number(number, name, key.alias.role, scope.rank + key.alias.rank);
                }
                Item::Bool(_) if key.alias.role == Role::Noise => {}
                Item::Bool(value) => {
                    let name = self.name(key, scope);
                    self.found.field(name, Value::Bool(value));
                }
                Item::Null => {}
                Item::Object => self.nested(cursor, key, scope)?,
                Item::Array => self.array(cursor, key, scope)?,
            }
        }
        Ok(())
    }

    /// Takes a key: as the one that is known to come here, else by looking it up.
    #[inline]
    fn key(&mut self, cursor: &mut Cursor<'a>, scope: Scope) -> Result<Key<'a>, Broken> {
        if self.is_known {
            if let Some((place, known)) = self.trails.next(self.place, cursor.inside_quote(), scope.path) {
                self.place = place;
                cursor.take_key(known.key.len())?;
                return Ok(Key { text: known.key, alias: known.alias, name: Some(known.name) });
            }
            self.is_known = false;
            if !self.trails.may_part(self.place) {
                self.fresh.close();
            }
        }
        self.new_key(cursor, scope)
    }

    fn new_key(&mut self, cursor: &mut Cursor<'a>, scope: Scope) -> Result<Key<'a>, Broken> {
        let raw = cursor.key()?;
        let text = self.bump.unescaped(raw);
        self.path.truncate(scope.path);
        let before = self.path.len();
        self.path.push_str(text);
        let alias = keys::alias(self.path.as_bytes().get(scope.base..).unwrap_or_default());
        let alias = allowed(alias, scope.mode);
        self.fresh.add(&self.path[..before], (!raw.escaped).then_some(text), alias);
        Ok(Key { text, alias, name: None })
    }

    fn text(&mut self, raw: Raw<'a>, key: Key<'a>, scope: Scope) {
        if key.alias.role == Role::Noise {
            return;
        }
        let value = self.bump.unescaped(raw);
        let name = self.name(key, scope);
        self.found.text(value, name, key.alias.role, scope.rank + key.alias.rank);
    }

    fn nested(&mut self, cursor: &mut Cursor<'a>, key: Key<'a>, scope: Scope) -> Result<(), Broken> {
        let alias = key.alias;
        if alias.role == Role::Stack {
            let tree = cursor.rest()?;
            if self.found.tree(tree, scope.rank + alias.rank) {
                return Ok(());
            }
            let key = self.name(key, scope);
            self.found.field(key, Value::Text(tree));
            return Ok(());
        }
        if scope.depth == DEEPEST {
            let value = Value::Text(cursor.rest()?);
            let key = self.name(key, scope);
            self.found.field(key, value);
            return Ok(());
        }
        let inner = self.enter(key, scope);
        self.object(cursor, inner)
    }

    fn array(&mut self, cursor: &mut Cursor<'a>, key: Key<'a>, scope: Scope) -> Result<(), Broken> {
        let alias = key.alias;
        if alias.role == Role::Context && scope.depth < DEEPEST {
            return self.pairs(cursor, key, scope);
        }
        let text = cursor.rest()?;
        match alias.role {
            Role::Stack if self.found.tree(text, scope.rank + alias.rank) => {}
            Role::Arguments => self.found.arguments = text,
            _ => {
                let key = self.name(key, scope);
                self.found.field(key, Value::Text(text));
            }
        }
        Ok(())
    }

    /// A list of `{"key":…,"value":…}` (log4j2), of `{"orderId":…}` (Logback) or of objects (Rust's spans), as if it were one object.
    fn pairs(&mut self, cursor: &mut Cursor<'a>, key: Key<'a>, scope: Scope) -> Result<(), Broken> {
        let mut first = true;
        while cursor.element(first)? {
            first = false;
            match cursor.item()? {
                Item::Object => {
                    let inner = self.enter(key, scope);
                    match pair(&mut cursor.clone()) {
                        Some((name, value)) => {
                            cursor.rest()?;
                            let name = self.bump.unescaped(name);
                            self.path.truncate(inner.path);
                            self.path.push_str(name);
                            let alias = allowed(keys::alias(name.as_bytes()), Mode::Context);
                            self.text(value, Key { text: name, alias, name: None }, inner);
                        }
                        None => self.object(cursor, inner)?,
                    }
                }
                Item::Array => {
                    cursor.rest()?;
                }
                Item::Text(raw) => {
                    self.path.truncate(scope.path);
                    self.path.push_str(key.text);
                    self.text(raw, Key { alias: Alias { role: Role::Field, rank: 0 }, ..key }, scope);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The scope of the object under `key`.
    fn enter(&mut self, key: Key<'_>, scope: Scope) -> Scope {
        self.path.truncate(scope.path);
        self.path.push_str(key.text);
        self.path.push('.');
        let inner = Scope { path: self.path.len(), depth: scope.depth + 1, ..scope };
        let (mode, steps) = match key.alias {
            Alias { role: Role::Context, .. } => (Mode::Context, 32),
            Alias { role: Role::Inner, .. } | Alias { role: Role::Message, rank: ..=keys::MESSAGE } => (scope.mode, 32),
            _ => return inner,
        };
        // Two steps at most, so that ranks of one source never reach those of the next.
        let rank = if scope.rank.is_multiple_of(64) { scope.rank + steps } else { scope.rank };
        Scope { base: self.path.len(), mode, rank, ..inner }
    }

    /// The name of a field: the path that was walked, as long as there is room for it.
    fn name(&mut self, key: Key<'a>, scope: Scope) -> &'a str {
        if scope.path == 0 {
            return key.text;
        }
        if let Some(name) = key.name {
            // Takes the room that the path would, so that it does not matter whether the key was met before.
            return if self.bump.spend(name.len()) { name } else { key.text };
        }
        let path = &self.path;
        self.bump.text(|pen| pen.push(path)).unwrap_or(key.text)
    }
}

/// What a key means where it stands.
fn allowed(alias: Alias, mode: Mode) -> Alias {
    let allowed = match alias.role {
        Role::Trace | Role::Span | Role::TraceParent | Role::Service | Role::Instance | Role::Context | Role::Field => true,
        _ => mode == Mode::Record,
    };
    if allowed { alias } else { Alias { role: Role::Field, rank: 0 } }
}

/// The two texts of `{"key":…,"value":…}`.
fn pair<'a>(cursor: &mut Cursor<'a>) -> Option<(Raw<'a>, Raw<'a>)> {
    let key = cursor.member(true).ok()??;
    let Item::Text(name) = cursor.item().ok()? else { return None };
    let value = cursor.member(false).ok()??;
    let Item::Text(text) = cursor.item().ok()? else { return None };
    (key.text == "key" && value.text == "value").then_some((name, text))
}
