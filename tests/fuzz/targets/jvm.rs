//! The family `jvm`; see `family.rs`.
#![no_main]

#[path = "../family.rs"]
mod family;

libfuzzer_sys::fuzz_target!(|input: family::Input<'_>| family::read("jvm", input));
