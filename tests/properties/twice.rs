//! A file that is in the bundle twice, as happens with a rotated log or an attachment of a ticket, counts once.

use super::{Copy, base, folder, lines, unchanged};
use crate::samples::Sample;
use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeMap;
use std::io::Write;

/// Where somebody has put copies of what is in the bundle already.
const TICKET: &str = "ticket-4711";

#[test]
fn a_copy_counts_once() {
    unchanged(
        |_, copy| vec![("each file again in another folder".to_owned(), again(copy)), ("each file packed beside it".to_owned(), packed(copy))],
        |_, report| lines(report),
    );
}

/// Alone, so that one copy does not hide what another does: the largest file of each folder.
#[test]
fn a_copy_of_one_file_counts_once() {
    let one = |_: &Sample, copy: &Copy| {
        let mut largest: BTreeMap<&str, &String> = BTreeMap::new();
        for path in copy.0.keys() {
            let best = largest.entry(folder(path)).or_insert(path);
            if copy.0[path].len() > copy.0[*best].len() {
                *best = path;
            }
        }
        let attached = |path: &String| {
            let mut changed = copy.clone();
            // Its folders stay: they may say that it is what another system, or another time, is compared with.
            changed.0.insert(format!("{TICKET}/{}/attached-{}", folder(path), base(path)), copy.0[path].clone());
            (format!("{path} attached"), changed)
        };
        largest.into_values().map(attached).collect()
    };
    unchanged(one, |_, report| lines(report));
}

fn again(copy: &Copy) -> Copy {
    let mut changed = copy.clone();
    changed.0.extend(copy.0.iter().map(|(path, bytes)| (format!("{TICKET}/{path}"), bytes.clone())));
    changed
}

fn packed(copy: &Copy) -> Copy {
    let mut changed = copy.clone();
    changed.0.extend(copy.0.iter().map(|(path, bytes)| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = gzip.write_all(bytes).and_then(|()| gzip.finish()).unwrap_or_else(|error| panic!("{error}"));
        (format!("{path}.1.gz"), packed)
    }));
    changed
}
