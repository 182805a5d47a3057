//! How often something is seen on a bad and on a good side, and whether chance alone would show that.
//!
//! ```text
//!                bad   good
//! tenant=acme     48     40     96 % of the bad, 28 times as likely to be bad as the others
//! others           2    960
//! ```
//!
//! Cases are compared with their like only (Mantel and Haenszel): the counts of every group of like cases are added up, so
//! that what merely goes along with a group explains nothing. What this file does not do: say what is alike, or how much
//! chance is too much.

/// Cases that are alike but for one thing: how many there are, and how many have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bad cases that have it.
    pub bad_with: u64,
    /// Bad cases.
    pub bad: u64,
    /// Good cases that have it.
    pub good_with: u64,
    /// Good cases.
    pub good: u64,
}

impl Counts {
    /// Adds other cases.
    pub fn add(&mut self, other: Self) {
        self.bad_with += other.bad_with;
        self.bad += other.bad;
        self.good_with += other.good_with;
        self.good += other.good;
    }

    /// The share of the bad cases that have it.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.bad_with as f64 / self.bad.max(1) as f64
    }

    /// How many times as likely a case that has it is to be bad as one that lacks it. Of no bad cases without it half a case
    /// is assumed.
    #[must_use]
    pub fn lift(&self) -> f64 {
        let (with, without) = (self.bad_with + self.good_with, self.without());
        let others = (self.bad - self.bad_with) as f64 / without.max(1) as f64;
        self.bad_with as f64 / with.max(1) as f64 / others.max(0.5 / without.max(1) as f64)
    }

    const fn without(&self) -> u64 {
        (self.bad - self.bad_with) + (self.good - self.good_with)
    }
}

/// The counts of several groups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contrast {
    /// All cases, whatever their group.
    pub all: Counts,
    expected: f64,
    /// Bad cases that could have had it.
    trials: u64,
    risk_with: f64,
    risk_without: f64,
    /// What half a bad case without it would weigh.
    half: f64,
}

impl Contrast {
    /// Takes in a group of like cases.
    pub fn add(&mut self, group: Counts) {
        self.all.add(group);
        let (with, without) = (group.bad_with + group.good_with, group.without());
        let size = (with + without) as f64;
        if with == 0 || group.bad == 0 {
            return;
        }
        self.expected += group.bad as f64 * with as f64 / size;
        self.trials += group.bad.min(with);
        self.risk_with += group.bad_with as f64 * without as f64 / size;
        self.risk_without += (group.bad - group.bad_with) as f64 * with as f64 / size;
        self.half = self.half.max(0.5 * with as f64 / size);
    }

    /// How many times as likely a case that has it is to be bad as a like one that lacks it. One where all that are alike
    /// have it, or none.
    #[must_use]
    pub fn lift(&self) -> f64 {
        if self.risk_with > 0.0 { self.risk_with / self.risk_without.max(self.half) } else { 1.0 }
    }

    /// The natural logarithm of the chance that so many bad cases have it although it has nothing to do with that; never too
    /// small. Of a group so many bad ones have it by a hypergeometric law, which is that of independent trials (Vatutin and
    /// Mikhailov 1982), as is that of all groups together; such a sum exceeds what lies above its mean no more often than a
    /// binomial one of the same mean does (Hoeffding 1956). So the tail of that is a bound, exact enough for few cases.
    #[must_use]
    pub fn ln_chance(&self) -> f64 {
        let seen = self.all.bad_with.min(self.trials);
        if self.trials == 0 || (seen as f64) < self.expected + 1.0 {
            return 0.0;
        }
        ln_binomial_tail(self.trials, self.expected / self.trials as f64, seen)
    }
}

/// The logarithm of the chance of `least` or more hits in `trials`, each with chance `share`; for `least` above the mean.
fn ln_binomial_tail(trials: u64, share: f64, least: u64) -> f64 {
    if share >= 1.0 {
        return 0.0;
    }
    let (n, x) = (trials as f64, least as f64);
    let first = ln_factorial(trials) - ln_factorial(least) - ln_factorial(trials - least) + x * share.ln() + (n - x) * (-share).ln_1p();
    // Every further term is a smaller part of the one before.
    let (mut sum, mut term, odds) = (1.0, 1.0, share / (1.0 - share));
    for hits in least..trials {
        term *= (trials - hits) as f64 / (hits + 1) as f64 * odds;
        sum += term;
        if term < 1e-12 {
            break;
        }
    }
    (first + sum.ln()).min(0.0)
}

/// Stirling's series from 32 on, where its error is below the last digit.
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|n| (n as f64).ln()).sum();
    }
    let n = n as f64;
    (n + 0.5) * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn counts(bad_with: u64, bad: u64, good_with: u64, good: u64) -> Counts {
        Counts { bad_with, bad, good_with, good }
    }

    fn of(groups: &[Counts]) -> Contrast {
        let mut contrast = Contrast::default();
        groups.iter().for_each(|group| contrast.add(*group));
        contrast
    }

    #[test]
    fn a_known_tail() {
        // 10 of 20 at a share of 0.2: 1 - P(X <= 9) = 0.002594827.
        assert!((ln_binomial_tail(20, 0.2, 10).exp() - 0.002_594_827).abs() < 1e-8);
        assert!((ln_factorial(40) - 110.320_639_714_757_4).abs() < 1e-9 && (ln_factorial(31) - 78.092_223_553_315_3).abs() < 1e-9);
    }

    #[test]
    fn what_most_bad_and_few_good_have_is_no_chance() {
        let tenant = of(&[counts(48, 50, 40, 1000)]);
        assert!(tenant.ln_chance() < -80.0 && tenant.lift() > 20.0, "{} {}", tenant.ln_chance(), tenant.lift());
        assert!(of(&[counts(5, 50, 100, 1000)]).ln_chance() > -0.5, "as often on both sides");
    }

    #[test]
    fn what_goes_along_with_a_group_explains_nothing() {
        // One route fails by half for all; a tenant calls mostly that route.
        let (bad_route, good_route) = (counts(45, 50, 45, 50), counts(10, 1, 100, 1000));
        let good_route = Counts { bad_with: 0, bad: 0, ..good_route };
        let mut pooled = bad_route;
        pooled.add(good_route);
        assert!(of(&[pooled]).ln_chance() < -20.0, "that tenant has far more failures");
        let alike = of(&[bad_route, good_route]);
        assert!(alike.ln_chance() > -0.5 && (alike.lift() - 1.0).abs() < 0.2, "but not among requests of one route");
        assert!(of(&[counts(50, 50, 0, 0)]).ln_chance() > -1e-9, "nothing to compare with");
    }

    proptest! {
        /// The bound is never below the exact chance, by which a draw of `bad` out of all holds so many.
        #[test]
        fn chance_is_not_underrated(bad in 1_u64..15, good in 1_u64..25, with in 1_u64..30) {
            let all = bad + good;
            let with = with.min(all - 1);
            let choose = |n: u64, k: u64| if k > n { 0.0 } else { (ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)).exp() };
            for seen in with.saturating_sub(good)..=bad.min(with) {
                let exact: f64 = (seen..=bad.min(with)).map(|x| choose(with, x) * choose(all - with, bad - x) / choose(all, bad)).sum();
                let told = of(&[counts(seen, bad, with - seen, good)]).ln_chance().exp();
                prop_assert!(told >= exact * (1.0 - 1e-9), "{} of {} with {} of {}: {} < {}", seen, bad, with, all, told, exact);
            }
        }
    }
}
