//! Any text as a rule file of the user: it is taken or refused, with words.
#![no_main]

use analyze::rules::load;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("x.yaml"), text).expect("a file can be written");
    if let Err(error) = load::load(&[folder.path().to_owned()]) {
        assert!(format!("{error:#}").contains("x.yaml"), "{error:#}");
    }
});
