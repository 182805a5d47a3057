//! Bytes: the only folder that reads inputs.
//!
//! A bundle is one or more directories, files and archives. [`Bundle::open`] lists what lies on disk in a stable order;
//! [`unpack::visit`] opens one of these, peels compression and archives, and shows every file inside as [`Content`].

pub mod cut;
pub mod environment;
pub mod glob;
pub mod hints;
pub mod machine;
pub mod map;
pub mod notes;
pub mod quote;
pub mod scratch;
pub mod text;
pub mod unpack;

use anyhow::{Context, Result, bail};
use map::Mapped;
use notes::{Note, Notes};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Expanding a file on disk below this many bytes is always allowed.
    pub free_expansion: u64,
    /// Beyond that a compressed stream may hold this many times its compressed size, and all that lies in a file together
    /// this many times the file's size.
    pub ratio: u64,
    /// How deep archives and compression may nest.
    pub depth: u32,
    /// How many members one archive may have.
    pub members: usize,
    /// How large a compressed file may be that has to be held in memory as a whole.
    pub whole: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { free_expansion: 64 << 20, ratio: 250, depth: 6, members: 200_000, whole: 1 << 30 }
    }
}

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Path inside the bundle, `/`-separated.
    pub path: String,
    /// Where it is.
    pub place: PathBuf,
    /// Size on disk.
    pub bytes: u64,
}

/// What is to be analysed.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Last part of the first path.
    pub name: String,
    /// Files on disk, by path.
    pub members: Vec<Member>,
    /// What could not be listed: path and why.
    pub trouble: Vec<(String, String)>,
    /// What its maker says about its files, by the prefix of the paths it is about.
    pub notes: Vec<(String, Notes)>,
}

/// The bytes of a file after decompression.
pub enum Content<'a> {
    /// All of them, in memory.
    Whole(&'a [u8]),
    /// All of them, in a file that is mapped.
    Mapped(&'a Mapped),
    /// One after another.
    Stream(&'a mut dyn Read),
}

impl Bundle {
    /// Lists every regular file under the paths, in the order of their paths. Links inside a directory are not
    /// followed: they show the same file twice, run in circles, or lead out of the bundle.
    ///
    /// # Errors
    /// If a path does not exist or cannot be read at all.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut bundle = Self::default();
        for path in paths {
            let meta = std::fs::metadata(path).with_context(|| format!("cannot read {}: give a directory, a file or an archive", path.display()))?;
            let name = name_of(path);
            if bundle.name.is_empty() {
                bundle.name.clone_from(&name);
            }
            if meta.is_file() {
                bundle.members.push(Member { path: name, place: path.clone(), bytes: meta.len() });
            } else if meta.is_dir() {
                // Several directories of one incident may hold files of one name; a single one needs no prefix.
                let prefix = if paths.len() > 1 { format!("{name}/") } else { String::new() };
                bundle.list(path, &prefix).with_context(|| format!("cannot list {}", path.display()))?;
                bundle.take_notes(&prefix)?;
            } else {
                bail!("{} is neither a file nor a directory", path.display());
            }
        }
        // By place too, so that the order on the command line does not matter.
        bundle.members.sort_by(|a, b| (&a.path, &a.place).cmp(&(&b.path, &b.place)));
        bundle.tell_apart();
        bundle.members.sort_by(|a, b| a.path.cmp(&b.path));
        bundle.trouble.sort();
        Ok(bundle)
    }

    fn list(&mut self, root: &Path, prefix: &str) -> Result<()> {
        let mut open = vec![(root.to_path_buf(), prefix.to_owned())];
        let mut first = true;
        while let Some((dir, prefix)) = open.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if first => return Err(error.into()),
                Err(error) => {
                    self.trouble.push((prefix, error.kind().to_string()));
                    continue;
                }
            };
            first = false;
            for entry in entries {
                let entry = entry?;
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push((entry.path(), format!("{path}/")));
                } else if kind.is_file() {
                    let bytes = entry.metadata().map_or(0, |meta| meta.len());
                    self.members.push(Member { path, place: entry.path(), bytes });
                } else if !kind.is_symlink() {
                    self.trouble.push((path, "not a regular file".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Reads the notes at a directory's root; they are no evidence.
    fn take_notes(&mut self, prefix: &str) -> Result<()> {
        let is_one =
            |member: &Member| member.bytes <= notes::LARGEST && member.path.strip_prefix(prefix).is_some_and(|name| notes::NAMES.contains(&name));
        let Some(at) = self.members.iter().position(is_one) else { return Ok(()) };
        let member = self.members.remove(at);
        let text = std::fs::read_to_string(&member.place).with_context(|| format!("cannot read {}", member.path))?;
        match Notes::parse(&text) {
            Ok(notes) => self.notes.push((prefix.to_owned(), notes)),
            Err(error) => bail!("{}: {error}", member.path),
        }
        Ok(())
    }

    /// What its maker says about a file.
    #[must_use]
    pub fn note(&self, path: &str) -> Note {
        let about = self.notes.iter().find_map(|(prefix, notes)| path.strip_prefix(prefix.as_str()).map(|path| notes.of(path)));
        about.unwrap_or_default()
    }

    /// Two inputs may bring the same path; the second, by its place on disk, gets a number.
    fn tell_apart(&mut self) {
        let taken: BTreeSet<String> = self.members.iter().map(|member| member.path.clone()).collect();
        let mut last: Option<String> = None;
        let mut count = 1_u32;
        for member in &mut self.members {
            if last.as_ref() == Some(&member.path) {
                let numbered = |count: u32| format!("{}~{count}", member.path);
                count += 1;
                while taken.contains(&numbered(count)) {
                    count += 1;
                }
                member.path = numbered(count);
            } else {
                last = Some(member.path.clone());
                count = 1;
            }
        }
    }
}

fn name_of(path: &Path) -> String {
    let real = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let last = real.components().rev().find_map(|part| match part {
        std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    last.unwrap_or_else(|| "bundle".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_order_and_follows_no_links() -> Result<()> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("b"))?;
        std::fs::write(dir.path().join("b/2.log"), "x")?;
        std::fs::write(dir.path().join("a.log"), "y")?;
        #[cfg(unix)]
        std::os::unix::fs::symlink("..", dir.path().join("b/loop"))?;
        let bundle = Bundle::open(&[dir.path().to_path_buf()])?;
        assert_eq!(bundle.members.iter().map(|m| m.path.as_str()).collect::<Vec<_>>(), ["a.log", "b/2.log"]);
        Ok(())
    }

    #[test]
    fn notes_are_read_and_are_no_evidence() -> Result<()> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("a.log"), "y")?;
        std::fs::write(dir.path().join("bundle.yaml"), "files:\n  - path: \"*.log\"\n    service: orders\n")?;
        let bundle = Bundle::open(&[dir.path().to_path_buf()])?;
        assert_eq!((bundle.members.len(), bundle.note("a.log").service.as_str(), bundle.note("a.txt").service.as_str()), (1, "orders", ""));
        std::fs::write(dir.path().join("bundle.yaml"), "files: 7\n")?;
        assert!(Bundle::open(&[dir.path().to_path_buf()]).is_err_and(|error| format!("{error:#}").starts_with("bundle.yaml: ")));
        Ok(())
    }

    #[test]
    fn a_missing_path_is_an_error_that_says_so() {
        let error = Bundle::open(&[PathBuf::from("no/such/bundle")]).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("no/such/bundle"));
    }
}
