//! The points of metrics. Each of the four kinds numbers its fields in its own way.
//!
//! What this file does not do: read exemplars, or the buckets of exponential histograms.

use crate::formats::arena::Arena;
use crate::formats::otlp::metric::PointDraft;
use crate::formats::otlp::time;
use crate::formats::otlp_proto::value::attribute;
use crate::formats::otlp_proto::wire::{Part, Step, Wire};

/// A point of a gauge or sum.
pub(super) fn number<'a>(part: Part<'a>, arena: &'a Arena, point: &mut PointDraft<'a>) -> Step<()> {
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (3, Wire::Fixed64(n)) => point.time = time(n),
            (4, Wire::Fixed64(n)) => point.value = Some(f64::from_bits(n)),
            (6, Wire::Fixed64(n)) => point.value = Some(n.cast_signed() as f64),
            (7, Wire::Bytes(pair)) => attribute(pair, arena, &mut point.labels)?,
            (8, Wire::Varint(n)) => point.flags = n.cast_signed(),
            _ => {}
        }
    }
    Ok(())
}

/// A point of a histogram with explicit bounds.
pub(super) fn histogram<'a>(part: Part<'a>, arena: &'a Arena, point: &mut PointDraft<'a>) -> Step<()> {
    point.count = Some(0.0);
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (3, Wire::Fixed64(n)) => point.time = time(n),
            (4, Wire::Fixed64(n)) => point.count = Some(n as f64),
            (5, Wire::Fixed64(n)) => point.sum = Some(f64::from_bits(n)),
            (6, Wire::Fixed64(n)) => point.buckets.push(n as f64),
            (6, Wire::Bytes(packed)) => point.buckets.extend(packed.packed64().map(|n| n as f64)),
            (7, Wire::Fixed64(n)) => point.bounds.push(f64::from_bits(n)),
            (7, Wire::Bytes(packed)) => point.bounds.extend(packed.packed64().map(f64::from_bits)),
            (9, Wire::Bytes(pair)) => attribute(pair, arena, &mut point.labels)?,
            (10, Wire::Varint(n)) => point.flags = n.cast_signed(),
            (11, Wire::Fixed64(n)) => point.min = Some(f64::from_bits(n)),
            (12, Wire::Fixed64(n)) => point.max = Some(f64::from_bits(n)),
            _ => {}
        }
    }
    Ok(())
}

/// A point of an exponential histogram.
pub(super) fn exponential<'a>(part: Part<'a>, arena: &'a Arena, point: &mut PointDraft<'a>) -> Step<()> {
    point.count = Some(0.0);
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(pair)) => attribute(pair, arena, &mut point.labels)?,
            (3, Wire::Fixed64(n)) => point.time = time(n),
            (4, Wire::Fixed64(n)) => point.count = Some(n as f64),
            (5, Wire::Fixed64(n)) => point.sum = Some(f64::from_bits(n)),
            (10, Wire::Varint(n)) => point.flags = n.cast_signed(),
            (12, Wire::Fixed64(n)) => point.min = Some(f64::from_bits(n)),
            (13, Wire::Fixed64(n)) => point.max = Some(f64::from_bits(n)),
            _ => {}
        }
    }
    Ok(())
}

/// A point of a summary.
pub(super) fn summary<'a>(part: Part<'a>, arena: &'a Arena, point: &mut PointDraft<'a>) -> Step<()> {
    point.count = Some(0.0);
    // A sum of zero is left out by writers, and every summary has one.
    point.sum = Some(0.0);
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (3, Wire::Fixed64(n)) => point.time = time(n),
            (4, Wire::Fixed64(n)) => point.count = Some(n as f64),
            (5, Wire::Fixed64(n)) => point.sum = Some(f64::from_bits(n)),
            (6, Wire::Bytes(inner)) => quantile(inner, point)?,
            (7, Wire::Bytes(pair)) => attribute(pair, arena, &mut point.labels)?,
            (8, Wire::Varint(n)) => point.flags = n.cast_signed(),
            _ => {}
        }
    }
    Ok(())
}

fn quantile(part: Part<'_>, point: &mut PointDraft<'_>) -> Step<()> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Fixed64(n)) => quantile = f64::from_bits(n),
            (2, Wire::Fixed64(n)) => value = f64::from_bits(n),
            _ => {}
        }
    }
    point.quantiles.push((quantile, value));
    Ok(())
}
