//! The orders in which keys have come, so that a key met in its usual place need not be looked up again.
//!
//! ```text
//! {"time":…,"level":…,"msg":…}  {"time":…,"level":…,"msg":…,"err":…}      time - level - msg - err
//!                                                                                              \ orderId
//! ```
//!
//! Records of one logging statement have the same keys in the same order, and those of one program begin alike. The keys of all
//! records form a tree, in which each record is a walk from the root. What a key means follows from the way to it: it is found
//! once, when the tree grows. What this file does not do: find it; that is for the walk over the record.

use crate::formats::json_log::keys::{Alias, Role};

/// Steps remembered at once. A tree that is full is cut down, so that records whose keys are made up take no more room.
const MOST: usize = 2048;
/// Longer keys, and keys with longer paths, are not remembered.
const LONGEST: usize = 256;
/// How many ways may go on from one step; more are looked at for longer than they save.
const WAYS: usize = 24;

/// A place in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(u32);

impl Place {
    /// Where every record begins.
    pub const ROOT: Self = Self(0);
}

/// A key on a way.
#[derive(Clone, Debug)]
struct Step {
    /// The name of a field under the key: the path to it, and the quote that ends the key.
    name: Box<str>,
    /// Length of the path to the object that has the key.
    path: usize,
    alias: Alias,
    /// The first step after this, and the next beside it; zero if there is none.
    after: u32,
    beside: u32,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The key.
    pub key: &'a str,
    /// Its full name.
    pub name: &'a str,
    /// What it means.
    pub alias: Alias,
}

/// The tree.
#[derive(Debug, Default)]
pub struct Trails {
    /// The root, which is no key, and all others.
    steps: Vec<Step>,
}

impl Trails {
    /// The step from `place` to the key with which `rest` begins, its opening quote left out; `path` is the length of the path
    /// to the object that is walked.
    #[inline]
    pub fn next(&self, place: Place, rest: &[u8], path: usize) -> Option<(Place, Known<'_>)> {
        let mut number = self.steps.get(place.0 as usize)?.after;
        while number != 0 {
            let step = self.steps.get(number as usize)?;
            if step.path == path && rest.starts_with(step.name.as_bytes().get(path..)?) {
                let name = step.name.strip_suffix('"')?;
                return Some((Place(number), Known { key: if path == 0 { name } else { name.get(path..)? }, name, alias: step.alias }));
            }
            number = step.beside;
        }
        None
    }

    /// Whether a further way may go on from a step.
    #[must_use]
    pub fn may_part(&self, place: Place) -> bool {
        let next = |number: u32| Some(number).filter(|number| *number != 0);
        let first = self.steps.get(place.0 as usize).and_then(|step| next(step.after));
        std::iter::successors(first, |number| self.steps.get(*number as usize).and_then(|step| next(step.beside))).take(WAYS).count() < WAYS
    }

    /// Adds the steps that a record took after `place`.
    pub fn grow(&mut self, place: Place, fresh: &Fresh) {
        if fresh.steps.is_empty() {
            return;
        }
        let mut at = place.0 as usize;
        if self.steps.len() + fresh.steps.len() > MOST {
            self.steps.clear();
            if place != Place::ROOT {
                return;
            }
        }
        if self.steps.is_empty() {
            self.steps.push(Step { name: "".into(), path: 0, alias: Alias { role: Role::Field, rank: 0 }, after: 0, beside: 0 });
        }
        for step in &fresh.steps {
            let number = self.steps.len();
            if !self.link(at, number as u32) {
                return;
            }
            self.steps.push(step.clone());
            at = number;
        }
    }

    /// Makes a step the last of those after another; false if there are too many.
    fn link(&mut self, from: usize, number: u32) -> bool {
        let Some(step) = self.steps.get_mut(from) else { return false };
        if step.after == 0 {
            step.after = number;
            return true;
        }
        let mut last = step.after as usize;
        for _ in 0..WAYS {
            let Some(step) = self.steps.get_mut(last) else { return false };
            if step.beside == 0 {
                step.beside = number;
                return true;
            }
            last = step.beside as usize;
        }
        false
    }
}

/// The steps of a record that are not in the tree.
#[derive(Debug, Default)]
pub struct Fresh {
    steps: Vec<Step>,
    /// A key could not be remembered, so neither can those after it.
    cut: bool,
}

impl Fresh {
    /// Takes no keys until it is cleared.
    pub const fn close(&mut self) {
        self.cut = true;
    }

    /// None yet.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.cut = false;
    }

    /// Adds a key. `before` is the path to its object; none if the key is not written as it is meant, with a backslash.
    pub fn add(&mut self, before: &str, key: Option<&str>, alias: Alias) {
        let Some(key) = key.filter(|key| !self.cut && key.len() + before.len() <= LONGEST && self.steps.len() < MOST / 4) else {
            self.cut = true;
            return;
        };
        let name = [before, key, "\""].concat().into();
        self.steps.push(Step { name, path: before.len(), alias, after: 0, beside: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::json_log::keys;

    fn walk(trails: &Trails, keys: &[(&str, &str)]) -> usize {
        let mut place = Place::ROOT;
        for (at, (path, key)) in keys.iter().enumerate() {
            let Some((next, known)) = trails.next(place, format!("{key}\":1").as_bytes(), path.len()) else { return at };
            assert_eq!((known.key, known.name, known.alias), (*key, &*format!("{path}{key}"), keys::alias(key.as_bytes())));
            place = next;
        }
        keys.len()
    }

    fn grow(trails: &mut Trails, keys: &[(&str, &str)]) {
        let known = walk(trails, keys);
        let mut place = Place::ROOT;
        for (path, key) in &keys[..known] {
            place = trails.next(place, format!("{key}\"").as_bytes(), path.len()).unwrap().0;
        }
        let mut fresh = Fresh::default();
        keys[known..].iter().for_each(|(path, key)| fresh.add(path, Some(key), keys::alias(key.as_bytes())));
        trails.grow(place, &fresh);
    }

    #[test]
    fn ways_part_and_are_found_again() {
        let mut trails = Trails::default();
        let ways: [&[(&str, &str)]; 4] = [
            &[("", "time"), ("", "msg"), ("", "err")],
            &[("", "time"), ("", "msg"), ("", "orderId")],
            &[("", "log"), ("log.", "level"), ("", "msg")],
            &[("", "time"), ("", "m")],
        ];
        for way in ways {
            grow(&mut trails, way);
        }
        for way in ways {
            assert_eq!(walk(&trails, way), way.len());
        }
        assert_eq!(walk(&trails, &[("", "time"), ("", "ms")]), 1);
        assert_eq!(walk(&trails, &[("", "log"), ("", "level")]), 1, "the key of another object");
    }

    #[test]
    fn made_up_keys_take_no_room() {
        let mut trails = Trails::default();
        for n in 0..3 * MOST {
            let keys: Vec<String> = (0..4).map(|k| format!("{n}-{k}")).collect();
            let way: Vec<(&str, &str)> = keys.iter().map(|key| ("", key.as_str())).collect();
            grow(&mut trails, &way);
        }
        assert!(trails.steps.len() <= MOST);
        assert!(!trails.may_part(Place::ROOT), "each of those keys was first in its record");
        let mut fresh = Fresh::default();
        fresh.add("", None, keys::alias(b"x"));
        fresh.add("", Some("level"), keys::alias(b"level"));
        assert!(fresh.steps.is_empty());
    }
}
