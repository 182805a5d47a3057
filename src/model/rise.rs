//! Whether a level rises steadily: files that stay open, classes that stay loaded, memory that is not given back.
//!
//! The lowest points of equal stretches are looked at, so that bursts change nothing; warming up is left out, and what
//! levels off or comes back is no rise. What this file does not do: know where one process ends and the next begins.

use crate::model::rule::Rule;
use crate::model::trend;

/// What a rise must have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Least growth, in the unit of the values.
    pub growth: f64,
    /// Least growth as a share of the first level.
    pub share: f64,
    /// Least standard deviations of the test for a trend.
    pub z: f64,
    /// Least Kendall's tau.
    pub tau: f64,
    /// Least slope of the second half, as a share of the whole slope.
    pub plateau: f64,
}

impl Limits {
    /// What a rule asks for, by the names that rules about growth share, and the growth that counts for its unit.
    #[must_use]
    pub fn of(rule: &Rule, growth: f64) -> Self {
        Self {
            growth,
            share: rule.limit("growth_share"),
            z: rule.limit("trend_z"),
            tau: rule.limit("trend_tau"),
            plateau: rule.limit("plateau_slope"),
        }
    }
}

/// A steady rise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// First and last level.
    pub first: f64,
    /// Last level.
    pub last: f64,
    /// Slope times length.
    pub growth: f64,
    /// By the unit of x.
    pub slope: f64,
    /// Standard deviations.
    pub z: f64,
    /// Kendall's tau.
    pub tau: f64,
}

/// A level below this share of the highest has come back.
const BACK: f64 = 0.95;
/// The first tenth of a life, but at most ten minutes of it, is warming up.
const WARM_SHARE: f64 = 0.1;
const WARM_LONGEST: f64 = 600.0;

/// The rise of points (seconds, value) in order of time, if they rise steadily.
#[must_use]
pub fn steady(points: &[(f64, f64)], limits: &Limits) -> Option<Rise> {
    let (start, end) = (points.first()?.0, points.last()?.0);
    let warm = start + (WARM_SHARE * (end - start)).min(WARM_LONGEST);
    let kept: Vec<(f64, f64)> = points.iter().copied().filter(|(at, value)| *at >= warm && value.is_finite()).collect();
    let kept = if kept.len() >= 6 { kept } else { points.to_vec() };
    let floor = if kept.len() < 12 { kept } else { trend::lower_envelope(&kept) };
    if floor.len() < 6 {
        return None;
    }
    let (first, last) = (*floor.first()?, *floor.last()?);
    let slope = trend::slope(&floor)?;
    let growth = slope * (last.0 - first.0);
    let test = trend::mann_kendall(&floor.iter().map(|point| point.1).collect::<Vec<_>>());
    let highest = floor.iter().map(|point| point.1).fold(f64::MIN, f64::max);
    let second = trend::slope(&floor[floor.len() / 2..])?;
    let rises = growth >= limits.growth && growth >= limits.share * first.1 && test.z >= limits.z && test.tau >= limits.tau;
    let goes_on = second >= limits.plateau * slope && last.1 >= BACK * highest;
    (rises && goes_on).then_some(Rise { first: first.1, last: last.1, growth, slope, z: test.z, tau: test.tau })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { growth: 10.0, share: 0.25, z: 2.33, tau: 0.6, plateau: 0.5 };

    fn rises(value: impl Fn(f64) -> f64) -> bool {
        let points: Vec<(f64, f64)> = (0..60).map(|n| (f64::from(n) * 60.0, value(f64::from(n)))).collect();
        steady(&points, &LIMITS).is_some()
    }

    #[test]
    fn what_rises_and_what_does_not() {
        assert!(rises(|n| 50.0 + n) && rises(|n| 50.0 + n + 40.0 * (n % 3.0)));
        assert!(!rises(|n| 50.0 + n.min(20.0)), "levels off");
        assert!(!rises(|n| 50.0 + n % 20.0), "comes back");
        assert!(!rises(|_| 50.0) && !rises(|n| 500.0 + 0.5 * n) && !rises(|_| f64::NAN));
        assert!(steady(&[], &LIMITS).is_none() && steady(&[(0.0, 1.0), (1.0, 9.0)], &LIMITS).is_none());
    }
}
