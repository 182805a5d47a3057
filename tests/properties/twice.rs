//! A file that is in the bundle twice, as happens with a rotated log or an attachment of a ticket, counts once.

use super::{Copy, base, lines, unchanged};
use crate::samples::Sample;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

#[test]
fn a_copy_counts_once() {
    unchanged(
        |_, copy| vec![("each file again in another folder".to_owned(), again(copy)), ("each file packed beside it".to_owned(), packed(copy))],
        lines,
    );
}

/// Each alone, so that one copy does not hide what another does.
#[test]
fn a_copy_of_one_file_counts_once() {
    let one = |_: &Sample, copy: &Copy| {
        let names: Vec<&String> = copy.0.keys().collect();
        let only = |name: &String| {
            let mut changed = copy.clone();
            changed.0.insert(format!("ticket-4711/attached-{}", base(name)), copy.0[name].clone());
            (format!("{name} attached"), changed)
        };
        names.into_iter().map(only).collect()
    };
    unchanged(one, lines);
}

fn again(copy: &Copy) -> Copy {
    let mut changed = copy.clone();
    changed.0.extend(copy.0.iter().map(|(path, bytes)| (format!("ticket-4711/{path}"), bytes.clone())));
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
