//! Patterns of paths: `*` and `?` inside a name, `**` across folders.
//!
//! What this file does not do: braces, classes, and negation.

/// Whether a path matches a pattern. A pattern without a slash is one of names, wherever they lie.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let path = path.replace("!/", "/");
    if pattern.contains('/') {
        return parts(&pattern.split('/').collect::<Vec<_>>(), &path.split('/').collect::<Vec<_>>());
    }
    path.split('/').next_back().is_some_and(|last| name(pattern.as_bytes(), last.as_bytes()))
}

/// Folder by folder; `**` stands for any number of them. Each pair of places is looked at once.
fn parts(pattern: &[&str], path: &[&str]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            if !reached[at] {
                continue;
            }
            if *part == "**" {
                next[at..].fill(true);
                break;
            }
            if path.get(at).is_some_and(|folder| name(part.as_bytes(), folder.as_bytes())) {
                next[at + 1] = true;
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// One name, going back to the last star where it does not fit.
fn name(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("*.log", "a/b/c.log", true),
            ("*.log", "a/b/c.txt", false),
            ("a/*/c.log", "a/b/c.log", true),
            ("a/*/c.log", "a/b/x/c.log", false),
            ("a/**", "a/b/x/c.log", true),
            ("**/c.log", "c.log", true),
            ("a/**/c*", "a/c.log", true),
            ("a.zip/b/*", "a.zip!/b/c", true),
            ("?.log", "é.log", false),
            ("gc*.log*", "x/gc-1.log.0", true),
            ("", "a", false),
            ("*", "a/b", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)));
    }
}
