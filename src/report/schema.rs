//! The JSON Schema (draft 2020-12) of the machine-readable result, as `analyze schema` prints it.
//!
//! It is written by hand in `schema.json`: it carries the meaning of each key to people who never see this code. The tests
//! hold it against a report, in both directions.

/// The schema as text.
#[must_use]
pub fn schema() -> &'static str {
    include_str!("schema.json")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::report::{Report, example, json, redact, schema};

    /// The few keywords of JSON Schema that ours uses. A key that the schema does not name is a fault too: nothing may be
    /// in the contract without a description.
    fn check(value: &Value, rule: &Value, root: &Value, path: &str, faults: &mut Vec<String>) {
        if let Some(target) = rule.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(target.trim_start_matches('#')).expect("a reference leads somewhere");
            return check(value, target, root, path, faults);
        }
        if let Some(choices) = rule.get("anyOf").and_then(Value::as_array) {
            let fits = |choice: &&Value| {
                let mut found = Vec::new();
                check(value, choice, root, path, &mut found);
                found.is_empty()
            };
            if !choices.iter().any(|choice| fits(&choice)) {
                faults.push(format!("{path}: fits none of the alternatives"));
            }
            return;
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let allowed = |name: &Value| name == kind || (name == "number" && kind == "integer");
        match &rule["type"] {
            Value::Array(names) if !names.iter().any(allowed) => faults.push(format!("{path}: is {kind}")),
            name @ Value::String(_) if !allowed(name) => faults.push(format!("{path}: is {kind}, not {name}")),
            _ => {}
        }
        if rule.get("const").is_some_and(|only| only != value) {
            faults.push(format!("{path}: is {value}"));
        }
        if rule.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value)) {
            faults.push(format!("{path}: {value} is not among the words"));
        }
        if let Some(number) = value.as_f64() {
            let below = rule.get("minimum").and_then(Value::as_f64).is_some_and(|least| number < least);
            let above = rule.get("maximum").and_then(Value::as_f64).is_some_and(|most| number > most);
            if below || above {
                faults.push(format!("{path}: {number} is out of range"));
            }
        }
        if let (Some(text), Some(most)) = (value.as_str(), rule.get("maxLength").and_then(Value::as_u64))
            && text.chars().count() as u64 > most
        {
            faults.push(format!("{path}: longer than {most}"));
        }
        if let Some(items) = value.as_array() {
            if rule.get("maxItems").and_then(Value::as_u64).is_some_and(|most| items.len() as u64 > most) {
                faults.push(format!("{path}: too many"));
            }
            items.iter().enumerate().for_each(|(at, item)| check(item, &rule["items"], root, &format!("{path}[{at}]"), faults));
        }
        if let Some(map) = value.as_object() {
            for key in rule["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(key) {
                    faults.push(format!("{path}.{key}: is missing"));
                }
            }
            for (key, item) in map {
                match rule["properties"].get(key) {
                    Some(rule) => check(item, rule, root, &format!("{path}.{key}"), faults),
                    None => faults.push(format!("{path}.{key}: is not in the schema")),
                }
            }
        }
    }

    fn faults(report: &Report) -> Vec<String> {
        let root: Value = serde_json::from_str(schema()).expect("the schema is JSON");
        let value: Value = serde_json::from_str(&json(report)).expect("the report is JSON");
        let mut faults = Vec::new();
        check(&value, &root, &root, "report", &mut faults);
        faults
    }

    #[test]
    fn reports_fit_the_schema() {
        let mut rich = example::rich();
        redact::redact(&mut rich);
        assert_eq!(faults(&rich), Vec::<String>::new());
        let empty = Report { schema: "analyze.report/1", verdict: example::calm(), ..Report::default() };
        assert_eq!(faults(&empty), Vec::<String>::new());
    }

    #[test]
    fn the_check_finds_faults() {
        let mut report = example::rich();
        report.schema = "other";
        report.findings[0].score = 101.0;
        report.findings[1].severity = "bad".to_owned();
        assert_eq!(
            faults(&report)
                .iter()
                .filter(|fault| fault.contains("out of range") || fault.contains("words") || fault.contains("report.schema"))
                .count(),
            3
        );
    }
}
