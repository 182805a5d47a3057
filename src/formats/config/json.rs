//! JSON settings: `appsettings.json` and its like, and what Spring's actuator tells at `/env` and `/configprops`.
//!
//! ```text
//! {"Http":{"TimeoutSeconds":5}}                                               http.timeoutseconds
//! {"activeProfiles":["prod"],"propertySources":[{"properties":{"server.port":{"value":"8080"}}}]}
//! {"contexts":{"app":{"beans":{"x":{"prefix":"server.tomcat","properties":{"acceptCount":100}}}}}}
//! ```
//!
//! Of several sources the first one that has a key is in force, as Spring has it. What this file does not do: JSON whose
//! name does not say that it is settings; it may be a log.

use super::entry::{Entry, canonical, emit, of_variable};
use crate::formats::arena::Arena;
use crate::formats::json_scan::{Scan, Step};
use crate::model::record::{Reason, Sink};
use crate::model::source::Chunk;
use std::collections::BTreeSet;

/// Keys at the top of an object that make it a record of a log.
const LOGGED: &[&str] = &[
    "\"timestamp\"",
    "\"@timestamp\"",
    "\"time\"",
    "\"level\"",
    "\"severity\"",
    "\"msg\"",
    "\"message\"",
    "\"traceId\"",
    "\"resourceSpans\"",
    "\"apiVersion\"",
];

/// What the head of a file is: the layout's name, if it is settings.
pub fn layout(head: &str, whole: bool, named: bool) -> Option<&'static str> {
    let text = head.trim_start();
    if !text.starts_with('{') {
        return None;
    }
    let has = |key: &str| text.contains(key);
    if has("\"propertySources\"") && (has("\"activeProfiles\"") || has("\"properties\"")) {
        return Some("config/actuator-env");
    }
    if has("\"contexts\"") && has("\"beans\"") && has("\"prefix\"") {
        return Some("config/actuator-configprops");
    }
    let top = text.get(..text.len().min(400)).unwrap_or(text);
    let one = whole && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    (named && one && !LOGGED.iter().any(|key| top.contains(key))).then_some("config/json")
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let Ok(text) = std::str::from_utf8(chunk.bytes) else {
        return sink.quarantine(chunk.evidence(0, chunk.bytes.len()), Reason::InvalidUtf8);
    };
    let arena = Arena::default();
    let mut scan = Scan::of_text(text, &arena);
    let mut reader = Reader::default();
    let result = reader.document(&mut scan);
    let profile = reader.profiles.join(",").to_lowercase();
    reader.out.iter_mut().for_each(|entry| entry.profile.clone_from(&profile));
    emit(chunk, &reader.out, sink);
    if let Err(reason) = result {
        let at = scan.at().min(chunk.bytes.len());
        sink.quarantine(chunk.evidence(at, chunk.bytes.len() - at), reason);
    }
}

#[derive(Default)]
struct Reader {
    out: Vec<Entry>,
    profiles: Vec<String>,
    seen: BTreeSet<String>,
}

impl Reader {
    fn document(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        scan.peek();
        if !scan.enter_object()? {
            return Ok(());
        }
        loop {
            scan.peek();
            let from = scan.at();
            match scan.key()? {
                None => return Ok(()),
                Some("activeProfiles") => self.profiles(scan)?,
                Some("defaultProfiles") => scan.skip()?,
                Some("propertySources") => self.sources(scan)?,
                Some("contexts") => self.contexts(scan)?,
                Some(key) => self.value(scan, &canonical(key), from)?,
            }
        }
    }

    fn profiles(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        if scan.enter_array()? {
            while scan.item()? {
                self.profiles.push(scan.text()?.to_owned());
            }
        }
        Ok(())
    }

    fn sources(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        if !scan.enter_array()? {
            return Ok(());
        }
        while scan.item()? {
            if !scan.enter_object()? {
                continue;
            }
            let mut variables = false;
            while let Some(key) = scan.key()? {
                match key {
                    "name" => variables = scan.text()?.contains("systemEnvironment"),
                    "properties" => self.properties(scan, variables)?,
                    _ => scan.skip()?,
                }
            }
        }
        Ok(())
    }

    /// `{"server.port":{"value":"8080","origin":"..."}}`; a value of stars was taken out by Spring itself.
    fn properties(&mut self, scan: &mut Scan<'_>, variables: bool) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        loop {
            scan.peek();
            let from = scan.at();
            let Some(name) = scan.key()? else { return Ok(()) };
            let key = if variables { of_variable(name) } else { canonical(name) };
            if !scan.enter_object()? {
                continue;
            }
            let mut value = "";
            while let Some(part) = scan.key()? {
                if part == "value" { value = scan.text()? } else { scan.skip()? }
            }
            if self.seen.insert(key.clone()) {
                self.out.push(Entry::new(key, value, from..scan.at()));
            }
        }
    }

    fn contexts(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        while scan.key()?.is_some() {
            if !scan.enter_object()? {
                continue;
            }
            while let Some(key) = scan.key()? {
                if key == "beans" { self.beans(scan)? } else { scan.skip()? }
            }
        }
        Ok(())
    }

    fn beans(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        while scan.key()?.is_some() {
            if !scan.enter_object()? {
                continue;
            }
            let mut prefix = String::new();
            while let Some(key) = scan.key()? {
                match key {
                    "prefix" => prefix = canonical(scan.text()?),
                    "properties" => {
                        let from = scan.at();
                        self.value(scan, &prefix, from)?;
                    }
                    _ => scan.skip()?,
                }
            }
        }
        Ok(())
    }

    /// A value of any kind under a key; the scanner bounds the nesting.
    fn value(&mut self, scan: &mut Scan<'_>, key: &str, from: usize) -> Step<()> {
        match scan.peek() {
            Some(b'{') => {
                scan.enter_object()?;
                loop {
                    scan.peek();
                    let from = scan.at();
                    let Some(name) = scan.key()? else { return Ok(()) };
                    self.value(scan, &format!("{key}.{}", canonical(name)), from)?;
                }
            }
            Some(b'[') => {
                scan.enter_array()?;
                let mut number = 0;
                while scan.item()? {
                    scan.peek();
                    let from = scan.at();
                    self.value(scan, &format!("{key}[{number}]"), from)?;
                    number += 1;
                }
                Ok(())
            }
            _ => {
                let value = scan.text()?;
                self.out.push(Entry::new(key.to_owned(), value, from..scan.at()));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    #[test]
    fn nested_objects_and_lists() {
        let text =
            "{\n  \"Http\": {\"TimeoutSeconds\": 5, \"Hosts\": [\"a\", \"b\"]},\n  \"ConnectionStrings\": {\"Main\": \"Host=db;Password=x\"}\n}\n";
        assert_eq!(layout(text, true, true), Some("config/json"));
        let said = read(parse, text.as_bytes());
        assert_eq!(
            said.text.lines().collect::<Vec<_>>(),
            [
                r#"setting @13+19 key="http.timeoutseconds" value="5""#,
                r#"setting @44+3 key="http.hosts[0]" value="a""#,
                r#"setting @49+3 key="http.hosts[1]" value="b""#,
                r#"setting @80+28 key="connectionstrings.main" value="Host=db;Password=***""#,
            ]
        );
    }

    #[test]
    fn actuators() {
        let text = r#"{"activeProfiles":["prod"],"propertySources":[{"name":"systemEnvironment","properties":{"SERVER_TOMCAT_THREADS_MAX":{"value":"50"}}},{"name":"Config resource","properties":{"server.tomcat.threads.max":{"value":"200"},"spring.datasource.password":{"value":"******"}}}]}"#;
        assert_eq!(layout(text, true, false), Some("config/actuator-env"));
        assert_eq!(
            placeless(&read(parse, text.as_bytes())),
            [
                r#"setting profile="prod" key="server.tomcat.threads.max" value="50""#,
                r#"setting profile="prod" key="spring.datasource.password" value="******""#
            ]
        );
        let text = r#"{"contexts":{"app":{"beans":{"serverProperties":{"prefix":"server","properties":{"tomcat":{"acceptCount":100}},"inputs":{"tomcat":{}}}},"parentId":null}}}"#;
        assert_eq!(layout(text, true, false), Some("config/actuator-configprops"));
        assert_eq!(placeless(&read(parse, text.as_bytes())), [r#"setting key="server.tomcat.acceptcount" value="100""#]);
    }

    #[test]
    fn logs_are_none_and_cut_files_do_not_break() {
        assert_eq!(layout("{\"timestamp\":\"2026\",\"level\":\"INFO\",\"message\":\"x\"}\n", true, true), None);
        assert_eq!(layout("{\"a\":1}\n{\"a\":2}\n", true, true), None);
        assert_eq!(layout("{\"a\":1}", true, false), None);
        let text = r#"{"activeProfiles":["prod"],"propertySources":[{"name":"x","properties":{"a.b":{"value":"1"}}}],"z":[{"y":[1]}]}"#;
        for end in 0..text.len() {
            read(parse, &text.as_bytes()[..end]);
        }
    }
}
