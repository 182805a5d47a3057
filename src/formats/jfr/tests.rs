use super::*;
use crate::formats::fixture::{placeless, read, worn};

/// A packed number.
fn packed(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// Something with its length in front, which is written in four bytes as the JVM does it.
fn framed(body: &[u8]) -> Vec<u8> {
    let length = body.len() + 4;
    let mut out: Vec<u8> = (0..4).map(|n| (length >> (7 * n)) as u8 & 0x7f | if n < 3 { 0x80 } else { 0 }).collect();
    out.extend(body);
    out
}

fn numbers(list: &[u64]) -> Vec<u8> {
    list.iter().flat_map(|number| packed(*number)).collect()
}

/// Writes the tree of types with its list of texts.
#[derive(Default)]
struct Tree {
    texts: Vec<String>,
}

impl Tree {
    fn text(&mut self, text: &str) -> u64 {
        let known = self.texts.iter().position(|known| known == text);
        known.unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        }) as u64
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: &[Vec<u8>]) -> Vec<u8> {
        let mut out = packed(self.text(name));
        out.extend(packed(attributes.len() as u64));
        for (key, value) in attributes {
            out.extend(packed(self.text(key)));
            out.extend(packed(self.text(value)));
        }
        out.extend(packed(inside.len() as u64));
        out.extend(inside.concat());
        out
    }

    fn field(&mut self, name: &str, class: &str, constant: bool, ticks: bool) -> Vec<u8> {
        let annotation = if ticks { vec![self.element("annotation", &[("class", "99"), ("value", "TICKS")], &[])] } else { Vec::new() };
        let attributes = [("name", name), ("class", class), ("constantPool", if constant { "true" } else { "false" })];
        self.element("field", &attributes, &annotation)
    }
}

/// A recording of one collection, one heap, one wait, and something that nobody wants.
fn recording_bytes() -> Vec<u8> {
    let mut tree = Tree::default();
    let class = |tree: &mut Tree, id: &str, name: &str, fields: &[Vec<u8>]| tree.element("class", &[("id", id), ("name", name)], fields);
    let mut classes = vec![class(&mut tree, "1", "long", &[]), class(&mut tree, "2", "java.lang.String", &[]), class(&mut tree, "3", "float", &[])];
    let name = tree.field("string", "2", false, false);
    classes.push(class(&mut tree, "10", "jdk.types.Symbol", &[name]));
    let name = tree.field("name", "10", true, false);
    classes.push(class(&mut tree, "11", "java.lang.Class", &[name]));
    let start = tree.field("startTime", "1", false, true);
    let duration = tree.field("duration", "1", false, true);
    let id = tree.field("gcId", "1", false, false);
    let collector = tree.field("name", "10", true, false);
    let pauses = tree.field("sumOfPauses", "1", false, true);
    classes.push(class(&mut tree, "101", "jdk.GarbageCollection", &[start.clone(), duration.clone(), id.clone(), collector, pauses]));
    let size = tree.field("committedSize", "1", false, false);
    classes.push(class(&mut tree, "12", "jdk.types.VirtualSpace", &[size]));
    let (when, space, used) =
        (tree.field("when", "10", true, false), tree.field("heapSpace", "12", false, false), tree.field("heapUsed", "1", false, false));
    classes.push(class(&mut tree, "102", "jdk.GCHeapSummary", &[start.clone(), id, when, space, used]));
    let parked = tree.field("parkedClass", "11", true, false);
    classes.push(class(&mut tree, "103", "jdk.ThreadPark", &[start.clone(), duration, parked]));
    let load = tree.field("machineTotal", "3", false, false);
    classes.push(class(&mut tree, "104", "jdk.CPULoad", &[start.clone(), load]));
    classes.push(class(&mut tree, "105", "jdk.Unwanted", &[start]));
    let metadata = tree.element("metadata", &[], &classes);
    let root = tree.element("root", &[], &[metadata]);
    let texts: Vec<u8> = tree.texts.iter().flat_map(|text| [vec![3], packed(text.len() as u64), text.clone().into_bytes()].concat()).collect();
    let types = framed(&[numbers(&[0, 0, 0, 1, tree.texts.len() as u64]), texts, root].concat());
    let text = |text: &str| [vec![3], packed(text.len() as u64), text.as_bytes().to_vec()].concat();
    let symbols = [numbers(&[10, 3, 1]), text("G1Full"), packed(2), text("After GC"), packed(3), text("com/acme/Lock")].concat();
    let constants = framed(&[numbers(&[1, 0, 0, 0]), vec![0], numbers(&[2]), symbols, numbers(&[11, 1, 7, 3])].concat());
    let events = [
        framed(&numbers(&[102, 1_000_000, 5, 2, 64 << 20, 16 << 20])),
        framed(&numbers(&[105, 1_000_000])),
        framed(&numbers(&[101, 1_000_000, 4_000, 5, 1, 3_000])),
        framed(&numbers(&[103, 2_000_000, 500_000, 7])),
        framed(&[numbers(&[104, 2_000_000]), 0.5_f32.to_be_bytes().to_vec()].concat()),
    ]
    .concat();
    let (constants_at, types_at) = (HEAD + events.len(), HEAD + events.len() + constants.len());
    let size = types_at + types.len();
    let mut out = [MAGIC, &[0, 2, 0, 1]].concat();
    // A microsecond is a tick; the recording began at tick one million.
    for number in [size as u64, constants_at as u64, types_at as u64, 1_795_376_423_000_000_000, 4_000_000_000, 1_000_000, 1_000_000] {
        out.extend(number.to_be_bytes());
    }
    out.extend(PACKED.to_be_bytes());
    [out, events, constants, types].concat()
}

#[test]
fn collections_waits_and_loads() {
    let bytes = recording_bytes();
    let got = read(parse, &bytes);
    let want = [
        "metric time=\"2026-11-22T19:40:24Z\" name=\"system.cpu.usage\" kind=\"Gauge\" value=\"0.5\"",
        "gc time=\"2026-11-22T19:40:23Z\" id=\"5\" kind=\"Full\" after=\"16777216\" capacity=\"67108864\" nanos=\"3000000\"",
        "metric time=\"2026-11-22T19:40:24Z\" name=\"jfr.thread.park.count\" kind=\"Gauge\" labels=\"class=com.acme.Lock;\" value=\"1.0\"",
        "metric time=\"2026-11-22T19:40:24Z\" name=\"jfr.thread.park.sum\" kind=\"Gauge\" labels=\"class=com.acme.Lock;\" value=\"0.5\"",
        "metric time=\"2026-11-22T19:40:24Z\" name=\"jfr.thread.park.max\" kind=\"Gauge\" labels=\"class=com.acme.Lock;\" value=\"0.5\"",
    ];
    assert_eq!((placeless(&got), got.quarantined), (want.map(str::to_owned).to_vec(), 0));
    let twice = read(parse, &[bytes.clone(), bytes.clone()].concat());
    assert_eq!((twice.records, twice.quarantined), (10, 0));
    assert_eq!(next(&[bytes.clone(), bytes.clone()].concat()), Some(bytes.len()));
}

#[test]
fn recordings_that_were_cut_or_broken() {
    let bytes = recording_bytes();
    let cut = read(parse, &bytes[..bytes.len() - 1]);
    assert!(cut.records == 0 && cut.text.contains("truncated"), "{}", cut.text);
    let mut flat = bytes.clone();
    flat[HEAD - 1] = 0;
    assert!(read(parse, &flat).text.contains("unsupported"));
    let found = |bytes: &[u8]| sniff(&Head { path: "", bytes, whole: true }).is_some();
    assert!(found(&bytes) && !found(b"FLR\0") && !found(b"") && !found(&bytes[1..]));
    worn(&bytes, |bytes| read(parse, bytes));
}
