//! What client events may look like, and the words in which a real server refuses the others.

use serde_json::{Map, Value};

/// Why a client's event is refused: the body of an `error` of type `invalid_request_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Empty: null.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) param: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            param: None,
        }
    }

    pub(super) fn of(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::new(code, message)
        }
    }
}

/// The shape of a value.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything: what the double does not look into.
    Any,
    Text,
    /// A text of at most this many characters.
    ShortText(usize),
    Flag,
    Integer(i64, i64),
    Number(f64, f64),
    OneOf(&'static [&'static str]),
    /// Null, or what is inside.
    Nullable(&'static Shape),
    /// Text, or what is inside.
    TextOr(&'static Shape),
    List(&'static Shape),
    Object(&'static [Field]),
    /// An object whose field of the first name says which of the shapes it has.
    Tagged(&'static str, &'static [(&'static str, &'static [Field])]),
}

/// A field of an object: its name, whether it must be there, its shape.
pub(super) type Field = (&'static str, Need, Shape);

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
}

impl Shape {
    /// Checks `value`, which stands at `path`.
    pub(super) fn check(&self, value: &Value, path: &str) -> Result<(), Refusal> {
        match self {
            Self::Any => Ok(()),
            Self::Text => text(value, path).map(drop),
            Self::ShortText(max) => short_text(value, path, *max),
            Self::Flag => require(value.is_boolean(), value, path, "a boolean"),
            Self::Integer(min, max) => {
                let Some(number) = value.as_i64() else {
                    return wrong_type(value, path, "an integer");
                };
                in_range((*min..=*max).contains(&number), value, path, min, max)
            }
            Self::Number(min, max) => {
                let Some(number) = value.as_f64() else {
                    return wrong_type(value, path, "a decimal");
                };
                in_range((*min..=*max).contains(&number), value, path, min, max)
            }
            Self::OneOf(choices) => {
                let given = text(value, path)?;
                one_of(given, choices.iter().copied(), path)
            }
            Self::Nullable(_) if value.is_null() => Ok(()),
            Self::TextOr(_) if value.is_string() => Ok(()),
            Self::Nullable(inner) | Self::TextOr(inner) => inner.check(value, path),
            Self::List(inner) => {
                let Some(list) = value.as_array() else {
                    return wrong_type(value, path, "an array");
                };
                (list.iter().enumerate())
                    .try_for_each(|(i, value)| inner.check(value, &format!("{path}[{i}]")))
            }
            Self::Object(fields) => check_fields(fields, object(value, path)?, path),
            Self::Tagged(tag, variants) => {
                let map = object(value, path)?;
                let tag_path = join(path, tag);
                let given = text(map.get(*tag).ok_or_else(|| missing(&tag_path))?, &tag_path)?;
                let Some((_, fields)) = variants.iter().find(|(name, _)| *name == given) else {
                    return one_of(given, variants.iter().map(|(name, _)| *name), &tag_path);
                };
                check_fields(fields, map, path)
            }
        }
    }
}

fn check_fields(fields: &[Field], map: &Map<String, Value>, path: &str) -> Result<(), Refusal> {
    for (name, need, _) in fields {
        if *need == Need::Must && !map.contains_key(*name) {
            return Err(missing(&join(path, name)));
        }
    }
    for (name, value) in map {
        let path = join(path, name);
        let Some((_, _, shape)) = fields.iter().find(|(known, _, _)| known == name) else {
            let message = format!("Unknown parameter: '{path}'.");
            return Err(Refusal::of(&path, "unknown_parameter", message));
        };
        shape.check(value, &path)?;
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn missing(path: &str) -> Refusal {
    let message = format!("Missing required parameter: '{path}'.");
    Refusal::of(path, "missing_required_parameter", message)
}

fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, Refusal> {
    match value.as_str() {
        Some(text) => Ok(text),
        None => wrong_type(value, path, "a string").map(|()| ""),
    }
}

fn short_text(value: &Value, path: &str, max: usize) -> Result<(), Refusal> {
    let length = text(value, path)?.chars().count();
    if length <= max {
        return Ok(());
    }
    let message = format!(
        "Invalid '{path}': string too long. Expected a string with maximum length {max}, but got a string with length {length} instead."
    );
    Err(Refusal::of(path, "string_above_max_length", message))
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, Refusal> {
    value.as_object().ok_or_else(|| {
        let message = format!("Invalid type for '{path}': expected an object.");
        Refusal::of(path, "invalid_type", message)
    })
}

fn require(holds: bool, value: &Value, path: &str, expected: &str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        wrong_type(value, path, expected)
    }
}

fn wrong_type(value: &Value, path: &str, expected: &str) -> Result<(), Refusal> {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{path}': expected {expected}, but got {got} instead.");
    Err(Refusal::of(path, "invalid_type", message))
}

fn in_range<T: std::fmt::Display>(
    holds: bool,
    value: &Value,
    path: &str,
    min: T,
    max: T,
) -> Result<(), Refusal> {
    if holds {
        return Ok(());
    }
    let message =
        format!("Invalid '{path}': expected a value from {min} to {max}, but got {value} instead.");
    Err(Refusal::of(path, "invalid_value", message))
}

fn one_of<'a>(
    given: &str,
    mut choices: impl Iterator<Item = &'a str> + Clone,
    path: &str,
) -> Result<(), Refusal> {
    if choices.clone().any(|choice| choice == given) {
        return Ok(());
    }
    let mut listed = format!("'{}'", choices.next().unwrap_or_default());
    for choice in choices {
        listed = format!("{listed}, '{choice}'");
    }
    let message = format!("Invalid value: '{given}'. Supported values are: {listed}.");
    Err(Refusal::of(path, "invalid_value", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHAPE: Shape = Shape::Object(&[
        ("name", Need::Must, Shape::ShortText(3)),
        ("size", Need::May, Shape::Integer(1, 9)),
        (
            "kind",
            Need::May,
            Shape::Nullable(&Shape::OneOf(&["a", "b"])),
        ),
        (
            "parts",
            Need::May,
            Shape::List(&Shape::Tagged(
                "type",
                &[("t", &[("type", Need::Must, Shape::Text)])],
            )),
        ),
    ]);

    #[test]
    fn a_refusal_names_the_code_and_the_place() {
        let right = json!({"name": "x", "size": 9, "kind": null, "parts": [{"type": "t"}]});
        assert_eq!(SHAPE.check(&right, ""), Ok(()));
        for (wrong, code, param) in [
            (json!({}), "missing_required_parameter", "name"),
            (json!({"name": "x", "nome": 1}), "unknown_parameter", "nome"),
            (json!({"name": "long"}), "string_above_max_length", "name"),
            (json!({"name": 1}), "invalid_type", "name"),
            (json!({"name": "x", "size": 10}), "invalid_value", "size"),
            (json!({"name": "x", "kind": "c"}), "invalid_value", "kind"),
            (
                json!({"name": "x", "parts": [{"type": "u"}]}),
                "invalid_value",
                "parts[0].type",
            ),
            (
                json!({"name": "x", "parts": [{"type": "t", "u": 1}]}),
                "unknown_parameter",
                "parts[0].u",
            ),
        ] {
            let refusal = SHAPE.check(&wrong, "").unwrap_err();
            assert_eq!(
                (refusal.code.as_str(), refusal.param.as_deref()),
                (code, Some(param)),
                "{wrong}"
            );
        }
    }
}
