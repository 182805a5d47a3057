//! Compression and archives, peeled behind limits.
//!
//! Recognised by their first bytes, never by name: gzip (`1f 8b`), zstd (`28 b5 2f fd`), bzip2 (`BZh`), xz (`fd 37 7a 58`),
//! lz4 (`04 22 4d 18`), zip (`PK`), tar (`ustar` at 257). Several streams one after the other are one file.
//! They may nest: a `tar.gz` with a `zip` with an `app.log.gz` in it. Every reader counts what it expands,
//! alone and with all others of the same file on disk, and stops at a bomb. Names inside archives are only names: `../../etc/passwd` is shown as `etc/passwd` and nothing is written to disk.

use crate::bundle::{Content, Limits, Member, map::Mapped, text};
use crate::model::record::Reason;
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use lz4_flex::frame::FrameDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::rc::Rc;

/// Takes the files of a member. Paths carry the member's own path and, for archives, `!/` and the name inside.
pub trait Visitor {
    /// Whether the file is wanted; one that is not is skipped where that is cheaper than reading it.
    fn wants(&mut self, path: &str) -> bool {
        let _ = path;
        true
    }

    /// A file. If reading it stopped early, [`Visitor::trouble`] is called for the same path afterwards.
    fn file(&mut self, path: &str, content: Content<'_>);

    /// Something could not be read, wholly or from some point on.
    fn trouble(&mut self, path: &str, reason: Reason);
}

/// Shows every file in a member as a stream where that is possible: for a second look at a few places of a large file,
/// which would fill memory with pages if it was mapped.
pub fn revisit(member: &Member, limits: &Limits, visitor: &mut dyn Visitor) {
    let mut head = [0; 4];
    let opened = File::open(&member.place).and_then(|mut file| {
        let n = file.read(&mut head)?;
        file.rewind().map(|()| (file, n))
    });
    match opened {
        Ok((mut file, n)) if kind_of(&head[..n]) != Kind::Zip => {
            stream(&member.path, &mut file, &Peeling::new(limits, member.bytes), limits.depth, visitor)
        }
        _ => visit(member, limits, visitor),
    }
}

/// Shows every file in a member.
pub fn visit(member: &Member, limits: &Limits, visitor: &mut dyn Visitor) {
    match Mapped::open(&member.place) {
        Ok(map) if kind_of(&map) == Kind::Plain && text::utf16(&map).is_none() => {
            if visitor.wants(&member.path) {
                visitor.file(&member.path, Content::Mapped(&map));
            }
        }
        Ok(map) => whole(&member.path, &map, &Peeling::new(limits, map.len() as u64), limits.depth, visitor),
        Err(_) => visitor.trouble(&member.path, Reason::Unreadable),
    }
}

/// An xz stream that asks for more memory than this to be read is refused; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// What everything inside one file on disk shares.
struct Peeling<'l> {
    limits: &'l Limits,
    /// How many bytes all streams together may still make: a bomb may be many, or lie in another.
    left: Rc<Cell<u64>>,
}

impl<'l> Peeling<'l> {
    fn new(limits: &'l Limits, bytes: u64) -> Self {
        let all = limits.free_expansion.saturating_add(limits.ratio.saturating_mul(bytes));
        Self { limits, left: Rc::new(Cell::new(all)) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Lz4,
    Zip,
    Tar,
}

fn kind_of(head: &[u8]) -> Kind {
    match head {
        [0x1f, 0x8b, 8, ..] => Kind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Kind::Zstd,
        // The magic of the first block, or of an empty stream, so that no text is taken for one.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Kind::Bzip2,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Kind::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Kind::Xz,
        [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Kind::Lz4,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
        _ if head.get(257..262) == Some(b"ustar") => Kind::Tar,
        _ => Kind::Plain,
    }
}

fn whole(path: &str, bytes: &[u8], all: &Peeling<'_>, depth: u32, visitor: &mut dyn Visitor) {
    let kind = kind_of(bytes);
    if kind == Kind::Plain {
        if visitor.wants(path) {
            match text::utf16(bytes) {
                Some(order) => visitor.file(path, Content::Whole(&text::to_utf8(bytes, order))),
                None => visitor.file(path, Content::Whole(bytes)),
            }
        }
        return;
    }
    if kind == Kind::Zip {
        return zip_members(path, bytes, all, depth, visitor);
    }
    stream(path, &mut &*bytes, all, depth, visitor);
}

/// A stream whose kind is not known yet: its head is read, then it is peeled.
fn stream(path: &str, input: &mut dyn Read, all: &Peeling<'_>, depth: u32, visitor: &mut dyn Visitor) {
    let mut head = Vec::with_capacity(512);
    if (&mut *input).take(512).read_to_end(&mut head).is_err() && head.is_empty() {
        return visitor.trouble(path, Reason::Unreadable);
    }
    let kind = kind_of(&head);
    let order = text::utf16(&head);
    let mut input = Cursor::new(head).chain(input);
    if kind == Kind::Plain {
        if visitor.wants(path) {
            match order {
                Some(order) => {
                    let mut bytes = Vec::new();
                    let read = input.take(all.limits.whole).read_to_end(&mut bytes);
                    visitor.file(path, Content::Whole(&text::to_utf8(&bytes, order)));
                    if read.is_err() || bytes.len() as u64 >= all.limits.whole {
                        visitor.trouble(path, Reason::Truncated);
                    }
                }
                None => visitor.file(path, Content::Stream(&mut input)),
            }
        }
        return;
    }
    let Some(depth) = depth.checked_sub(1) else { return visitor.trouble(path, Reason::NestingLimit) };
    let spent = Rc::new(Cell::new(0));
    let input = Counted { inner: &mut input, count: Rc::clone(&spent) };
    match kind {
        Kind::Gzip => capped(path, MultiGzDecoder::new(input), &spent, all, depth, visitor),
        Kind::Zstd => match zstd::stream::read::Decoder::new(input) {
            Ok(decoder) => capped(path, decoder, &spent, all, depth, visitor),
            Err(_) => visitor.trouble(path, Reason::Unreadable),
        },
        Kind::Bzip2 => capped(path, MultiBzDecoder::new(input), &spent, all, depth, visitor),
        Kind::Xz => match Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED) {
            Ok(decoder) => capped(path, XzDecoder::new_stream(input, decoder), &spent, all, depth, visitor),
            Err(_) => visitor.trouble(path, Reason::Unreadable),
        },
        Kind::Lz4 => capped(path, Lz4Frames { inner: FrameDecoder::new(input), spent: Rc::clone(&spent) }, &spent, all, depth, visitor),
        Kind::Tar => tar_members(path, input, all, depth, visitor),
        Kind::Zip => {
            let mut bytes = Vec::new();
            match input.take(all.limits.whole + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 <= all.limits.whole => zip_members(path, &bytes, all, depth, visitor),
                Ok(_) => visitor.trouble(path, Reason::ExpansionLimit),
                Err(_) => visitor.trouble(path, Reason::Truncated),
            }
        }
        Kind::Plain => {}
    }
}

fn capped(path: &str, decoder: impl Read, spent: &Rc<Cell<u64>>, all: &Peeling<'_>, depth: u32, visitor: &mut dyn Visitor) {
    let state = Rc::new(Cell::new(None));
    let mut reader =
        Capped { inner: decoder, made: 0, spent: Rc::clone(spent), limits: *all.limits, left: Rc::clone(&all.left), trouble: Rc::clone(&state) };
    stream(path, &mut reader, all, depth, visitor);
    if let Some(reason) = state.get() {
        visitor.trouble(path, reason);
    }
}

fn tar_members(path: &str, input: impl Read, all: &Peeling<'_>, depth: u32, visitor: &mut dyn Visitor) {
    let mut archive = tar::Archive::new(input);
    let Ok(entries) = archive.entries() else { return visitor.trouble(path, Reason::Unreadable) };
    for (number, entry) in entries.enumerate() {
        if number >= all.limits.members {
            return visitor.trouble(path, Reason::NestingLimit);
        }
        let Ok(mut entry) = entry else { return visitor.trouble(path, Reason::Truncated) };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(inner) = inner_path(path, &name) {
            stream(&inner, &mut entry, all, depth, visitor);
        }
    }
}

fn zip_members(path: &str, bytes: &[u8], all: &Peeling<'_>, depth: u32, visitor: &mut dyn Visitor) {
    let Some(depth) = depth.checked_sub(1) else { return visitor.trouble(path, Reason::NestingLimit) };
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return visitor.trouble(path, Reason::Unreadable) };
    if archive.len() > all.limits.members {
        return visitor.trouble(path, Reason::NestingLimit);
    }
    for number in 0..archive.len() {
        let Ok(entry) = archive.by_index(number) else {
            visitor.trouble(&format!("{path}!/#{number}"), Reason::Unreadable);
            continue;
        };
        if !entry.is_file() {
            continue;
        }
        let name = entry.name().map_or_else(|_| format!("#{number}"), |name| name.into_owned());
        let Some(inner) = inner_path(path, &name) else { continue };
        let spent = Rc::new(Cell::new(entry.compressed_size()));
        capped(&inner, entry, &spent, all, depth, visitor);
    }
}

/// `archive!/name` with the name made harmless; none for what archivers of other systems leave behind.
fn inner_path(archive: &str, name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split(['/', '\\']).filter(|part| !part.is_empty() && !matches!(*part, "." | "..")).collect();
    let last = parts.last()?;
    let litter = parts.contains(&"__MACOSX") || *last == ".DS_Store" || last.starts_with("._");
    (!litter).then(|| format!("{archive}!/{}", parts.join("/")))
}

/// All frames of an lz4 file: the decoder ends with each of them.
struct Lz4Frames<R: Read> {
    inner: FrameDecoder<R>,
    spent: Rc<Cell<u64>>,
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let before = self.spent.get();
            let n = self.inner.read(buffer)?;
            // A frame that ended may have held nothing more; only an input that gives nothing has ended too.
            if n > 0 || buffer.is_empty() || self.spent.get() == before {
                return Ok(n);
            }
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

/// Ends the stream where it breaks or goes over the limits, and remembers why: what came before is kept.
struct Capped<R> {
    inner: R,
    made: u64,
    spent: Rc<Cell<u64>>,
    limits: Limits,
    left: Rc<Cell<u64>>,
    trouble: Rc<Cell<Option<Reason>>>,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.trouble.get().is_some() {
            return Ok(0);
        }
        let swollen = self.made > self.limits.free_expansion && self.made / self.limits.ratio > self.spent.get();
        if swollen || self.left.get() == 0 {
            self.trouble.set(Some(Reason::ExpansionLimit));
            return Ok(0);
        }
        match self.inner.read(buffer) {
            Ok(n) => {
                self.made += n as u64;
                self.left.set(self.left.get().saturating_sub(n as u64));
                Ok(n)
            }
            Err(_) => {
                self.trouble.set(Some(Reason::Truncated));
                Ok(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Visitor for Seen {
        fn file(&mut self, path: &str, content: Content<'_>) {
            let mut bytes = Vec::new();
            match content {
                Content::Whole(all) => bytes.extend_from_slice(all),
                Content::Mapped(map) => bytes.extend_from_slice(map),
                Content::Stream(read) => drop(read.read_to_end(&mut bytes)),
            }
            self.0.push(format!("{path}: {} bytes", bytes.len()));
        }
        fn trouble(&mut self, path: &str, reason: Reason) {
            self.0.push(format!("{path}: {}", reason.name()));
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap_or_default()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
        out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default()
    }

    fn lz4(bytes: &[u8]) -> Vec<u8> {
        let mut small = lz4_flex::frame::FrameInfo::new();
        small.block_size = lz4_flex::frame::BlockSize::Max64KB;
        let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(small, Vec::new());
        out.write_all(bytes).map(|()| out.finish().unwrap_or_default()).unwrap_or_default()
    }

    fn see(bytes: &[u8], limits: &Limits) -> Vec<String> {
        let mut seen = Seen::default();
        whole("x", bytes, &Peeling::new(limits, bytes.len() as u64), limits.depth, &mut seen);
        seen.0
    }

    fn tar_of(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, bytes).and_then(|()| tar.into_inner()).unwrap_or_default()
    }

    #[test]
    fn layers_are_peeled() {
        let inner = gzip(b"hello");
        assert_eq!(see(&gzip(&tar_of("var/app.log.gz", &inner)), &Limits::default()), ["x!/var/app.log.gz: 5 bytes"]);
        let two = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(see(&two, &Limits::default()), ["x: 6 bytes"]);
        for encode in [zstd as fn(&[u8]) -> Vec<u8>, bzip2, xz, lz4] {
            assert_eq!(see(&encode(b"abc"), &Limits::default()), ["x: 3 bytes"]);
            assert_eq!(see(&[encode(b"one"), encode(b""), encode(b"three")].concat(), &Limits::default()), ["x: 8 bytes"]);
            assert_eq!(see(&encode(&tar_of("app.log.gz", &inner)), &Limits::default()), ["x!/app.log.gz: 5 bytes"]);
        }
    }

    #[test]
    fn names_cannot_leave_the_archive() {
        assert_eq!(see(&tar_of("../../etc/passwd", b"root"), &Limits::default()), ["x!/etc/passwd: 4 bytes"]);
        assert_eq!(inner_path("a.zip", "__MACOSX/._b"), None);
    }

    #[test]
    fn a_bomb_stops_and_is_told() {
        let limits = Limits { free_expansion: 1 << 20, ratio: 100, ..Limits::default() };
        for encode in [gzip as fn(&[u8]) -> Vec<u8>, zstd, bzip2, xz, lz4] {
            let seen = see(&encode(&vec![0; 20 << 20]), &limits);
            assert_eq!(seen.len(), 2, "{seen:?}");
            assert_eq!(seen[1], "x: expansion-limit");
        }
    }

    #[test]
    fn many_small_bombs_are_one() {
        let limits = Limits { free_expansion: 1 << 20, ratio: 100, ..Limits::default() };
        let small = gzip(&vec![0; 900 << 10]);
        let members: Vec<u8> = (0..200).flat_map(|n| tar_of(&format!("{n}.gz"), &small)[..(1 + small.len().div_ceil(512)) * 512].to_vec()).collect();
        let seen = see(&gzip(&members), &limits);
        let stopped = seen.iter().position(|line| line.ends_with("expansion-limit"));
        assert!(seen.len() > 2 && stopped.is_some_and(|at| at < 100), "{seen:?}");
    }

    #[test]
    fn what_came_before_a_cut_is_kept() {
        let whole: Vec<u8> = (0..900_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        for encode in [gzip as fn(&[u8]) -> Vec<u8>, zstd, bzip2, xz, lz4] {
            let bytes = encode(&whole);
            let seen = see(&bytes[..bytes.len() / 2], &Limits::default());
            assert_eq!(seen.len(), 2, "{seen:?}");
            assert!(seen[1].ends_with("truncated") && !seen[0].contains(": 0 "), "{seen:?}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let mut bytes = b"x".to_vec();
        for _ in 0..8 {
            bytes = gzip(&bytes);
        }
        assert_eq!(see(&bytes, &Limits::default()), ["x: nesting-limit"]);
    }
}
