//! Robust statistics of a series: is it growing, how fast, does it level off.
//!
//! All are medians and signs, so that a few wild points change nothing.

/// Above this many pairs only every n-th is looked at.
const MOST_PAIRS: usize = 80_000;

/// The Theil-Sen slope: the median of the slopes of all pairs of points (x, y). None with fewer than two different x.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    median(&mut slopes(points))
}

/// Between which slopes the true one lies with 95 % confidence, after Sen: the ranks around the middle that chance alone would
/// reach. None with too few points to say so. Points that depend on their neighbours make it look narrower than it is.
#[must_use]
pub fn slope_interval(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    const NORMAL_95: f64 = 1.96;
    let n = points.len() as f64;
    let (pairs, spread) = (n * (n - 1.0) / 2.0, (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt());
    let outside = (1.0 - NORMAL_95 * spread / pairs) / 2.0;
    // Not a number for no pairs at all.
    if outside.is_nan() || outside <= 0.0 {
        return None;
    }
    let mut slopes = slopes(points);
    slopes.sort_by(f64::total_cmp);
    let low = (outside * slopes.len() as f64) as usize;
    Some((*slopes.get(low)?, *slopes.get(slopes.len().checked_sub(low + 1)?)?))
}

fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let n = points.len();
    let stride = (n * n.saturating_sub(1) / 2 / MOST_PAIRS).max(1);
    let mut slopes = Vec::with_capacity((n * n.saturating_sub(1) / 2).min(MOST_PAIRS * 2));
    let mut number = 0;
    for (i, a) in points.iter().enumerate() {
        for b in &points[i + 1..] {
            number += 1;
            if number % stride == 0 && b.0 > a.0 {
                slopes.push((b.1 - a.1) / (b.0 - a.0));
            }
        }
    }
    slopes
}

/// The median; the mean of the middle two of an even number. Sorts the values.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(*values.get(middle - 1)?, upper)) }
}

/// The Mann-Kendall test for a trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Standard deviations away from "no trend"; fewer than six points never reach 2.33.
    pub z: f64,
    /// Kendall's tau: 1 if every value is greater than all before it.
    pub tau: f64,
}

/// Tests values in order of time. Ties count as no change.
#[must_use]
pub fn mann_kendall(values: &[f64]) -> Trend {
    let n = values.len();
    if n < 2 {
        return Trend { z: 0.0, tau: 0.0 };
    }
    let sign = |a: f64, b: f64| i64::from(b > a) - i64::from(b < a);
    let s: i64 = values.iter().enumerate().map(|(i, &a)| values[i + 1..].iter().map(|&b| sign(a, b)).sum::<i64>()).sum();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tied: f64 = sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64).map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum();
    let n = n as f64;
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - tied) / 18.0;
    let z = if s == 0 || variance <= 0.0 { 0.0 } else { (s - s.signum()) as f64 / variance.sqrt() };
    Trend { z, tau: s as f64 / (n * (n - 1.0) / 2.0) }
}

/// The lowest point of each of twelve equal stretches of time (fewer, but at least six, for fewer than 36 points).
/// Points are in order of x; stretches without a point are left out.
#[must_use]
pub fn lower_envelope(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let stretches = if points.len() < 36 { (points.len() / 3).max(6) } else { 12 };
    let width = (last.0 - first.0) / stretches as f64;
    if width <= 0.0 {
        return Vec::new();
    }
    let stretch = |x: f64| (((x - first.0) / width) as usize).min(stretches - 1);
    let lowest = |group: &[(f64, f64)]| group.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    points.chunk_by(|a, b| stretch(a.0) == stretch(b.0)).filter_map(lowest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(x, &y)| (x as f64, y)).collect()
    }

    #[test]
    fn a_monotone_series() {
        for (n, z) in [(6, 2.63), (8, 3.34), (12, 4.46)] {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let trend = mann_kendall(&values);
            assert!((trend.z - z).abs() < 0.01 && (trend.tau - 1.0).abs() < 1e-9, "{n}: {trend:?}");
            assert_eq!(slope(&series(&values)), Some(1.0));
        }
    }

    #[test]
    fn an_interval_holds_the_slope_and_narrows_with_more_points() {
        let noisy = |n: u32| -> Vec<(f64, f64)> { (0..n).map(|x| (f64::from(x), f64::from(2 * x) + f64::from(x * 7919 % 13))).collect() };
        let width = |n: u32| {
            let (low, high) = slope_interval(&noisy(n)).expect("there are enough points");
            assert!(low <= 2.0 && 2.0 <= high, "{n}: {low} {high}");
            high - low
        };
        assert!(width(200) < width(50) && width(50) < width(12));
        assert_eq!((slope_interval(&noisy(3)), slope_interval(&[])), (None, None));
    }

    #[test]
    fn the_real_envelopes_that_are_no_leak() {
        let saw = mann_kendall(&[1., 10., 17., 18., 15., 17., 15., 19., 15., 3., 11., 19.]);
        assert!((saw.z - 0.70).abs() < 0.02 && (saw.tau - 0.17).abs() < 0.01, "{saw:?}");
        let cache = mann_kendall(&[1., 10., 19., 17., 16., 17., 16., 16., 17., 17., 16., 16.]);
        assert!((cache.z - 0.37).abs() < 0.10, "{cache:?}");
    }

    #[test]
    fn floors_of_stretches() {
        let points: Vec<(f64, f64)> = (0..120).map(|n| (f64::from(n), f64::from(n % 10) + f64::from(n))).collect();
        let floor = lower_envelope(&points);
        assert_eq!((floor.len(), floor[0], floor[11]), (12, (0.0, 0.0), (110.0, 110.0)));
        assert!(lower_envelope(&[]).is_empty() && lower_envelope(&[(1.0, 1.0), (1.0, 2.0)]).is_empty());
    }

    #[test]
    fn medians() {
        assert_eq!((median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0]), median(&mut [])), (Some(2.0), Some(2.5), None));
    }
}
