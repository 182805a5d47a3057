//! Runs the built program as its users do, with an end to its time and, where asked, to its memory.

use analyze::bundle::Content;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Address space of a bounded run, in KiB: 2 GiB.
const MEMORY: u32 = 2 << 20;
/// Nothing here may take longer, also in a debug build on a busy machine.
const TIME: Duration = Duration::from_secs(120);

/// What the program said.
#[derive(Debug)]
pub struct Run {
    /// Exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap_or_else(|error| panic!("the output is not UTF-8: {error}"))
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("no JSON: {error}; {:?} {}", self.status, self.err))
    }

    /// The run, if it ended with this status.
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}\n{}", self.err, String::from_utf8_lossy(&self.out));
        self
    }
}

/// The program, in an environment without colours and widths of the developer's own.
pub fn analyze() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_analyze")))
}

/// The program with an upper limit of its memory.
pub fn bounded() -> Command {
    if cfg!(not(target_os = "linux")) {
        return analyze();
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_analyze"));
    clean(shell)
}

fn clean(mut command: Command) -> Command {
    command.env_remove("NO_COLOR").env_remove("COLUMNS").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Panics
/// If it does not end in time, or cannot be started.
pub fn run(command: &mut Command) -> Run {
    run_within(command, TIME)
}

/// Runs a command that has to end within `time`.
///
/// # Panics
/// As [`run`].
pub fn run_within(command: &mut Command, time: Duration) -> Run {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap_or_else(|error| panic!("{command:?}: {error}")) {
            Some(status) => break status,
            None if started.elapsed() > time => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} has not ended after {time:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = |reader: thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Run { status: status.code(), out: text(out), err: String::from_utf8_lossy(&text(err)).into_owned() }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// The JSON report over a bundle that can be analysed.
pub fn report(bundle: &Path) -> Value {
    run(analyze().arg(bundle).args(["--json", "-"])).expect(0).json()
}

/// `samples/NAME`.
pub fn sample(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).join(name)
}

/// All directories of `samples/`, in order.
pub fn samples() -> Vec<PathBuf> {
    bundles_in("samples")
}

/// All directories of a folder of the repository, in order.
pub fn bundles_in(folder: &str) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = list(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).into_iter().filter(|path| path.is_dir()).collect();
    roots.sort();
    assert!(!roots.is_empty(), "no bundles in {folder}");
    roots
}

/// A folder beside the repository with captures that are not part of it.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(name);
    if !path.is_dir() {
        println!("skipped: there is no {}", path.display());
    }
    path.is_dir().then_some(path)
}

/// Every file below a directory, in order.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in list(&folder) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Writes a file and the folders above it.
pub fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// All of what a file of a bundle holds.
pub fn bytes_of(content: Content<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match content {
        Content::Whole(all) => bytes.extend_from_slice(all),
        Content::Mapped(map) => bytes.extend_from_slice(map),
        // What is cut short or broken is read as far as it goes.
        Content::Stream(input) => drop(input.read_to_end(&mut bytes)),
    }
    bytes
}

/// A reference to any JSON value, null where there is none.
pub fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The elements of a JSON list, none where it is no list.
pub fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A JSON text, empty where it is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}
