//! Statements of databases without their values, so that all turns of a loop are one statement.
//!
//! ```text
//! select * from o  where id in (1, 2,3) and n = 'it''s'     select * from o where id in (?) and n = ?
//! ```
//!
//! What this file does not do: understand SQL. Words stay as they are, comments and white space go.

/// Statements longer than this are cut: the rest never tells two apart.
const LONGEST_STATEMENT: usize = 400;

/// Appends a statement with `?` in place of its values, lists of values collapsed, white space folded.
pub fn statement_without_values(statement: &str, out: &mut String) {
    let bytes = statement.as_bytes();
    let start = out.len();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if out.len() - start > LONGEST_STATEMENT {
            break;
        }
        let word_before = out.as_bytes().last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        match byte {
            b'\'' => {
                at = closing_quote(bytes, at);
                value(out, start);
            }
            b'0'..=b'9' if !word_before => {
                while bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.') {
                    at += 1;
                }
                value(out, start);
            }
            b'?' => {
                at += 1;
                value(out, start);
            }
            // Placeholders of Python's and PostgreSQL's drivers.
            b'%' if bytes.get(at + 1) == Some(&b's') && !bytes.get(at + 2).is_some_and(u8::is_ascii_alphanumeric) => {
                at += 2;
                value(out, start);
            }
            b'$' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                at += 1 + bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                value(out, start);
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = memchr::memmem::find(&bytes[at..], b"*/").map_or(bytes.len(), |n| at + n + 2),
            b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                if !out.ends_with([' ', '(']) && out.len() > start {
                    out.push(' ');
                }
            }
            _ => {
                let end = plain_end(statement, at, LONGEST_STATEMENT + 1 - (out.len() - start));
                out.push_str(&statement[at..end]);
                at = end;
            }
        }
    }
    let end = out.trim_end().len().max(start);
    out.truncate(end);
}

/// The end of the run of bytes at `at` that stay as they are: at least a character, and about `most` bytes. A digit behind a
/// word belongs to it, any other begins a value.
fn plain_end(statement: &str, at: usize, most: usize) -> usize {
    let bytes = statement.as_bytes();
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end).filter(|_| end - at < most) {
        let stays = match byte {
            b'0'..=b'9' => bytes[end - 1].is_ascii_alphanumeric() || bytes[end - 1] == b'_',
            b'\'' | b'?' | b'%' | b'$' | b'-' | b'/' | b' ' | b'\n' | b'\r' | b'\t' => false,
            _ => true,
        };
        if !stays {
            break;
        }
        end += 1;
    }
    while !statement.is_char_boundary(end) {
        end += 1;
    }
    end
}

fn closing_quote(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(n) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\'', rest)) {
        at += n + 1;
        if bytes.get(at) != Some(&b'\'') {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// A placeholder; a list of them, or of whole rows of them, is one.
fn value(out: &mut String, start: usize) {
    let before = out[start..].trim_end_matches([' ', ',', '(', ')']);
    if before.ends_with('?') && out[start..].len() > before.len() && out[start + before.len()..].contains(',') {
        out.truncate(start + before.len());
    } else {
        out.push('?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_one_shape_are_one() {
        let normal = |statement: &str| {
            let mut out = String::new();
            statement_without_values(statement, &mut out);
            out
        };
        assert_eq!(normal("INSERT INTO t (a,b) VALUES (1,'x'),(2,'y')"), normal("INSERT INTO t (a,b) VALUES (7,'z')"));
        assert_eq!(normal("select 1 -- note\nfrom t2 /* hint */ where x=?"), "select ? from t2 where x=?");
        assert_eq!(normal("select a from t where id in (%s,%s, %s) and n = $12"), "select a from t where id in (?) and n = ?");
        assert_eq!(normal("select sid from v$session where a % size = 1"), "select sid from v$session where a % size = ?");
        assert_eq!(normal("select 'never closed"), "select ?");
        assert_eq!(normal("select t1.a-7, é8 from x9_2 where b=-3/4"), "select t1.a-?, é? from x9_2 where b=-?/?");
        let long = normal(&"äb ".repeat(300));
        assert!((LONGEST_STATEMENT..LONGEST_STATEMENT + 4).contains(&long.len()), "{}", long.len());
    }
}
