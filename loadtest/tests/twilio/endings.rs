//! Streams that end otherwise than by a goodbye.

use std::time::Duration;

use loadtest::twilio::{
    fault::StreamFault,
    note::{End, Note, StreamOver},
    settings::{After, TwilioSettings},
};

use crate::{
    calls::CONNECT,
    server::{Answer, Media, Server, fast, live, sentences},
};

async fn server(media: &[Media]) -> Server {
    let server = Server::start(media).await.says("/answer", CONNECT);
    let again = Answer::Xml(CONNECT.replace("{host}", &server.address));
    let next = [again, Answer::Xml("<Hangup/>".into())];
    server.answers("/next", &next)
}

#[tokio::test]
async fn a_stream_that_is_cut_is_followed_by_another_of_the_same_call() {
    let server = server(&[Media::Cut, Media::PlayAndClose(1000)]).await;
    let report = live(&server, fast()).await;
    assert_eq!(report.end, Some(End::Hangup));
    assert_eq!(report.streams(), 2);
    assert_eq!(report.between_streams().len(), 1);
    let heard = server.heard();
    let (first, second) = (&heard[0][1]["start"], &heard[1][1]["start"]);
    assert_eq!(first["callSid"], second["callSid"]);
    assert_ne!(first["streamSid"], second["streamSid"]);
    assert_eq!(heard[1][1]["sequenceNumber"], "1");
    let told: Vec<_> = report.deliveries.iter().map(|told| &*told.what).collect();
    let began_again = [
        "stream-started",
        "stream-error",
        "stream-stopped",
        "stream-started",
    ];
    assert_eq!(told[..4], began_again);
    let error = &server.asked_for("/stream/status")[1].form;
    assert_eq!(
        error.get("StreamError"),
        Some("31903 - Connection Broken Pipe")
    );
}

#[tokio::test]
async fn a_lost_stream_ends_the_call_where_the_settings_say_so() {
    let server = server(&[Media::Cut]).await;
    let settings = TwilioSettings {
        after_lost_stream: After::End,
        ..fast()
    };
    let report = live(&server, settings).await;
    assert_eq!(report.end, Some(End::StreamLost));
    assert!(server.asked_for("/next").is_empty());
}

#[tokio::test]
async fn a_loss_is_noticed_as_late_as_the_settings_say() {
    let server = server(&[Media::Cut, Media::PlayAndClose(1000)]).await;
    let settings = TwilioSettings {
        loss_noticed_after_ms: 300,
        ..fast()
    };
    let report = live(&server, settings).await;
    assert_eq!(report.streams(), 2);
    let lost = report.notes.iter().find(|(_, note)| {
        matches!(
            note,
            Note::StreamOver {
                over: StreamOver::Lost,
                ..
            }
        )
    });
    let opened = report
        .notes
        .iter()
        .find(|(_, note)| matches!(note, Note::Opened { .. }));
    let open = lost.unwrap().0.saturating_sub(opened.unwrap().0);
    assert!(open >= Duration::from_millis(340), "{open:?}");
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_lost() {
    let server = server(&[Media::Freeze, Media::PlayAndClose(1000)]).await;
    let settings = TwilioSettings {
        ping_lost_after_ms: 300,
        ..fast()
    };
    let report = live(&server, settings).await;
    assert_eq!(report.streams(), 2, "{:#?}", sentences(&report, &server));
    assert_eq!(report.end, Some(End::Hangup));
}

#[tokio::test]
async fn a_living_server_answers_its_pings() {
    let server = server(&[Media::PlayAndClose(1000)])
        .await
        .says("/next", "<Hangup/>");
    let settings = TwilioSettings {
        ping_lost_after_ms: 300,
        ..fast()
    };
    let report = live(&server, settings).await;
    assert_eq!((report.streams(), report.end), (1, Some(End::Hangup)));
}

#[tokio::test]
async fn a_stream_that_does_not_open_is_told_and_followed() {
    let server = server(&[Media::Refuse, Media::PlayAndClose(1000)]).await;
    let report = live(&server, fast()).await;
    let refused = report.notes.iter().any(|(_, note)| {
        matches!(
            note,
            Note::NotOpened {
                fault: StreamFault::Handshake(Some(403)),
                ..
            }
        )
    });
    assert!(refused, "{:#?}", sentences(&report, &server));
    assert_eq!((report.streams(), report.end), (1, Some(End::Hangup)));
    let error = &server.asked_for("/stream/status")[0].form;
    assert_eq!(error.get("StreamEvent"), Some("stream-error"));
    assert_eq!(error.get("StreamError"), Some("31920 - Handshake Error"));
}

#[tokio::test]
async fn nobody_at_the_streams_address_is_a_refused_connection() {
    let server = Server::start(&[]).await;
    let server = server
        .says(
            "/answer",
            "<Connect action=\"/next\"><Stream url=\"ws://127.0.0.1:1/m\"/></Connect>",
        )
        .says("/next", "<Hangup/>");
    let report = live(&server, fast()).await;
    let refused = report.notes.iter().any(|(_, note)| {
        matches!(
            note,
            Note::NotOpened {
                fault: StreamFault::Refused,
                ..
            }
        )
    });
    assert!(refused, "{:#?}", sentences(&report, &server));
    assert_eq!(report.end, Some(End::Hangup));
}
