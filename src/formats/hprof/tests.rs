use super::*;
use crate::formats::fixture::worn;
use crate::model::source::FileId;
use crate::model::transcript::Transcript;

/// A dump written by hand.
struct Writer {
    bytes: Vec<u8>,
    wide: bool,
}

impl Writer {
    fn new(wide: bool) -> Self {
        let mut bytes = b"JAVA PROFILE 1.0.2\0".to_vec();
        bytes.extend(if wide { 8_u32 } else { 4 }.to_be_bytes());
        bytes.extend(1_795_379_215_987_u64.to_be_bytes());
        Self { bytes, wide }
    }

    fn id(&self, id: u64) -> Vec<u8> {
        if self.wide { id.to_be_bytes().to_vec() } else { (id as u32).to_be_bytes().to_vec() }
    }

    fn record(&mut self, tag: u8, body: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend([0; 4]);
        self.bytes.extend((body.len() as u32).to_be_bytes());
        self.bytes.extend(body);
    }

    fn class(&mut self, id: u64, name: &str) {
        let text = [self.id(id + 1000), name.as_bytes().to_vec()].concat();
        self.record(1, &text);
        let load = [1_u32.to_be_bytes().to_vec(), self.id(id), 0_u32.to_be_bytes().to_vec(), self.id(id + 1000)].concat();
        self.record(2, &load);
    }

    /// Two classes, their objects, arrays of both kinds, and roots between them.
    fn heap(&self) -> Vec<u8> {
        let zero = 0_u32.to_be_bytes().to_vec();
        let described = |class: u64, parent: u64, fields: &[u8]| {
            let mut out = [vec![0x20], self.id(class), zero.clone(), self.id(parent), self.id(0).repeat(5), zero.clone(), vec![0, 0]].concat();
            out.extend([vec![0, 1], self.id(1), vec![10], zero.clone(), vec![0, fields.len() as u8]].concat());
            fields.iter().for_each(|kind| out.extend([self.id(1), vec![*kind]].concat()));
            out
        };
        let instance = |object: u64, class: u64, bytes: usize| {
            [vec![0x21], self.id(object), zero.clone(), self.id(class), (bytes as u32).to_be_bytes().to_vec(), vec![0; bytes]].concat()
        };
        let references = [vec![0x22], self.id(500), zero.clone(), 3_u32.to_be_bytes().to_vec(), self.id(12), self.id(0).repeat(3)].concat();
        let bytes = [vec![0x23], self.id(501), zero.clone(), 5_u32.to_be_bytes().to_vec(), vec![8], vec![7; 5]].concat();
        [
            [vec![0x05], self.id(10)].concat(),
            described(10, 0, &[10]),
            described(11, 10, &[2, 11]),
            instance(400, 10, 4),
            [vec![0x08], self.id(9), zero.repeat(2)].concat(),
            instance(401, 11, 20),
            instance(402, 11, 20),
            references,
            bytes,
        ]
        .concat()
    }

    fn dump(wide: bool) -> Vec<u8> {
        let mut writer = Self::new(wide);
        writer.class(10, "java/lang/Base");
        writer.class(11, "com/acme/Order");
        writer.class(12, "[Lcom/acme/Order;");
        let heap = writer.heap();
        let (first, second) = heap.split_at(heap.len());
        writer.record(0x1c, first);
        writer.record(0x1c, second);
        writer.record(0x2c, &[]);
        writer.bytes
    }
}

/// What is said of a dump that comes in pieces of some size.
fn read(bytes: &[u8], piece: usize) -> Transcript {
    let mut dump: Box<dyn Flow> = Box::new(Dump::default());
    bytes.chunks(piece).for_each(|piece| dump.feed(piece));
    let mut transcript = Transcript::default();
    dump.finish(Evidence::new(FileId(0), 0, bytes.len()), &mut transcript);
    transcript
}

#[test]
fn both_widths_in_pieces_of_any_size() {
    for (wide, rows) in [
        (true, "  com.acme.Order 2 64\n  [Lcom.acme.Order; 1 32\n  [B 1 24\n  java.lang.Base 1 16\n"),
        (false, "  com.acme.Order 2 48\n  [B 1 24\n  [Lcom.acme.Order; 1 24\n  java.lang.Base 1 16\n"),
    ] {
        let dump = Writer::dump(wide);
        let whole = read(&dump, dump.len());
        let sum = if wide { 136 } else { 112 };
        let head = format!("class-histogram @0+31 time=\"2026-11-22T20:26:55.987Z\" rows=\"4\" instances=\"5\" bytes=\"{sum}\"\n");
        assert_eq!(whole.text, head + rows);
        for piece in [1, 2, 3, 7, 30, 31, 32, 100] {
            assert_eq!(read(&dump, piece).text, whole.text, "{piece}");
        }
    }
}

#[test]
fn dumps_that_were_cut_or_broken() {
    let dump = Writer::dump(true);
    let mut most = 0;
    for at in 31..dump.len() {
        let got = read(&dump[..at], 16);
        most = most.max(got.text.matches("\n  ").count());
        assert!(got.quarantined <= 1, "{at}: {}", got.text);
    }
    assert_eq!(most, 4);
    let cut = read(&dump[..dump.len() - 40], 16);
    assert!(cut.text.contains("class-histogram") && cut.text.ends_with("truncated\n"), "{}", cut.text);
    let mut strange = dump.clone();
    let last = strange.len() - 9;
    strange[last] = 0x77;
    assert!(read(&strange, 16).text.ends_with("malformed\n"));
    assert!(read(b"JAVA PROFILE 1.0.2\0\0\0\0\x05\0\0\0\0\0\0\0\0rest", 16).text.contains("malformed"));
    worn(&dump, |bytes| read(bytes, 64));
}

#[test]
fn a_heap_of_one_record_without_length() {
    let mut writer = Writer::new(true);
    writer.class(10, "a/B");
    let heap = writer.heap();
    writer.record(0x0c, &[]);
    writer.bytes.extend(heap);
    let got = read(&writer.bytes, 16);
    assert!(got.text.contains("  a.B 1 16\n") && got.text.contains("<class 0xb> 2 64"), "{}", got.text);
}

#[test]
fn sniffs_the_magic() {
    let confidence = |bytes: &[u8]| sniff(&Head { path: "", bytes, whole: true }).map(|found| found.confidence);
    assert_eq!(confidence(&Writer::dump(true)), Some(100));
    assert_eq!((confidence(b"JAVA PROFILE 1.0"), confidence(b"JAVA PROFILE 1.0.2x"), confidence(b"")), (None, None, None));
}
