//! Both ways: what the library signs we accept, what we sign it accepts, and what is spoilt neither does.

use fastrand::Rng;
use ring::digest;
use ringback::carrier::twilio::address::{Asks, PublicUrl};
use ringback::carrier::twilio::form::Form;
use ringback::carrier::twilio::signature::{AuthToken, Body, Signatures, Signed};
use serde_json::{Map, Value, json};

use crate::{Oracle, text};

const CASES: u64 = 1_000;

/// How we are known, as the configuration says it.
const URLS: [&str; 4] = [
    "https://voice.example.com",
    "https://voice.example.com:8443",
    "https://voice.example.com/behind/a/path",
    "http://127.0.0.1:80",
];

/// One request, before anybody signs it.
struct Case {
    seed: u64,
    token: String,
    url: PublicUrl,
    asks: Asks,
    target: String,
    form: Map<String, Value>,
    body: Option<String>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let path = ["/twiml/answer", "/a/", "/", "/a%20b/%C3%BC", "/media"];
        let mut target = (*rng.choice(&path).unwrap()).to_owned();
        let asks = if rng.u8(0..4) == 0 {
            Asks::WebSocket
        } else {
            Asks::Http
        };
        let mut case = Self {
            seed,
            token: format!("{:032x}", rng.u128(..)),
            url: PublicUrl::parse(rng.choice(&URLS).unwrap()).unwrap(),
            asks,
            target: String::new(),
            form: Map::new(),
            body: None,
        };
        let is_json = asks == Asks::Http && rng.bool() && rng.bool();
        if rng.bool() && asks == Asks::Http {
            let query =
                form_urlencoded::byte_serialize(text(&mut rng, 20).as_bytes()).collect::<String>();
            target = format!("{target}?ticket={query}&x=");
        }
        if is_json {
            let body = json!({"words": text(&mut rng, 40)}).to_string();
            let hash = digest::digest(&digest::SHA256, body.as_bytes());
            let hash: Vec<_> = hash
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let mark = if target.contains('?') { '&' } else { '?' };
            target = format!("{target}{mark}bodySHA256={}", hash.concat());
            case.body = Some(body);
        } else if asks == Asks::Http {
            for _ in 0..rng.usize(0..12) {
                let values: Vec<_> = (0..rng.usize(1..4)).map(|_| text(&mut rng, 4)).collect();
                case.form.insert(text(&mut rng, 3), values.into());
            }
        }
        case.target = target;
        case
    }

    /// The form as it travels: its pairs in a row, those of one name not side by side.
    fn travelling(&self) -> Form {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for round in 0..4 {
            for (name, values) in &self.form {
                if let Some(value) = values.get(round) {
                    out.append_pair(name, value.as_str().unwrap());
                }
            }
        }
        Form::parse(out.finish().as_bytes()).unwrap()
    }

    /// Whether we accept this signature, among two tokens of which ours is either.
    fn accepts(&self, form: &Form, signature: &str) -> bool {
        let mut tokens = vec![AuthToken::new("another one"), AuthToken::new(&self.token)];
        if self.seed.is_multiple_of(2) {
            tokens.reverse();
        }
        let signatures = Signatures::new(tokens, vec![self.url.clone()]);
        let request = Signed {
            asks: self.asks,
            target: &self.target,
            body: match &self.body {
                Some(body) => Body::Bytes(body.as_bytes()),
                None if form == &Form::default() => Body::Nothing,
                None => Body::Form(form),
            },
            signature: Some(signature),
        };
        signatures.check(&request).is_ok()
    }

    fn question(&self, url: &str, ours: &str) -> Value {
        let mut question =
            json!({"token": self.token, "url": url, "form": self.form, "ours": ours});
        if let Some(body) = &self.body {
            question["body"] = body.as_str().into();
        }
        question
    }
}

#[test]
fn signatures_agree_with_twilios_library_both_ways() {
    let Some(mut oracle) = Oracle::find() else {
        return;
    };
    for seed in 0..CASES {
        let case = Case::new(seed);
        let form = case.travelling();
        for url in case.url.candidates(case.asks, &case.target) {
            let ours = AuthToken::new(&case.token).sign(&url, &form);
            let said = oracle.ask(&case.question(&url, &ours));
            let theirs = said["signature"].as_str().unwrap();
            assert_eq!(theirs, ours, "seed {seed}: {url}");
            assert_eq!(said["accepts"], true, "seed {seed}: {url}");
            assert!(case.accepts(&form, theirs), "seed {seed}: {url}");
        }
    }
}

#[test]
fn what_is_spoilt_neither_accepts() {
    let Some(mut oracle) = Oracle::find() else {
        return;
    };
    for seed in 0..CASES {
        let mut case = Case::new(seed);
        let mut rng = Rng::with_seed(!seed);
        let url = case.url.candidates(case.asks, &case.target).remove(0);
        let mut signature = AuthToken::new(&case.token).sign(&url, &case.travelling());
        match rng.u8(0..4) {
            0 if case.body.is_none() => {
                case.form.insert("One more".to_owned(), json!(["word"]));
            }
            0 => case.body = case.body.map(|body| format!("{body} ")),
            1 => case.target = case.target.replacen('/', "/x", 1),
            2 => case.token.push('0'),
            _ => signature = AuthToken::new("stranger").sign(&url, &case.travelling()),
        }
        let url = case.url.candidates(case.asks, &case.target).remove(0);
        let said = oracle.ask(&case.question(&url, &signature));
        assert_eq!(said["accepts"], false, "seed {seed}");
        assert!(!case.accepts(&case.travelling(), &signature), "seed {seed}");
    }
}

#[test]
fn a_slash_at_the_end_of_a_stream_is_the_same_stream() {
    let Some(mut oracle) = Oracle::find() else {
        return;
    };
    let mut case = Case::new(1);
    case.url = PublicUrl::parse(URLS[0]).unwrap();
    (case.asks, case.body) = (Asks::WebSocket, None);
    case.form.clear();
    for target in ["/media", "/media/"] {
        case.target = target.to_owned();
        for signed in [
            "wss://voice.example.com/media",
            "wss://voice.example.com/media/",
        ] {
            let said = oracle.ask(&case.question(signed, ""));
            let theirs = said["signature"].as_str().unwrap();
            assert!(case.accepts(&Form::default(), theirs), "{target}: {signed}");
        }
    }
}
