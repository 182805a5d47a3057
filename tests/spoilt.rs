//! Records that are spoilt, and bytes that never were records: read without a panic, and within the bytes.

use crate::bounds::{parse, recognised};
use crate::program::{files, samples};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::sync::OnceLock;

/// The heads of all files of the samples, and the beginnings of formats that none of them holds.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let head = |path: &std::path::PathBuf| {
            let mut bytes = fs::read(path).unwrap();
            bytes.truncate(6 << 10);
            bytes
        };
        let others = crate::seeds::FAMILIES.iter().flat_map(|(_, seeds)| *seeds).map(|seed| seed.to_vec());
        samples().iter().flat_map(|root| files(root)).map(|path| head(&path)).chain(others).collect()
    })
}

/// Recognises and reads bytes as a whole and in pieces. It fails by a panic or by evidence outside the bytes.
fn read(bytes: &[u8]) {
    if let Some(found) = recognised(bytes) {
        parse(&found, bytes, usize::MAX / 4);
        parse(&found, bytes, 700);
    }
}

#[test]
fn every_seed_is_recognised() {
    for seed in crate::seeds::FAMILIES.iter().flat_map(|(_, seeds)| *seeds) {
        let found = recognised(seed).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(seed)));
        // A recording that anything can be read of is too long for a seed.
        let read = parse(&found, seed, usize::MAX / 4);
        assert!(read.records > 0 || found.label == "flight-recording", "{}: {}", found.label, String::from_utf8_lossy(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        read(&bytes);
    }

    #[test]
    fn any_text_is_read(text in r#"(([0-9]{1,4}[-:.T ,]){0,8}(INFO|ERROR|"|\{|\}|\[|\]|\\|at |=|\t|[a-z]{1,9}|\PC| ){0,20}\n){0,30}"#) {
        read(text.as_bytes());
    }

    /// Real heads with bytes changed, taken out, put in and said again.
    #[test]
    fn spoilt_records_are_read(
        seed in any::<Index>(),
        other in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..6), 0..24),
    ) {
        let mut bytes = seeds()[seed.index(seeds().len())].clone();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + usize::from(byte)).min(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => bytes.truncate(at.max(64)),
                _ => {
                    let from = &seeds()[other.index(seeds().len())];
                    let part = from[at.min(from.len())..end.min(from.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        read(&bytes);
    }
}
