//! Which region is active: with a witness, without one, and by an operator's word.

use super::*;
use crate::server::{output, ringback};

/// Leases of two seconds, so that nobody waits long.
const SHORT: &str = "lease = \"2s\"\ntake_over_after = \"3s\"\n";

/// A house of two regions with a node each, and their witness.
struct House {
    east: Server,
    west: Server,
    witness: Server,
    _model: Model,
}

impl House {
    async fn start() -> Self {
        let model = Model::start(Manner::Greets).await;
        let [east, west, third] =
            places([("east-1", "east"), ("west-1", "west"), ("witness-1", "")]);
        let witness = format!(
            "witness = {{ node = \"witness-1\", url = \"http://127.0.0.1:{}\" }}\n",
            third.port
        );
        let numbers = format!("{SHORT}{witness}");
        let waits = [("RINGBACK__REGION__ROLE", "standby")];
        let votes = [("RINGBACK__REGION__ROLE", "witness")];
        let url = model.url();
        let in_east = node(&east, &[&west], &url, (&numbers, &[])).await;
        let in_west = node(&west, &[&east], &url, (&numbers, &waits)).await;
        let third = Place {
            region: "third",
            ..third
        };
        let witness = node(&third, &[&east, &west], &url, (SHORT, &votes)).await;
        let house = Self {
            east: in_east,
            west: in_west,
            witness,
            _model: model,
        };
        is_active(&house.east, true).await;
        house
    }
}

/// Waits until a node's region is active, or is not.
async fn is_active(server: &Server, is: bool) {
    until(server, "ringback_region_active", |active| {
        (active > 0.5) == is
    })
    .await;
}

/// Waits until so many questions of this node were not answered: it has asked for votes more than once meanwhile.
async fn has_asked_in_vain(server: &Server, times: f64) {
    let metric = "ringback_peers_silent_total";
    let before = scrape(server).await.get(metric, &[]).unwrap();
    until(server, metric, |silent| silent >= before + times).await;
}

/// Waits until this node was asked so often: other nodes have told it how they are meanwhile.
async fn was_asked(server: &Server, times: usize) {
    let asked = || server.log().matches("\"a node asks\"").count();
    let before = asked();
    let waited = timeout(DEADLINE, async {
        while asked() < before + times {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it is asked");
}

/// `ringback region` with these arguments.
fn region(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let url = format!("http://{}", server.admin);
    let mut command = ringback(&["region", "--admin", &url]);
    command.args(arguments);
    output(command)
}

#[tokio::test]
async fn with_a_witness_the_other_region_takes_over_from_one_that_is_gone() {
    let House {
        east,
        mut west,
        witness,
        _model,
    } = House::start().await;
    is_active(&west, false).await;
    let (status, said) = region(&witness, &["status"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("witness-1 of third: witness\n"), "{said}");
    let media = TcpStream::connect(witness.address).await;
    let mut media = media.unwrap();
    media
        .write_all(b"GET /media HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    media.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 404"),
        "a witness serves no carrier: {answer}"
    );
    east.kill();
    is_active(&west, true).await;
    let line = west.line("this region is active", |_| true).await;
    assert_eq!(line["region"], "west");
}

#[tokio::test]
async fn of_a_minority_nobody_is_promoted_but_by_an_operator() {
    let House {
        east,
        west,
        witness,
        _model,
    } = House::start().await;
    witness.kill();
    has_asked_in_vain(&east, 2.0).await;
    is_active(&east, true).await; // The other region's node votes for it as before.
    east.kill();
    has_asked_in_vain(&west, 12.0).await;
    is_active(&west, false).await;
    let (status, said) = region(&west, &["promote"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.starts_with("west-1 of west: active by epoch "),
        "{said}"
    );
    has_asked_in_vain(&west, 12.0).await;
    is_active(&west, true).await;
}

#[tokio::test]
async fn an_operators_word_is_refused_where_it_would_make_two_and_while_a_node_leaves() {
    let House {
        east,
        west,
        witness,
        _model,
    } = House::start().await;
    was_asked(&west, 8).await;
    let (status, said) = region(&west, &["promote"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.starts_with("The other region is active, and was heard of a moment ago."),
        "{said}"
    );
    let (status, said) = region(&witness, &["promote"]);
    assert_eq!(status, Some(1));
    assert!(said.starts_with("This is a witness"), "{said}");

    let (status, said) = region(&west, &["promote", "--force"]);
    assert_eq!(status, Some(0), "{said}");
    is_active(&east, false).await;
    is_active(&west, true).await;

    let (status, said) = region(&west, &["demote"]);
    assert_eq!(status, Some(0), "{said}");
    is_active(&west, false).await;
    is_active(&east, true).await;

    // It leaves, and its call takes its time.
    let document =
        crate::twilio::ask(&west, "/twiml/answer", 1, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(&west, 1).await;
    phone.hear_audio(160).await;
    west.terminate();
    let refused = timeout(DEADLINE, async {
        loop {
            let (_, said) = region(&west, &["promote", "--force"]);
            if said.starts_with("This node is about to leave") {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    refused.await.unwrap();
}
