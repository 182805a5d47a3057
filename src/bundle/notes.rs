//! `bundle.yaml`: what the person who made a bundle can say about its files.
//!
//! ```text
//! zone: Europe/Berlin
//! environment: production
//! files:
//!   - path: "node-*/payments/**"
//!     service: payments
//!     instance: payments-0
//!     format: text-log
//! ```
//!
//! It lies at the root of a directory. Every entry whose pattern matches a path counts, a later one over an earlier one.
//! What this file does not do: overrule a record that names its service.

use crate::bundle::glob;
use serde::Deserialize;

/// Names under which the notes lie at a bundle's root.
pub const NAMES: [&str; 2] = ["bundle.yaml", "bundle.yml"];
/// Larger files are no notes.
pub const LARGEST: u64 = 1 << 20;

/// All notes of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// Zone of times that name none.
    #[serde(default)]
    pub zone: String,
    /// Environment of every file: production, staging.
    #[serde(default)]
    pub environment: String,
    /// Notes about some of the files.
    #[serde(default)]
    pub files: Vec<Note>,
}

/// A note about the files whose path matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Pattern of paths.
    pub path: String,
    /// Service of records that name none.
    #[serde(default)]
    pub service: String,
    /// Instance of records that name none.
    #[serde(default)]
    pub instance: String,
    /// Zone of times that name none.
    #[serde(default)]
    pub zone: String,
    /// Environment.
    #[serde(default)]
    pub environment: String,
    /// The format, whatever the content looks like.
    #[serde(default)]
    pub format: String,
}

impl Notes {
    /// Reads notes.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    /// What is said about a path, all entries in one.
    #[must_use]
    pub fn of(&self, path: &str) -> Note {
        let mut all = Note { zone: self.zone.clone(), environment: self.environment.clone(), ..Note::default() };
        for note in self.files.iter().filter(|note| glob::matches(&note.path, path)) {
            let pairs = [
                (&mut all.service, &note.service),
                (&mut all.instance, &note.instance),
                (&mut all.zone, &note.zone),
                (&mut all.environment, &note.environment),
                (&mut all.format, &note.format),
            ];
            for (slot, said) in pairs {
                if !said.is_empty() {
                    slot.clone_from(said);
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_entries_count_over_earlier_ones() {
        let notes = Notes::parse(
            "zone: UTC\nfiles:\n  - path: \"a/**\"\n    service: orders\n    instance: one\n  - path: \"*.gc\"\n    service: jvm\n    format: gc-unified\n",
        );
        let notes = notes.unwrap_or_default();
        let note = notes.of("a/b.gc");
        assert_eq!((note.service.as_str(), note.instance.as_str(), note.zone.as_str(), note.format.as_str()), ("jvm", "one", "UTC", "gc-unified"));
        assert_eq!(notes.of("b.log"), Note { zone: "UTC".to_owned(), ..Note::default() });
    }

    #[test]
    fn mistakes_are_told() {
        assert!(Notes::parse("files:\n  - pth: x\n").is_err_and(|error| !error.is_empty()));
        assert!(Notes::parse("").is_ok_and(|notes| notes == Notes::default()) || Notes::parse("").is_err());
    }
}
