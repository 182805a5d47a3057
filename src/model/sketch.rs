//! A distribution in little room: counts in bins whose borders are fixed, so that two sketches merge exactly.
//!
//! A bin is a power of two divided into 64, hence at most 1.6 % wide; each bin also keeps the sum of its values, so a
//! quantile is the mean of the values that fell beside it. Everything is an integer: merging commutes to the last bit.
//!
//! What this file does not do: forget. A sketch of a million values is as large as the number of different bins.

/// Binary digits of a value that choose its bin.
const DIGITS: u32 = 6;

/// So few bins are put in one by one: more are cheaper to merge as the sorted lists they are.
const FEW: usize = 4;

/// A mergeable distribution of whole numbers: nanoseconds, bytes, counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    bins: Vec<Bin>,
    count: u64,
    max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bin {
    number: u16,
    count: u32,
    sum: u64,
}

impl Sketch {
    /// Takes a value in.
    pub fn add(&mut self, value: u64) {
        self.put(Bin { number: bin(value), count: 1, sum: value });
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Takes in all values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
        } else if other.bins.len() <= FEW {
            other.bins.iter().for_each(|&bin| self.put(bin));
        } else {
            zip_in(&mut self.bins, &other.bins);
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Takes out the values of another sketch, all of which were taken in before. The greatest value is that of the bin that
    /// remains.
    pub fn take_out(&mut self, other: &Self) {
        for gone in &other.bins {
            if let Ok(at) = self.bins.binary_search_by_key(&gone.number, |bin| bin.number)
                && let Some(bin) = self.bins.get_mut(at)
            {
                bin.count = bin.count.saturating_sub(gone.count);
                bin.sum = bin.sum.saturating_sub(gone.sum);
            }
        }
        self.bins.retain(|bin| bin.count > 0);
        self.count = self.bins.iter().map(|bin| u64::from(bin.count)).sum();
        self.max = self.bins.last().map_or(0, Bin::mean);
    }

    fn put(&mut self, new: Bin) {
        match self.bins.binary_search_by_key(&new.number, |bin| bin.number) {
            Ok(at) => {
                if let Some(bin) = self.bins.get_mut(at) {
                    *bin = bin.with(new);
                }
            }
            Err(at) => self.bins.insert(at, new),
        }
    }

    /// How many values there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The greatest value, exactly; zero if there is none.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.sum))
    }

    /// The mean; zero if there is no value.
    #[must_use]
    pub fn mean(&self) -> u64 {
        self.sum().checked_div(self.count).unwrap_or(0)
    }

    /// The value of a rank, the least being the first; zero if there is none of that rank. Within 1.6 %.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> u64 {
        let mut seen = 0;
        for bin in &self.bins {
            seen += u64::from(bin.count);
            if seen >= rank {
                return bin.mean();
            }
        }
        self.max
    }

    /// The quantile by nearest rank, in thousandths: 500 is the median. Zero if there is no value.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> u64 {
        self.at_rank((self.count.saturating_mul(thousandths)).div_ceil(1000).max(1))
    }

    /// The median.
    #[must_use]
    pub fn p50(&self) -> u64 {
        self.quantile(500)
    }

    /// The 95th percentile, or the greatest of fewer than twenty values.
    #[must_use]
    pub fn p95(&self) -> u64 {
        if self.count < 20 { self.max } else { self.quantile(950) }
    }

    /// The 99th percentile, or the greatest of fewer than a hundred values.
    #[must_use]
    pub fn p99(&self) -> u64 {
        if self.count < 100 { self.max } else { self.quantile(990) }
    }

    /// How many values lie above the limit; those in the limit's own bin count by the bin's mean.
    #[must_use]
    pub fn above(&self, limit: u64) -> u64 {
        self.bins.iter().filter(|bin| bin.mean() > limit).map(|bin| u64::from(bin.count)).sum()
    }

    /// The value around which the values crowd most closely, and how many of them lie within about two percent of it:
    /// calls that were cut off by one timeout agree like nothing else does.
    #[must_use]
    pub fn crowd(&self) -> (u64, u64) {
        let mut best = (0, 0);
        for (at, bin) in self.bins.iter().enumerate() {
            let next = self.bins.get(at + 1).filter(|next| next.number == bin.number + 1);
            let count = u64::from(bin.count) + next.map_or(0, |next| u64::from(next.count));
            if count > best.1 {
                let sum = bin.sum.saturating_add(next.map_or(0, |next| next.sum));
                best = (sum / count.max(1), count);
            }
        }
        best
    }

    /// How strongly these values exceed those of another sketch: the z-score of Mann and Whitney, ties corrected.
    /// Zero if either is empty or all values are equal.
    #[must_use]
    pub fn excess_over(&self, other: &Self) -> f64 {
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let (mut wins, mut ties, mut below) = (0.0, 0.0, 0.0);
        let mut others = other.bins.iter().peekable();
        for bin in &self.bins {
            let mut level = 0.0;
            while let Some(next) = others.next_if(|next| next.number <= bin.number) {
                if next.number == bin.number {
                    level = f64::from(next.count);
                } else {
                    below += f64::from(next.count);
                    ties += cubed(f64::from(next.count));
                }
            }
            wins += f64::from(bin.count) * (below + level / 2.0);
            ties += cubed(f64::from(bin.count) + level);
            below += level;
        }
        ties += others.map(|bin| cubed(f64::from(bin.count))).sum::<f64>();
        let all = mine + theirs;
        let spread = mine * theirs / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)).max(1.0));
        if spread <= 0.0 { 0.0 } else { (wins - mine * theirs / 2.0) / spread.sqrt() }
    }

    /// Mean value and count of every bin, the least first.
    pub fn bins(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.bins.iter().map(|bin| (bin.mean(), u64::from(bin.count)))
    }
}

impl Bin {
    fn mean(&self) -> u64 {
        self.sum.checked_div(u64::from(self.count)).unwrap_or(0)
    }

    /// Both bins of one number.
    fn with(self, other: Self) -> Self {
        Self { number: self.number, count: self.count.saturating_add(other.count), sum: self.sum.saturating_add(other.sum) }
    }
}

/// Adds the bins of another sketch where they belong: nearly all are there already, so that no new list is made.
fn zip_in(mine: &mut Vec<Bin>, theirs: &[Bin]) {
    let (mut shared, mut next) = (0, mine.iter().peekable());
    for bin in theirs {
        while next.next_if(|known| known.number < bin.number).is_some() {}
        shared += usize::from(next.peek().is_some_and(|known| known.number == bin.number));
    }
    let (mut from, mut to) = (mine.len(), mine.len() + theirs.len() - shared);
    mine.reserve_exact(to - from);
    mine.resize(to, Bin { number: 0, count: 0, sum: 0 });
    // From the greatest down, so that nothing is overwritten before it was moved.
    for &bin in theirs.iter().rev() {
        while from > 0 && mine[from - 1].number > bin.number {
            (from, to) = (from - 1, to - 1);
            mine[to] = mine[from];
        }
        to -= 1;
        let known = from > 0 && mine[from - 1].number == bin.number;
        from -= usize::from(known);
        mine[to] = if known { mine[from].with(bin) } else { bin };
    }
}

/// Of a group of equal values: what ties take from the spread.
fn cubed(n: f64) -> f64 {
    n * n * n - n
}

/// Values below 128 have a bin of their own; from there on a bin is the leading seven digits and their position.
fn bin(value: u64) -> u16 {
    let shift = (63 - (value | 1 << DIGITS).leading_zeros()) - DIGITS;
    ((shift << DIGITS) + (value >> shift) as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        values.into_iter().for_each(|value| sketch.add(value));
        sketch
    }

    #[test]
    fn quantiles_by_nearest_rank() {
        let sketch = of(1..=100);
        assert_eq!((sketch.p50(), sketch.p95(), sketch.p99(), sketch.max(), sketch.mean()), (50, 95, 99, 100, 50));
        assert_eq!(of([7, 9]).p95(), 9, "too few for a percentile");
        assert_eq!(Sketch::default().p50(), 0);
    }

    #[test]
    fn what_is_taken_out_is_gone() {
        let mut sketch = of((1..=100).chain([7_000, 9_000]));
        sketch.take_out(&of([7_000, 9_000, 50]));
        assert_eq!((sketch.count(), sketch.max(), sketch.p99(), sketch.sum()), (99, 100, 100, 5000));
        sketch.take_out(&sketch.clone());
        assert_eq!(sketch, Sketch::default());
    }

    #[test]
    fn a_timeout_is_a_crowd() {
        let (value, count) = of([1_998_000_000, 2_001_000_000, 2_004_000_000, 90_000_000, 700_000_000]).crowd();
        assert_eq!((value, count), (2_001_000_000, 3));
    }

    #[test]
    fn excess_tells_a_shift_from_noise() {
        let calm = of((0..200).map(|n| 100 + n % 40));
        assert!(of((0..200).map(|n| 100 + n % 41)).excess_over(&calm).abs() < 2.0);
        assert!(of((0..50).map(|n| 150 + n % 40)).excess_over(&calm) > 9.0);
        assert!(of([]).excess_over(&calm).abs() < 1e-9 && of([5, 5]).excess_over(&of([5])).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same(values in prop::collection::vec(any::<u64>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(values.len());
            let (mut a, mut b) = (of(values[..cut].iter().copied()), of(values[cut..].iter().copied()));
            let copy = a.clone();
            a.merge(&b);
            b.merge(&copy);
            prop_assert_eq!(&a, &b);
            prop_assert_eq!(&a, &of(values.iter().copied()));
            prop_assert_eq!(a, of(values));
        }

        #[test]
        fn quantiles_are_within_two_percent(mut values in prop::collection::vec(0_u64..1 << 50, 1..300), q in 1_u64..=1000) {
            let got = of(values.iter().copied()).quantile(q);
            values.sort_unstable();
            let want = values[((values.len() as u64 * q).div_ceil(1000).max(1) - 1) as usize];
            prop_assert!(got.abs_diff(want) as f64 <= 0.02 * want as f64 + 1.0, "{} for {}", got, want);
        }
    }
}
