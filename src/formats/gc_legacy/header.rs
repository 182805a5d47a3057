//! What the JVM says of itself above its log: from the flags, the collector and the largest heap.
//!
//! ```text
//! CommandLine flags: -XX:InitialHeapSize=33554432 -XX:MaxHeapSize=536870912 -XX:+PrintGC -XX:+UseConcMarkSweepGC
//! ```
//!
//! What this file does not do: keep the other flags as a configuration.

use crate::formats::block_lines::{BlockLines, evidence};
use crate::formats::lines::Block;
use crate::formats::quantity::digits;
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::Sink;
use crate::model::time::Time;

/// Collectors by their flags, as the unified log calls them.
const COLLECTORS: [(&str, &str); 5] = [
    ("-XX:+UseConcMarkSweepGC", "Concurrent Mark Sweep"),
    ("-XX:+UseG1GC", "G1"),
    ("-XX:+UseParallelGC", "Parallel"),
    ("-XX:+UseSerialGC", "Serial"),
    ("-XX:+UseShenandoahGC", "Shenandoah"),
];

/// Reads the block that begins with a header.
pub(super) fn read(block: &Block<'_>, sink: &mut dyn Sink) {
    for line in BlockLines::of(block) {
        let Some(flags) = line.text.strip_prefix("CommandLine flags: ") else { continue };
        let record = |kind, cause, after| GcRecord {
            time: Time::NONE,
            uptime: None,
            service: "",
            instance: "",
            id: None,
            kind,
            cause,
            before: None,
            after,
            capacity: None,
            nanos: 0,
            evidence: evidence(block, line.from, line.to),
        };
        for flag in flags.split(' ') {
            if let Some((_, name)) = COLLECTORS.iter().find(|(known, _)| *known == flag) {
                sink.gc(&record(GcKind::Using, *name, None));
            } else if let Some(size) = flag.strip_prefix("-XX:MaxHeapSize=").and_then(digits) {
                sink.gc(&record(GcKind::MaxHeap, "", Some(size)));
            }
        }
    }
}
