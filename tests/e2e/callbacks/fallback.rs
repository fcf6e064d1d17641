//! Whoever is rung back and finds nobody at the first address is served by the second: at the beginning, and later in their call.

use super::*;

#[tokio::test]
async fn who_picks_up_while_nobody_answers_is_served_by_the_fallback_url_and_so_is_a_call_that_goes_on()
 {
    let mut scene = waiting(1..2, Losing::Nothing).await;
    let server = &scene.server;
    let books = scene
        .exchange
        .until("a ring", |books| !books.rings.is_empty())
        .await;
    let ring = &books.rings[0];
    assert_eq!(ring.get("FallbackMethod"), "POST", "{ring:?}");
    for address in ["Url", "FallbackUrl"] {
        let (_, overrides) = ring.get(address).split_once('#').unwrap();
        assert!(overrides.contains("rc=2"), "{address}: {overrides}");
    }

    // The process was starting just then: the carrier could not connect.
    let gone = [
        ("ErrorCode", "11205"),
        ("ErrorUrl", ring.get("Url")),
        ("AnsweredBy", "human"),
    ];
    let answer = about(server, ring, "FallbackUrl", &gone).send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = Document::read(&answer.body);
    assert_eq!(document.verbs, ["Connect", "Redirect"]);
    assert!(document.parameters.contains_key("promise"));
    let mut phone = document.stream(server, ring.number).await;
    phone.hear_audio(160).await;
    stages(server, &["connected"]).await;

    // It starts once more in the middle of the conversation: what comes next cannot be asked either.
    drop(phone);
    let gone = [
        ("ErrorCode", "11205"),
        ("ErrorUrl", document.action.as_str()),
        ("AnsweredBy", "human"),
    ];
    let answer = about(server, ring, "FallbackUrl", &gone).send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = Document::read(&answer.body);
    assert_eq!(document.verbs, ["Connect", "Redirect"]);
    assert!(document.parameters.contains_key("resume"), "{document:?}");
    let mut phone = document.stream(server, ring.number).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;

    // A document of ours that cannot be carried out is not given twice.
    let broken = [("ErrorCode", "12100"), ("ErrorUrl", ring.get("Url"))];
    let broken = about(server, ring, "FallbackUrl", &broken);
    let answer = broken.send(server).await;
    assert_eq!(Document::read(&answer.body).verbs, ["Say", "Hangup"]);
}
