//! A search for what is mostly near: by steps that double, then by halves.
//!
//! What this file does not do: look backwards.

/// How many of the first rows are before what is looked for. They stand in its order, so that none is after one that is not.
pub fn count_before<T>(rows: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while rows.get(step).is_some_and(&is_before) {
        step *= 2;
    }
    // What lies at half the step is before, unless the very first is not.
    let from = step / 2;
    from + rows.get(from..(step + 1).min(rows.len())).map_or(0, |near| near.partition_point(&is_before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_halves_find() {
        for len in 0..70 {
            let rows: Vec<u32> = (0..len).collect();
            for wanted in 0..=len + 2 {
                assert_eq!(count_before(&rows, |row| *row < wanted), rows.partition_point(|row| *row < wanted), "{wanted} of {len}");
            }
        }
    }
}
