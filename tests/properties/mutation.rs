//! What a finding cites carries it: without the cited records the finding goes, or is surer or larger no more.
//!
//! A finding cites examples, not every record. So one that counts hundreds only counts fewer, and one that rests on its
//! citations goes. One that says the same as before cites what proves nothing.

use super::Copy;
use crate::samples::{Citation, Finding, Report, Sample, report, samples};
use memchr::{memchr, memrchr};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

#[test]
fn without_what_it_cites_a_finding_is_weaker() {
    let expected = samples().par_iter().flat_map_iter(|sample| {
        let copy = Copy::of(sample);
        let found = |expected| sample.find(expected).ok().map(|finding| (sample, finding, copy.clone()));
        sample.expectation.findings.iter().filter_map(found).collect::<Vec<_>>()
    });
    let faults: Vec<String> = expected.filter_map(|(sample, finding, copy)| unmoved(sample, finding, copy)).collect();
    report(&faults);
}

/// So many records may each tell the same by themselves, as a scheduler and the job that it runs do.
const WITNESSES: usize = 2;

/// What is wrong, if a finding stays as it is without what it cites, and without what it cites instead.
fn unmoved(sample: &Sample, finding: &Finding, mut copy: Copy) -> Option<String> {
    cut(&mut copy, finding, &sample.name);
    for _ in 0..WITNESSES {
        let after = copy.report(&sample.name);
        let Some(rest) = same(finding, &after) else {
            println!("{}: {} is gone", sample.name, finding.id);
            return None;
        };
        let loss = loss(finding, rest);
        println!("{}: {} {}", sample.name, finding.id, loss.join(", "));
        if !loss.is_empty() {
            return None;
        }
        cut(&mut copy, rest, &sample.name);
    }
    Some(format!("{}: {} is as sure and as large without its {} citations", sample.name, finding.id, finding.evidence.len()))
}

/// Takes what a finding cites out of a bundle.
fn cut(copy: &mut Copy, finding: &Finding, sample: &str) {
    let mut cited: BTreeMap<&str, Vec<&Citation>> = BTreeMap::new();
    finding.evidence.iter().for_each(|citation| cited.entry(&citation.file).or_default().push(citation));
    for (file, citations) in cited {
        let bytes = copy.0.get_mut(file).unwrap_or_else(|| panic!("{sample}: {} cites {file}", finding.id));
        *bytes = without(bytes, citations.iter().map(|c| c.offset..c.offset + c.length).collect());
    }
}

/// The finding of the same fault: of the same subject, or at least of the same rule and service.
fn same<'r>(finding: &Finding, after: &'r Report) -> Option<&'r Finding> {
    let of_rule = || after.findings.iter().filter(|f| f.rule == finding.rule);
    of_rule().find(|f| f.subject == finding.subject).or_else(|| of_rule().find(|f| f.subject.service == finding.subject.service))
}

/// In what a finding is weaker than it was.
fn loss(before: &Finding, after: &Finding) -> Vec<String> {
    let mut loss = Vec::new();
    if after.confidence < before.confidence {
        loss.push(format!("confidence {} -> {}", before.confidence, after.confidence));
    }
    if weight(&after.severity) < weight(&before.severity) {
        loss.push(format!("{} -> {}", before.severity, after.severity));
    }
    for measure in &before.measures {
        match after.measures.iter().find(|other| other.name == measure.name) {
            Some(other) if other.value < measure.value => loss.push(format!("{} {} -> {}", measure.name, measure.value, other.value)),
            Some(_) => {}
            None => loss.push(format!("no {}", measure.name)),
        }
    }
    loss
}

fn weight(severity: &str) -> Option<usize> {
    ["info", "low", "medium", "high", "critical"].iter().position(|name| *name == severity)
}

/// A file without some of its records. Lines are dropped; an object in a list of JSON gives way to an empty one, and a
/// message of protobuf to one that has nothing but an unknown field, so that the rest can still be read.
fn without(bytes: &[u8], mut cited: Vec<Range<usize>>) -> Vec<u8> {
    let is_text = std::str::from_utf8(bytes).is_ok();
    // Those that hold others come first.
    cited.sort_unstable_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut rest, mut done) = (Vec::with_capacity(bytes.len()), 0);
    for range in cited {
        let (range, instead) = match &bytes[range.clone()] {
            record if !is_text => (range.clone(), unknown(record.len())),
            record if record.first() == Some(&b'{') && is_listed(bytes, &range) => (range, b"{}".to_vec()),
            _ => (lines(bytes, &range), Vec::new()),
        };
        if range.end > done {
            rest.extend_from_slice(&bytes[done..range.start.max(done)]);
            rest.extend_from_slice(&instead);
            done = range.end;
        }
    }
    rest.extend_from_slice(&bytes[done..]);
    rest
}

/// Whether an object is an element of a list.
fn is_listed(bytes: &[u8], range: &Range<usize>) -> bool {
    let before = bytes[..range.start].trim_ascii_end().last();
    let after = bytes[range.end..].trim_ascii_start().first();
    matches!((before, after), (Some(b'[' | b','), Some(b',' | b']')))
}

/// The whole lines that a range touches, with their ends.
fn lines(bytes: &[u8], range: &Range<usize>) -> Range<usize> {
    let start = memrchr(b'\n', &bytes[..range.start]).map_or(0, |at| at + 1);
    // A range may hold the end of its last line already.
    let last = range.end - usize::from(bytes[..range.end].ends_with(b"\n"));
    start..memchr(b'\n', &bytes[last..]).map_or(bytes.len(), |at| last + at + 1)
}

/// A field with a number that no message has, as long as asked for; shorter than its own head it is a run of padding.
fn unknown(length: usize) -> Vec<u8> {
    // Number 1000 as bytes: tag 8002, then the length in three bytes of seven bits.
    let Some(payload) = length.checked_sub(5) else { return vec![0; length] };
    let seven = |shift: u32| (payload >> shift & 0x7f) as u8;
    let mut field = vec![0xc2, 0x3e, seven(0) | 0x80, seven(7) | 0x80, seven(14)];
    field.resize(length, 0);
    field
}

#[test]
fn records_are_dropped_as_a_whole() {
    let text = b"one\ntwo\n  three\nfour\n";
    let cut = |range: Range<usize>| String::from_utf8(without(text, vec![range])).unwrap_or_default();
    assert_eq!(cut(5..6), "one\n  three\nfour\n");
    assert_eq!(cut(4..15), "one\nfour\n");
    assert_eq!(cut(4..16), "one\nfour\n");
    assert_eq!(cut(18..20), "one\ntwo\n  three\n");
    let list = br#"{"spans":[{"a":1}, {"b":{"c":2}},{"d":3}]}"#;
    assert_eq!(without(list, vec![10..17, 19..32]), br#"{"spans":[{}, {},{"d":3}]}"#);
    assert_eq!(without(&[0xff, 1, 2, 3, 4, 5, 6, 7], std::iter::once(1..8).collect()), [0xff, 0xc2, 0x3e, 0x82, 0x80, 0, 0, 0]);
}
