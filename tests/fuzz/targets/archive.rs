//! Any bytes as a file on disk: peeling ends, stays within its limits, and names lead nowhere.
#![no_main]

use analyze::bundle::unpack::{Visitor, visit};
use analyze::bundle::{Content, Limits, Member};
use analyze::model::record::Reason;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { free_expansion: 1 << 20, ratio: 100, depth: 4, members: 1000, whole: 1 << 20 };

#[derive(Default)]
struct Seen {
    bytes: u64,
}

impl Visitor for Seen {
    fn file(&mut self, path: &str, content: Content<'_>) {
        assert!(path.split(['/', '\\']).all(|part| part != ".."), "{path}");
        self.bytes += match content {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Mapped(map) => map.len() as u64,
            Content::Stream(input) => std::io::copy(input, &mut std::io::sink()).unwrap_or_default(),
        };
    }

    fn trouble(&mut self, _: &str, _: Reason) {}
}

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), bytes).expect("a file can be written");
    let mut seen = Seen::default();
    visit(&Member { path: "x".to_owned(), place: file.path().to_owned(), bytes: bytes.len() as u64 }, &LIMITS, &mut seen);
    // UTF-16 becomes at most half as long again, and the last read may go over by one buffer.
    let most = LIMITS.free_expansion + LIMITS.ratio * bytes.len() as u64 + (4 << 20);
    assert!(seen.bytes <= most * 3 / 2, "{} bytes of {}", seen.bytes, bytes.len());
});
