//! Names of JVM classes as people say them: of exceptions in stack traces, of classes in histograms.

/// `java.net.SocketTimeoutException` of a stack trace's first line.
#[must_use]
pub fn of_exception(stack: &str) -> &str {
    let line = stack.lines().next().unwrap_or("");
    let line = line.strip_prefix("Exception in thread ").and_then(|rest| rest.rsplit_once("\" ")).map_or(line, |(_, rest)| rest);
    let name = line.split([':', ' ']).next().unwrap_or("");
    let is_name = name.len() <= 200 && name != "at" && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$'));
    if is_name { name } else { "" }
}

/// A class name as people say it, with the numbers of generated classes folded, so that it is the same in every dump:
/// `[Ljava.lang.Object;` is `java.lang.Object[]`, `A$$Lambda$14/0x7f` is `A$$Lambda`, `$Proxy87` is `$Proxy`.
pub fn folded(name: &str, out: &mut String) {
    let element = name.trim_start_matches('[');
    let rank = name.len() - element.len();
    let plain = match (rank, element) {
        (0, _) => element,
        (_, "B") => "byte",
        (_, "C") => "char",
        (_, "D") => "double",
        (_, "F") => "float",
        (_, "I") => "int",
        (_, "J") => "long",
        (_, "S") => "short",
        (_, "Z") => "boolean",
        (_, object) => object.strip_prefix('L').map_or(object, |object| object.strip_suffix(';').unwrap_or(object)),
    };
    let plain = plain.split('/').next().unwrap_or(plain);
    let cut = [
        "$$Lambda",
        "$Proxy",
        "GeneratedMethodAccessor",
        "GeneratedConstructorAccessor",
        "GeneratedSerializationConstructorAccessor",
        "$$SpringCGLIB$$",
        "$$EnhancerBySpringCGLIB$$",
    ]
    .iter()
    .filter_map(|mark| plain.find(mark).map(|at| at + mark.len()))
    .min();
    out.push_str(cut.and_then(|end| plain.get(..end)).unwrap_or(plain));
    (0..rank).for_each(|_| out.push_str("[]"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folded() {
        for (name, want) in [
            ("[B", "byte[]"),
            ("[[I", "int[][]"),
            ("[Ljava.lang.Object;", "java.lang.Object[]"),
            ("com.acme.Victim$$Lambda$14/0x00007f396d00b220", "com.acme.Victim$$Lambda"),
            ("jdk.proxy2.$Proxy87", "jdk.proxy2.$Proxy"),
            ("java.lang.String", "java.lang.String"),
        ] {
            let mut out = String::new();
            folded(name, &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn exceptions_by_type() {
        assert_eq!(of_exception("java.net.SocketTimeoutException: Read timed out\n\tat x"), "java.net.SocketTimeoutException");
        assert_eq!(of_exception("Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space"), "java.lang.OutOfMemoryError");
        assert_eq!(of_exception("Traceback (most recent call last):"), "Traceback");
        assert_eq!(of_exception(""), "");
    }
}
