//! The fast way into `input_audio_buffer.append`, which comes fifty times a second: no JSON tree, no copy.

/// What an append holds, still in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Append<'a> {
    pub(super) event_id: Option<&'a str>,
    pub(super) audio: &'a str,
}

/// Reads an append that is a flat object of plain strings, in any order and with any white space; `None` for everything
/// else, which the slow way then reads, or refuses.
pub(super) fn parse(text: &str) -> Option<Append<'_>> {
    let (mut kind, mut event_id, mut audio) = (None, None, None);
    let mut rest = text.trim_ascii().strip_prefix('{')?;
    loop {
        let (key, after_key) = string(rest)?;
        let after_colon = after_key.trim_ascii_start().strip_prefix(':')?;
        let (value, after_value) = string(after_colon)?;
        let slot = match key {
            "type" => &mut kind,
            "event_id" => &mut event_id,
            "audio" => &mut audio,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None; // A key twice: let the slow way decide.
        }
        rest = after_value.trim_ascii_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    (rest == "}" && kind == Some("input_audio_buffer.append")).then_some(())?;
    Some(Append {
        event_id,
        audio: audio?,
    })
}

/// A string without escapes at the start of `text`, and what follows it.
///
/// Control characters, which JSON does not allow, are let through: no known key or type has any, and the decoder of base64
/// refuses them. It is the one pass over the audio beside the decoding, so it is the one that a search does.
fn string(text: &str) -> Option<(&str, &str)> {
    let (value, after) = text.trim_ascii_start().strip_prefix('"')?.split_once('"')?;
    // A backslash may escape the quotation mark that we took for the end.
    (!value.contains('\\')).then_some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn an_append_is_read_whatever_its_order_and_spacing() {
        let expected = Append {
            event_id: Some("e1"),
            audio: "//8=",
        };
        for text in [
            r#"{"type":"input_audio_buffer.append","event_id":"e1","audio":"//8="}"#,
            r#" { "audio" : "//8=" , "event_id" : "e1", "type":"input_audio_buffer.append" } "#,
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_slow_way() {
        for text in [
            r#"{"type":"input_audio_buffer.append"}"#,
            r#"{"type":"input_audio_buffer.commit","audio":""}"#,
            r#"{"type":"input_audio_buffer.append","audio":"\/\/8="}"#,
            r#"{"type":"input_audio_buffer.append","audio":"a","audio":"b"}"#,
            r#"{"type":"input_audio_buffer.append","audio":"a"}}"#,
            r#"{"type":"input_audio_buffer.append","audio":"a","extra":1}"#,
            r#"{"type":"input_audio_buffer.append","audio":"a",}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_reads_what_a_json_parser_reads(
            text in r#"\{"type": ?"input_audio_buffer.append"(,"event_id":"[a-z\\"]{0,4}")?,"audio":"[A-Z=\\"/]{0,6}"[,}]{0,2}"#
        ) {
            if let Some(append) = parse(&text) {
                let value: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(value["audio"].as_str(), Some(append.audio));
                prop_assert_eq!(value["event_id"].as_str(), append.event_id);
            }
        }
    }
}
