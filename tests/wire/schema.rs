//! Checks JSON against the part of JSON Schema that the protocol's schema uses; a keyword that it does not know fails the test,
//! so that nothing passes unchecked. A whole validator would bring more crates than the server itself has.

#![expect(clippy::indexing_slicing, reason = "a JSON value has every index")]

use std::sync::LazyLock;

use serde_json::Value;

/// The protocol's schema, with a strict variant of what clients send: no field that it does not list.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("openai_realtime_schema.json"))
        .expect("the schema is part of the repository")
});

/// What is wrong with `event` as an event of `side` (`ga_client`, `ga_server`, `beta_client`, `beta_server`).
pub(crate) fn faults(side: &str, event: &Value) -> Vec<String> {
    let kind = event["type"].as_str().unwrap_or_default();
    let Some(name) = SCHEMA["x-event-types"][side][kind].as_str() else {
        return vec![format!("{side} has no event {kind:?}")];
    };
    let mut faults = definition_faults(name, event);
    let strict = format!("Strict_{name}");
    if SCHEMA["$defs"].get(&strict).is_some() {
        faults.extend(definition_faults(&strict, event));
    }
    faults
}

fn definition_faults(name: &str, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(&SCHEMA["$defs"][name], value, name, &mut faults);
    faults
}

fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        assert_eq!(schema, &Value::Bool(true), "{at}: no schema");
        return;
    };
    for (keyword, wanted) in keywords {
        let holds = match keyword.as_str() {
            "$ref" => {
                let name = wanted.as_str().unwrap_or_default();
                let name = name.strip_prefix("#/$defs/").expect("references are local");
                check(&SCHEMA["$defs"][name], value, at, faults);
                true
            }
            "properties" => {
                for (key, schema) in wanted.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(key) {
                        check(schema, value, &format!("{at}.{key}"), faults);
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(wanted, item, &format!("{at}[]"), faults);
                }
                true
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if schema["properties"].get(key).is_some() {
                    } else if wanted == &Value::Bool(false) {
                        faults.push(format!("{at}.{key}: not in the schema"));
                    } else {
                        check(wanted, value, &format!("{at}.{key}"), faults);
                    }
                }
                true
            }
            "allOf" => matching(wanted, value, at) == wanted.as_array().map_or(0, Vec::len),
            "anyOf" => matching(wanted, value, at) >= 1,
            "oneOf" => matching(wanted, value, at) == 1,
            other => leaf(other, wanted, value, at),
        };
        if !holds {
            faults.push(format!(
                "{at}: {keyword} {wanted} does not hold for {value}"
            ));
        }
    }
}

fn matching(schemas: &Value, value: &Value, at: &str) -> usize {
    let holds = |schema: &&Value| {
        let mut faults = Vec::new();
        check(schema, value, at, &mut faults);
        faults.is_empty()
    };
    schemas
        .as_array()
        .into_iter()
        .flatten()
        .filter(holds)
        .count()
}

/// Keywords without schemas below them. One that is about another type than the value's holds.
fn leaf(keyword: &str, wanted: &Value, value: &Value, at: &str) -> bool {
    let number = || value.as_f64().zip(wanted.as_f64());
    let length = |length: Option<usize>| length.map(|n| n as u64).zip(wanted.as_u64());
    match keyword {
        "type" => match wanted.as_array() {
            Some(types) => types.iter().any(|wanted| is_of(wanted, value)),
            None => is_of(wanted, value),
        },
        "enum" => wanted
            .as_array()
            .is_some_and(|values| values.contains(value)),
        "const" => wanted == value,
        "required" => value.as_object().is_none_or(|fields| {
            let required = wanted.as_array().into_iter().flatten();
            required
                .filter_map(Value::as_str)
                .all(|key| fields.contains_key(key))
        }),
        "minimum" => number().is_none_or(|(value, least)| value >= least),
        "maximum" => number().is_none_or(|(value, most)| value <= most),
        "maxLength" => {
            length(value.as_str().map(|text| text.chars().count())).is_none_or(|(n, max)| n <= max)
        }
        "minItems" => length(value.as_array().map(Vec::len)).is_none_or(|(n, min)| n >= min),
        "title" | "description" | "default" | "example" | "examples" | "format" => true,
        other if other.starts_with("x-") => true,
        other => panic!("{at}: the keyword {other} is not checked"),
    }
}

fn is_of(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}
