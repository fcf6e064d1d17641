//! What it costs to know Twilio, and to know our own.

use std::time::{Duration, Instant};

use ringback::carrier::twilio::address::{Asks, PublicUrl};
use ringback::carrier::twilio::form::Form;
use ringback::carrier::twilio::signature::{AuthToken, Body, Signatures, Signed};
use ringback::carrier::twilio::token::{Keyring, StreamToken};
use ringback::core::front::{Card, Direction};
use ringback::core::ids::{CallId, CallSid};
use ringback::core::region::resume::Resumed;
use ringback::core::time::Utc;

const ROUNDS: u32 = 20_000;

/// `cargo test --release --test wire speed -- --ignored --nocapture` prints it; nothing is gated on time.
#[test]
#[ignore = "prints a time, which no test gates on; run by hand"]
fn a_signature_and_a_token_are_measured() {
    let tokens = ["the token before", "the token after"].map(AuthToken::new);
    let body =
        "AccountSid=AC1&ApiVersion=2010-04-01&CallSid=CA1&CallStatus=ringing&From=%2B1&To=%2B1"
            .repeat(5);
    let form = Form::parse(body.as_bytes()).unwrap();
    let signature = tokens[1].sign("https://voice.example.com:443/twiml/answer", &form);
    let url = PublicUrl::parse("https://voice.example.com").unwrap();
    let signatures = Signatures::new(tokens.to_vec(), vec![url]);
    let request = Signed {
        asks: Asks::Http,
        target: "/twiml/answer",
        body: Body::Form(&form),
        signature: Some(&signature),
    };
    let known = measured(|| assert!(signatures.check(&request).is_ok()));

    let keys = Keyring::new([("key", "secret")]);
    let call = CallSid::parse(&format!("CA{:032x}", 1)).unwrap();
    let token = keys.seal_token(&StreamToken {
        call,
        card: Card {
            id: CallId::from_bits(1),
            epoch: 1,
        },
        direction: Direction::Inbound,
        node: "node-1".into(),
        expires: Utc::from_millis(1),
        nonce: 1,
        is_fresh: true,
        resumed: Resumed::default(),
    });
    let opened = measured(|| assert!(keys.open_token(Utc::from_millis(0), call, &token).is_ok()));
    println!("a signature that fits the last candidate: {known:?}; a token: {opened:?}");
}

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn measured(mut act: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        act();
    }
    began.elapsed() / ROUNDS
}
