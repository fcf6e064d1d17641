//! Tokens and tickets, theirs and forged ones.

use super::*;
use crate::core::region::NAME_BYTES_MAX;

const NOW: Utc = Utc::from_millis(1_700_000_000_000);

fn sid(digit: char) -> CallSid {
    CallSid::parse(&format!("CA{}", digit.to_string().repeat(32))).unwrap()
}

fn after(life: Duration) -> Utc {
    Utc::from_millis(NOW.millis() + u64::try_from(life.as_millis()).unwrap())
}

fn token() -> StreamToken {
    StreamToken {
        call: sid('a'),
        card: Card {
            id: CallId::from_bits(u128::MAX),
            epoch: u32::MAX,
        },
        direction: Direction::Inbound,
        node: "a-node-with-the-longest-name-of-".into(),
        expires: after(TOKEN_LIFE),
        nonce: u64::MAX,
        is_fresh: false,
        resumed: Resumed([Some(NOW), Some(NOW)]),
    }
}

fn ticket() -> Ticket {
    let StreamToken {
        call,
        card,
        resumed,
        ..
    } = token();
    let longest = "n".repeat(NAME_BYTES_MAX);
    let home = Peer {
        region: Region::parse(&longest).unwrap(),
        node: Node::parse(&longest).unwrap(),
        life: Life(u64::MAX),
    };
    Ticket {
        call,
        card,
        home: Some(home),
        resumed,
        issued: NOW,
    }
}

#[test]
fn what_the_form_before_says_is_read_and_a_newer_form_is_not() {
    let keys = Keyring::new([("k", "secret")]);
    let (call, id) = (sid('a'), "0".repeat(31) + "7");
    let issued = NOW.millis();
    let token = format!("{call}.{id}.3.in.node-1.{issued}.00000000000000ff");
    let token = keys.seal(Purpose::Stream, &token);
    let opened = keys.open_token(NOW, call, &token).unwrap();
    assert_eq!((opened.card.epoch, opened.nonce), (3, 255));
    assert!(!opened.is_fresh, "there was one before");
    let ticket = keys.seal(Purpose::Next, &format!("{call}.{id}.1.node-1.{issued}"));
    let opened = keys.open_ticket(NOW, call, &ticket).unwrap();
    assert_eq!((opened.card.epoch, opened.home), (1, None));
    assert_eq!(opened.resumed, Resumed::default());
    let newer = keys.seal(Purpose::Next, &format!("3~{call}~{id}~1~more"));
    let refused = keys.open_ticket(NOW, call, &newer);
    assert_eq!(refused, Err(TokenError::Malformed));
}

#[test]
fn what_was_sealed_is_opened_as_it_was_and_fits_into_a_parameter() {
    let keys = Keyring::new([("the-longest-id-of-a-key-has-32--", "secret")]);
    let text = keys.seal_token(&token());
    assert_eq!(keys.open_token(NOW, sid('a'), &text), Ok(token()));
    assert!(text.len() <= TEXT_BYTES_MAX, "{}", text.len());
    let text = keys.seal_ticket(&ticket());
    assert_eq!(keys.open_ticket(NOW, sid('a'), &text), Ok(ticket()));
    assert!(text.len() <= TEXT_BYTES_MAX, "{}", text.len());
    let never = StreamToken {
        is_fresh: true,
        resumed: Resumed::default(),
        ..token()
    };
    let text = keys.seal_token(&never);
    assert_eq!(keys.open_token(NOW, sid('a'), &text), Ok(never));
}

#[test]
fn a_token_holds_for_its_call_and_its_time_and_its_purpose_only() {
    let keys = Keyring::new([("k", "secret")]);
    let text = keys.seal_token(&token());
    let open = |now, call, text: &str| keys.open_token(now, call, text).unwrap_err();
    assert_eq!(open(NOW, sid('b'), &text), TokenError::OtherCall);
    assert!(keys.open_token(after(TOKEN_LIFE), sid('a'), &text).is_ok());
    let late = after(TOKEN_LIFE + Duration::from_millis(1));
    assert_eq!(open(late, sid('a'), &text), TokenError::Expired);
    assert_eq!(
        open(NOW, sid('a'), &keys.seal_ticket(&ticket())),
        TokenError::Forged
    );
    let ticket_text = keys.seal_ticket(&ticket());
    let late = after(TICKET_LIFE + Duration::from_millis(1));
    let opened = keys.open_ticket(late, sid('a'), &ticket_text);
    assert_eq!(opened, Err(TokenError::Expired));
}

#[test]
fn a_path_of_a_text_leads_to_it_and_to_nothing_else() {
    let keys = Keyring::new([("k", "secret")]);
    let id = SendId::from_bits(u128::MAX / 7);
    let path = keys.seal_send(SendKind::Text, id);
    let (send, token) = path.split_once('/').unwrap();
    assert_eq!(keys.open_send(SendKind::Text, send, token), Ok(id));
    let open = |kind, send: &str, token: &str| keys.open_send(kind, send, token).unwrap_err();
    assert_eq!(open(SendKind::Ring, send, token), TokenError::Forged);
    let other = SendId::from_bits(1).to_string();
    assert_eq!(open(SendKind::Text, &other, token), TokenError::Forged);
    for (send, token) in [
        ("", ""),
        (send, ""),
        (send, "k."),
        (send, "x.y"),
        ("é", token),
    ] {
        assert!(keys.open_send(SendKind::Text, send, token).is_err());
    }
    let long = "k".repeat(10_000);
    assert_eq!(open(SendKind::Text, &long, token), TokenError::Malformed);
}

#[test]
fn one_changed_character_is_noticed_wherever_it_is() {
    let keys = Keyring::new([("k", "secret")]);
    let text = keys.seal_token(&token());
    for (place, character) in text.char_indices() {
        let other = if character == 'b' { 'c' } else { 'b' };
        let mut forged = text.clone();
        forged.replace_range(place..=place, &other.to_string());
        assert!(keys.open_token(NOW, sid('a'), &forged).is_err(), "{forged}");
    }
    for nonsense in ["", ".", "..", "k..", "k.x.y", "é.é.é", &"k".repeat(10_000)] {
        assert!(
            keys.open_token(NOW, sid('a'), nonsense).is_err(),
            "{nonsense}"
        );
    }
}

#[test]
fn keys_rotate_by_id() {
    let old = Keyring::new([("old", "1")]);
    let both = Keyring::new([("new", "2"), ("old", "1")]);
    let new = Keyring::new([("new", "2")]);
    let text = old.seal_token(&token());
    assert!(both.open_token(NOW, sid('a'), &text).is_ok());
    assert_eq!(
        new.open_token(NOW, sid('a'), &text),
        Err(TokenError::UnknownKey)
    );
    assert!(
        new.open_token(NOW, sid('a'), &both.seal_token(&token()))
            .is_ok()
    );
    let other = Keyring::new([("old", "2")]);
    assert_eq!(
        other.open_token(NOW, sid('a'), &text),
        Err(TokenError::Forged)
    );

    let before = Keyring::derived(["auth token"]);
    let rotated = Keyring::derived(["its successor", "auth token"]);
    let text = before.seal_token(&token());
    assert!(rotated.open_token(NOW, sid('a'), &text).is_ok());
    assert!(!format!("{rotated:?}{text}").contains("auth token"));
}
