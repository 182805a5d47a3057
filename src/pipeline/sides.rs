//! One bundle that holds two environments or two phases: which of its files are what is asked about, and which are what it is
//! compared with.
//!
//! ```text
//! prod/      staging/             production is asked about, the environment nearest to it is the baseline
//! incident/  baseline/            the same for two times of one system
//! ```
//!
//! Files of neither stay with what is asked about. Settings alone make no side: they carry their environment with them and are
//! compared where they are. What this file does not do: guess by the content of files, or split a bundle that came with a
//! baseline of its own.

use crate::bundle::environment::{self, Phase};
use crate::pipeline::ingest::{Segments, path};
use std::collections::BTreeSet;

/// Where a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To what is asked about.
    Here,
    /// To the baseline.
    There,
    /// To a third environment.
    Elsewhere,
}

/// The side of every file of a bundle, in their order; none if the bundle has one side only.
#[must_use]
pub fn sides(files: &[Segments]) -> Option<Vec<Side>> {
    by_environment(files).or_else(|| by_phase(files))
}

fn by_environment(files: &[Segments]) -> Option<Vec<Side>> {
    let speaking: BTreeSet<&str> = files.iter().filter(|file| has_traffic(file)).map(|file| environment::of_file(path(file))).collect();
    if !speaking.contains("prod") {
        return None;
    }
    let other = speaking.into_iter().filter(|name| !name.is_empty() && *name != "prod").min_by_key(|name| environment::distance(name))?;
    let side = |file: &Segments| match environment::of_file(path(file)) {
        "" | "prod" => Side::Here,
        name if name == other => Side::There,
        _ => Side::Elsewhere,
    };
    Some(files.iter().map(side).collect())
}

fn by_phase(files: &[Segments]) -> Option<Vec<Side>> {
    let speaking: BTreeSet<Phase> = files.iter().filter(|file| has_traffic(file)).filter_map(|file| environment::phase(path(file))).collect();
    let both = speaking.contains(&Phase::Incident) && speaking.contains(&Phase::Calm);
    let side = |file: &Segments| if environment::phase(path(file)) == Some(Phase::Calm) { Side::There } else { Side::Here };
    both.then(|| files.iter().map(side).collect())
}

/// Whether a file tells what a system did, not only how it is set up or what its memory holds.
fn has_traffic(file: &Segments) -> bool {
    file.iter().any(|part| !part.spans.is_empty() || !part.requests.is_empty() || !part.log_counts.is_empty() || !part.metrics.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::Sym;
    use crate::model::tables::{LogCount, SourceFile, Tables};

    fn file(path: &str, logs: bool) -> Segments {
        let mut tables = Tables { files: vec![SourceFile { path: path.to_owned(), ..SourceFile::default() }], ..Tables::default() };
        if logs {
            tables.log_counts.insert((Sym::NONE, 0), LogCount::default());
        }
        vec![tables]
    }

    fn told(files: &[(&str, bool)]) -> Option<Vec<Side>> {
        sides(&files.iter().map(|(path, logs)| file(path, *logs)).collect::<Vec<_>>())
    }

    #[test]
    fn production_and_the_environment_nearest_to_it() {
        let files = [("dev/a.log", true), ("notes.txt", false), ("prod/a.log", true), ("prod/dump.txt", false), ("staging/a.log", true)];
        assert_eq!(told(&files), Some(vec![Side::Elsewhere, Side::Here, Side::Here, Side::Here, Side::There]));
        assert_eq!(told(&[("b.zip!/x/production/a.log", true), ("b.zip!/x/uat/a.log", true)]), Some(vec![Side::Here, Side::There]));
    }

    #[test]
    fn phases() {
        assert_eq!(told(&[("baseline/a.log", true), ("incident/a.log", true)]), Some(vec![Side::There, Side::Here]));
        assert_eq!(told(&[("before/a.log", true), ("after/a.log", true)]), None, "a deployment stands between them, and both are asked about");
    }

    #[test]
    fn one_side_is_not_split() {
        assert_eq!(told(&[("prod/a.log", true), ("prod/b.log", true)]), None);
        assert_eq!(told(&[("staging/a.log", true), ("dev/a.log", true)]), None);
        assert_eq!(told(&[("prod/a.log", true), ("staging/application.yml", false)]), None, "settings alone are no side");
        assert_eq!(told(&[("orders.log", true), ("test/a.log", true)]), None);
    }
}
