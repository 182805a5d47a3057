//! Any bytes as the head of a file: every format looks at them, none fails, and confidence keeps its scale.
#![no_main]

use analyze::formats::FORMATS;
use analyze::model::source::Head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for whole in [true, false] {
        for format in FORMATS {
            if let Some(found) = (format.sniff)(&Head { path: "bytes", bytes, whole }) {
                assert!(found.confidence <= 100 && !found.label.is_empty(), "{} is {} sure", format.name, found.confidence);
            }
        }
    }
});
