//! Progress on stderr: what is being done, how much of it, how long it will take. Shown only to a person.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Told by every thread as work gets done.
pub struct Progress(ProgressBar);

impl Progress {
    /// A progress line; indicatif hides it when stderr is no terminal.
    #[must_use]
    pub fn new(shown: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{prefix:10} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} left {msg}") {
            bar.set_style(style);
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    /// A stage begins that will read so many bytes.
    pub fn stage(&self, name: &'static str, bytes: u64, files: usize) {
        self.0.set_prefix(name);
        self.0.set_length(bytes);
        self.0.set_position(0);
        self.0.set_message(format!("({files} files)"));
    }

    /// A stage begins that reads no files.
    pub fn step(&self, name: &'static str) {
        self.0.set_prefix(name);
        self.0.set_message("");
    }

    /// Some bytes were parsed. Expanded bytes may be more than lie on disk; then the length grows with them.
    pub fn parsed(&self, bytes: usize) {
        self.0.inc(bytes as u64);
        if self.0.length().is_some_and(|length| self.0.position() > length) {
            self.0.set_length(self.0.position());
        }
    }

    /// A file was read to its end.
    pub fn file(&self, _bytes: u64) {
        self.0.tick();
    }

    /// All is done.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
