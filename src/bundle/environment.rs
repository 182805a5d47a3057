//! Environments and phases that a path names: `prod/`, `staging/`, `application-uat.yml`, `baseline/`.
//!
//! ```text
//! prod/logs/orders.log           prod
//! config/application-stg.yml     staging
//! traces-staging.json            staging
//! test-results/latest.log        none: the word stands for something else
//! ```
//!
//! What this file does not do: look at what the files say of their environment.

/// Words for environments, as written and as told. The likest to production come first.
const ENVIRONMENTS: &[(&str, &str)] = &[
    ("prod", "prod"),
    ("production", "prod"),
    ("prd", "prod"),
    ("live", "prod"),
    ("preprod", "preprod"),
    ("pre-prod", "preprod"),
    ("preproduction", "preprod"),
    ("staging", "staging"),
    ("stage", "staging"),
    ("stg", "staging"),
    ("uat", "uat"),
    ("qa", "qa"),
    ("perf", "perf"),
    ("test", "test"),
    ("testing", "test"),
    ("dev", "dev"),
    ("development", "dev"),
    ("local", "local"),
];

/// Words that also stand for much else: they count only as a whole folder's name, or as the profile of a configuration.
const DOUBTFUL: &[&str] = &["live", "test", "testing", "dev", "development", "local", "perf"];

/// Words for the time that is asked about, and for the calm time it is compared with. `before` and `after` are not among them:
/// what stands between them, a deployment or a scaling, is often what is asked about.
const PHASES: &[(&str, Phase)] = &[
    ("incident", Phase::Incident),
    ("bad", Phase::Incident),
    ("baseline", Phase::Calm),
    ("good", Phase::Calm),
    ("healthy", Phase::Calm),
    ("normal", Phase::Calm),
];

/// A part of time that a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What is asked about.
    Incident,
    /// What it is compared with.
    Calm,
}

/// The environment that a word means: `prod` for `Production`. Empty if it means none.
#[must_use]
pub fn of_word(word: &str) -> &'static str {
    ENVIRONMENTS.iter().find(|(written, _)| written.eq_ignore_ascii_case(word)).map_or("", |(_, told)| told)
}

/// How far an environment is from production: 0 for production itself, the largest for none.
#[must_use]
pub fn distance(environment: &str) -> usize {
    ENVIRONMENTS.iter().position(|(_, told)| *told == environment).unwrap_or(ENVIRONMENTS.len())
}

/// The environment of what a configuration file holds: its own name first, then the folders from the innermost out.
#[must_use]
pub fn of_settings(path: &str) -> &'static str {
    let mut parts = parts(path);
    let file = parts.pop().unwrap_or_default();
    let in_name = words(file).rev().map(of_word).find(|word| !word.is_empty());
    in_name.or_else(|| parts.iter().rev().find_map(|folder| of_folder(folder))).unwrap_or_default()
}

/// The environment that a file was recorded in: its folders from the outermost in, then its name. A folder that is called like
/// an environment says more than an archive or a case whose name holds such a word: `slow-in-prod.tar.gz!/staging/`.
#[must_use]
pub fn of_file(path: &str) -> &'static str {
    let mut parts = parts(path);
    let file = parts.pop().unwrap_or_default();
    let named = parts.iter().filter(|part| !is_doubtful(part)).map(|part| of_word(part)).find(|word| !word.is_empty());
    if let Some(word) = named {
        return word;
    }
    parts.iter().find_map(|folder| of_folder(folder)).or_else(|| plain(file)).unwrap_or_default()
}

/// The phase that a folder of the path stands for.
#[must_use]
pub fn phase(path: &str) -> Option<Phase> {
    let mut parts = parts(path);
    parts.pop();
    let named = |part: &&str| PHASES.iter().find(|(word, _)| part.eq_ignore_ascii_case(word)).map(|(_, phase)| *phase);
    parts.iter().find_map(named)
}

fn parts(path: &str) -> Vec<&str> {
    path.split(['/', '!']).filter(|part| !part.is_empty()).collect()
}

fn of_folder(folder: &str) -> Option<&'static str> {
    Some(of_word(folder)).filter(|word| !word.is_empty()).or_else(|| plain(folder))
}

/// The environment that the words of a name mean without doubt.
fn plain(name: &str) -> Option<&'static str> {
    words(name).rev().filter(|word| !is_doubtful(word)).map(of_word).find(|word| !word.is_empty())
}

fn is_doubtful(word: &str) -> bool {
    DOUBTFUL.iter().any(|doubtful| word.eq_ignore_ascii_case(doubtful))
}

fn words(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.split(['-', '_', '.']).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_of_files() {
        for (path, want) in [
            ("prod/logs/orders.log", "prod"),
            ("bundle.tar.gz!/s01/staging/traces.json", "staging"),
            ("slow-in-prod.tar.gz!/staging/traces.json", "staging"),
            ("traces-staging.json", "staging"),
            ("Production/application-staging.yml", "prod"),
            ("eu-prod/orders.log", "prod"),
            ("test-results/latest.log", ""),
            ("test/orders.log", "test"),
            ("prod/app/test/orders.log", "prod"),
            ("live-traces.json", ""),
            ("products/orders.log", ""),
        ] {
            assert_eq!(of_file(path), want, "{path}");
        }
    }

    #[test]
    fn environments_of_settings() {
        for (path, want) in [
            ("config/application-prod.yml", "prod"),
            ("prod/config/application-dev.yml", "dev"),
            ("staging/application.yml", "staging"),
            (".env.production", "prod"),
            ("appsettings.Development.json", "dev"),
            ("config/application.yml", ""),
        ] {
            assert_eq!(of_settings(path), want, "{path}");
        }
    }

    #[test]
    fn phases_are_whole_folders() {
        assert_eq!((phase("incident/a.log"), phase("x/Baseline/a.log")), (Some(Phase::Incident), Some(Phase::Calm)));
        assert_eq!((phase("bad-deploy/a.log"), phase("baseline.log")), (None, None));
    }

    #[test]
    fn the_likest_to_production_is_nearest() {
        assert!(distance("prod") < distance("staging") && distance("staging") < distance("dev") && distance("dev") < distance(""));
    }
}
