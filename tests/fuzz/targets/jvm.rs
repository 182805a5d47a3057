//! Any bytes in the midst of what the JVM and its tools write, and of metrics: the parser cites only bytes that it was given.
#![no_main]

#[path = "../../bounds.rs"]
mod bounds;
#[path = "../../seeds.rs"]
mod seeds;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (choice, at, size, put) = input;
    let mut bytes = seeds::SEEDS[usize::from(choice) % seeds::SEEDS.len()].to_vec();
    let at = usize::from(at) % (bytes.len() + 1);
    bytes.splice(at..(at + put.len()).min(bytes.len()), put.iter().copied());
    if let Some(found) = bounds::recognised(&bytes) {
        bounds::parse(&found, &bytes, usize::MAX / 4);
        bounds::parse(&found, &bytes, usize::from(size));
    }
});
