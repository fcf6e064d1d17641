//! The same values make the same documents there and here.

use fastrand::Rng;
use ringback::carrier::twilio::twiml::{Document, Stream, Transfer, Words};
use serde_json::json;

use crate::{Oracle, text};

const CASES: u64 = 200;

#[test]
fn documents_agree_with_twilios_library() {
    let Some(mut oracle) = Oracle::find() else {
        return;
    };
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        // What begins or ends with a space is trimmed before it is compared.
        let mut word = || format!("x{}x", text(&mut rng, 30));
        let values = json!({
            "media": word(), "action": word(), "stream_status": word(), "token": word(), "to": word(),
            "resume": word(), "promise": word(), "words": word(), "language": word(), "timeout": word(),
            "whisper": word(), "person": word(), "text": word(),
        });
        let value = |name: &str| values[name].as_str().unwrap();
        let stream = Stream {
            media: value("media"),
            action: value("action"),
            stream_status: value("stream_status"),
            token: value("token"),
            to: value("to"),
        };
        let words = Words {
            language: value("language"),
            words: value("words"),
        };
        let transfer = Transfer {
            action: value("action"),
            timeout: value("timeout"),
            whisper: value("whisper"),
            person: value("person"),
        };
        let (resume, promise) = (value("resume"), value("promise"));
        let documents = [
            Document::Answer(stream),
            Document::Resume { stream, resume },
            Document::Fallback {
                words,
                stream,
                resume,
            },
            Document::Redirect {
                action: value("action"),
            },
            Document::Apologize(words),
            Document::Busy,
            Document::Hangup,
            Document::Transfer(transfer),
            Document::TransferSip(transfer),
            Document::Whisper(words),
            Document::Callback { stream, promise },
            Document::SmsReply {
                text: value("text"),
            },
        ];
        assert_eq!(documents.map(|document| document.name()), Document::NAMES);
        for document in documents {
            let question = json!({
                "document": document.name(), "values": values, "xml": document.render(),
            });
            let said = oracle.ask(&question);
            assert_eq!(said["same"], true, "seed {seed}: {said:#}");
        }
    }
}
