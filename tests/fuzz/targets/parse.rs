//! Any bytes after a head that a format claims: the parser cites only bytes that it was given.
//!
//! The first byte chooses the head, so that a mutation need not find a magic number first.
#![no_main]

#[path = "../../bounds.rs"]
mod bounds;

use libfuzzer_sys::fuzz_target;

const HEADS: &[&str] = &[
    "",
    "{\"@timestamp\":\"2026-09-14T10:00:00.000Z\",\"level\":\"INFO\",\"logger_name\":\"a.B\",\"thread_name\":\"main\",\"message\":\"up\"}\n",
    "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"spans\":[",
    "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"logRecords\":[",
    "2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.shop.Cart : up\n",
    "2026-09-14T10:00:00.000000000Z stdout F up\n2026-09-14T10:00:00.000000001Z stdout P ",
    "{\"log\":\"up\\n\",\"stream\":\"stdout\",\"time\":\"2026-09-14T10:00:00.000000000Z\"}\n{\"log\":\"",
    "2026-09-14 10:00:00\nFull thread dump OpenJDK 64-Bit Server VM (21.0.4+7-LTS mixed mode, sharing):\n\n\"main\" #1 prio=5 os_prio=0 ",
    "[2026-09-14T10:00:00.000+0000][0.005s][info][gc] Using G1\n[2026-09-14T10:00:01.000+0000][1.005s][info][gc] GC(0) ",
    " num     #instances         #bytes  class name (module)\n-------------------------------------------------------\n   1:  ",
    "time=2026-09-14T10:00:00Z level=info msg=up\ntime=",
    "\n\u{8}\n\u{6}\n\u{4}name",
];

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (choice, size, rest) = input;
    let mut bytes = HEADS[usize::from(choice) % HEADS.len()].as_bytes().to_vec();
    bytes.extend_from_slice(rest);
    if let Some(found) = bounds::recognised(&bytes) {
        bounds::parse(&found, &bytes, usize::MAX / 4);
        bounds::parse(&found, &bytes, usize::from(size));
    }
});
