//! The columns of a table, and the cells of a row under them.
//!
//! ```text
//! NAME                      READY   STATUS    RESTARTS      AGE
//! orders-7d9f5b6c8d-k2xwz   1/1     Running   4 (5m ago)    2d4h
//! ```
//!
//! Cells stand under their headings and at least two spaces apart; whoever pasted a table may have lost either. What this file
//! does not do: know what a column means.

/// Headings of two words.
const PAIRS: [(&str, &str); 5] = [("LAST", "SEEN"), ("FIRST", "SEEN"), ("NOMINATED", "NODE"), ("READINESS", "GATES"), ("INVOLVED", "OBJECT")];

/// Headings whose cells may be long sentences: the rest of a line is theirs.
const SENTENCE: &str = "MESSAGE";

/// The headings of a table.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Heading in upper case without spaces, and where it begins.
    all: Vec<(String, usize)>,
}

/// A row's cells.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    cells: Vec<(String, &'a str)>,
}

impl Row<'_> {
    /// The cell under a heading; empty if there is none, or if it says that there is nothing.
    #[must_use]
    pub fn get(&self, heading: &str) -> &str {
        let cell = self.cells.iter().find(|(name, _)| name == heading).map_or("", |(_, cell)| *cell);
        if matches!(cell, "<none>" | "-") { "" } else { cell }
    }

    /// The first of these headings that has a cell.
    #[must_use]
    pub fn first(&self, headings: &[&str]) -> &str {
        headings.iter().map(|heading| self.get(heading)).find(|cell| !cell.is_empty()).unwrap_or("")
    }
}

impl Columns {
    /// The headings of a line.
    #[must_use]
    pub fn of(line: &str) -> Self {
        let mut all: Vec<(String, usize)> = Vec::new();
        let mut open = "";
        for (at, word) in words(line) {
            let upper = word.to_ascii_uppercase();
            if let Some((first, second)) = PAIRS.iter().find(|(first, second)| *first == open && *second == upper) {
                if let Some(last) = all.last_mut() {
                    last.0 = format!("{first}{second}");
                }
                open = "";
                continue;
            }
            open = PAIRS.iter().find(|(first, _)| *first == upper).map_or("", |(first, _)| *first);
            all.push((upper, at));
        }
        Self { all }
    }

    /// Whether a heading is there.
    #[must_use]
    pub fn has(&self, heading: &str) -> bool {
        self.all.iter().any(|(name, _)| name == heading)
    }

    /// The cells of a line; none if they do not fit the headings.
    #[must_use]
    pub fn row<'a>(&self, line: &'a str) -> Option<Row<'a>> {
        let cells = self.apart(line).or_else(|| self.aligned(line)).or_else(|| self.counted(line))?;
        Some(Row { cells: self.all.iter().map(|(name, _)| name.clone()).zip(cells).collect() })
    }

    /// Cells that stand two spaces apart, as many as there are headings.
    fn apart<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        let cells: Vec<&str> = line.split("  ").flat_map(|part| part.split('\t')).map(str::trim).filter(|part| !part.is_empty()).collect();
        (cells.len() == self.all.len()).then_some(cells)
    }

    /// Cells under their headings, some of them empty.
    fn aligned<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        let bytes = line.as_bytes();
        let fits = self.all.iter().skip(1).all(|(_, start)| bytes.get(start.wrapping_sub(1)).is_none_or(|b| *b == b' '));
        let ends = self.all.iter().skip(1).map(|(_, start)| *start).chain([line.len()]);
        let cells: Vec<&str> =
            self.all.iter().zip(ends).map(|((_, start), end)| line.get(*start..end.min(line.len())).unwrap_or("").trim()).collect();
        (fits && cells.first().is_some_and(|cell| !cell.is_empty()) && cells.iter().filter(|cell| !cell.is_empty()).count() * 2 > cells.len())
            .then_some(cells)
    }

    /// Word by word; what stands in brackets belongs to the word before it, and the last cell takes the rest.
    fn counted<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        let mut cells: Vec<(usize, usize)> = Vec::new();
        let mut bracket = false;
        for (at, word) in words(line) {
            let end = at + word.len();
            let is_rest = cells.len() == self.all.len() && self.all.last().is_some_and(|(name, _)| name == SENTENCE);
            match cells.last_mut() {
                Some(last) if bracket || is_rest || word.starts_with('(') => last.1 = end,
                _ => cells.push((at, end)),
            }
            bracket = (bracket || word.starts_with('(')) && !word.ends_with(')');
        }
        (cells.len() == self.all.len()).then(|| cells.into_iter().map(|(from, to)| line.get(from..to).unwrap_or("")).collect())
    }
}

/// Words and where they begin.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    line.split([' ', '\t']).filter_map(move |word| {
        let at = next;
        next += word.len() + 1;
        (!word.is_empty()).then_some((at, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(header: &str, line: &str) -> Vec<String> {
        Columns::of(header).row(line).map_or_else(Vec::new, |row| row.cells.iter().map(|(_, cell)| (*cell).to_owned()).collect())
    }

    #[test]
    fn cells_apart_aligned_and_counted() {
        let header = "LAST SEEN          TYPE      REASON      OBJECT     SUBOBJECT   MESSAGE";
        let aligned = "4m (x12 over 9m)   Warning   Unhealthy   pod/a                  Readiness probe failed: x";
        assert_eq!(cells(header, aligned), ["4m (x12 over 9m)", "Warning", "Unhealthy", "pod/a", "", "Readiness probe failed: x"]);
        let pasted = "4m (x12 over 9m) Warning Unhealthy pod/a Readiness probe failed: x";
        assert_eq!(cells("LAST SEEN TYPE REASON OBJECT MESSAGE", pasted)[4], "Readiness probe failed: x");
        assert_eq!(cells("NAME READY STATUS RESTARTS AGE", "a-1 1/1 Running 4 (5m ago) 2d"), ["a-1", "1/1", "Running", "4 (5m ago)", "2d"]);
        assert_eq!(cells("NAME  READY  AGE", "Error from server: none"), Vec::<String>::new());
    }
}
