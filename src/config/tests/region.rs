//! `[region]`: who the others are.

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::{Begins, load};

const KEY: &str = "0123456789abcdef0123456789abcdef";

const VARIABLES: [(&str, &str); 2] = [("K", KEY), ("SHORT", "0123456789abcdef")];

const PEERS: &str = r#"peers = [
  { node = "east-2", region = "east", url = "https://east-2.example.com" },
  { node = "west-1", region = "west", url = "http://10.0.0.7:8080", allow_plaintext = true },
]
"#;

#[test]
fn without_peers_a_node_is_alone_and_with_them_it_knows_where_they_are() {
    let folder = Folder::new("region");
    let file = folder.write("file.toml", NO_AUTH);
    let region = load(Some(&file), &environment(&[])).unwrap().region;
    assert_eq!(region.region.as_str(), "main");
    assert_eq!(region.begins, Begins::Active);
    assert!(region.others.is_none());

    let witness = "witness = { node = \"witness-1\", url = \"http://127.0.0.1:81\" }\n";
    let text = format!(
        "{NO_AUTH}[region]\nname = \"east\"\nrole = \"standby\"\nkey = {{ env = \"K\" }}\n{PEERS}{witness}"
    );
    folder.write("file.toml", &text);
    let config = load(Some(&file), &environment(&VARIABLES)).unwrap();
    assert!(!format!("{config:?}").contains(KEY));
    let region = config.region;
    assert_eq!(region.begins, Begins::Standby);
    let others = region.others.unwrap();
    let urls = others
        .peers
        .iter()
        .map(|peer| peer.url.web_socket("/media"));
    let urls: Vec<_> = urls.collect();
    assert_eq!(
        urls,
        ["wss://east-2.example.com/media", "ws://10.0.0.7:8080/media"]
    );
    assert_eq!(others.witness.unwrap().node.as_str(), "witness-1");
}

#[test]
fn a_witness_needs_no_carrier_and_listens_where_it_likes() {
    let folder = Folder::new("witness");
    let text = format!(
        "[public]\nlisten = \"0.0.0.0:7000\"\nnode = \"witness-1\"\n\
         [region]\nrole = \"witness\"\nkey = {{ env = \"K\" }}\n{PEERS}"
    );
    let file = folder.write("file.toml", &text);
    let config = load(Some(&file), &environment(&VARIABLES)).unwrap();
    assert_eq!(config.region.begins, Begins::Witness);
    assert!(config.twilio.is_none() && config.callbacks.is_none());
}

/// What is said of these settings holds each part, and never the key.
fn are_refused(wrong: impl IntoIterator<Item = (String, &'static str)>) {
    for (text, part) in wrong {
        let text = format!("{NO_AUTH}[region]\n{text}\n");
        let said = problems("region-wrong", &text, &VARIABLES).join("\n");
        assert!(said.contains(part), "{part}\n{text}\n{said}");
        assert!(!said.contains(KEY), "{said}");
    }
}

const OWN: &str = "key = { env = \"K\" }\n";

fn peer(more: &str) -> String {
    format!("{OWN}peers = [{{ node = \"b\", region = \"east\", {more} }}]\n")
}

#[test]
fn a_peer_without_a_key_a_name_of_its_own_or_an_address_is_refused() {
    let fine = peer("url = \"https://b.example\"");
    let twice = "peers = [{ node = \"b\", region = \"west\", url = \"https://c.example\" },";
    let taken = "is taken: by this node (public.node), or by another one of them";
    are_refused([
        (PEERS.to_owned(), "region.key is missing"),
        (
            fine.replace("\"K\"", "\"SHORT\""),
            "one line of at least 32 visible characters",
        ),
        (
            fine.replace("{ env = \"K\" }", &format!("\"{KEY}\"")),
            "region.key holds what is no place of a key",
        ),
        (fine.replace("\"b\"", "\"node-1\""), taken),
        (fine.replace("peers = [", twice), "node = \"b\" … is taken"),
        (
            format!("{fine}witness = {{ node = \"b\", url = \"https://w.example\" }}"),
            "region.witness = … node = \"b\" … is taken",
        ),
        (
            peer("url = \"ftp://b.example\""),
            "region.peers.1.url = \"ftp://b.example\" is not accepted; allowed: https://",
        ),
        (
            peer("url = \"http://b.example\""),
            "would carry what callers say in plain text; allowed: https://, http:// on a loopback",
        ),
        (
            peer("uri = \"https://b.example\""),
            "did you mean region.peers.1.url?",
        ),
        (
            format!("{OWN}peers = \"b\""),
            "region.peers is not accepted; allowed: a list",
        ),
    ]);
}

#[test]
fn a_witness_of_nobody_and_roles_and_names_that_are_none_are_refused() {
    let fine = peer("url = \"https://b.example\"");
    let witness = "witness = { node = \"w\", url = \"https://w.example\" }";
    are_refused([
        (format!("{OWN}{witness}"), "stands without region.peers"),
        ("role = \"witness\"".to_owned(), "region.peers is missing"),
        (
            format!("{fine}role = \"witness\"\n{witness}"),
            "one witness has no other",
        ),
        (
            "lease = \"20s\"".to_owned(),
            "region.take_over_after = \"12000ms\" is no longer than region.lease",
        ),
        (
            "role = \"leader\"".to_owned(),
            "region.role = \"leader\" is none of them",
        ),
        (
            "name = \"East\"".to_owned(),
            "region.name = \"East\" is not accepted",
        ),
        (
            format!("{fine}ca_file = \"none.pem\""),
            "region.ca_file is not accepted",
        ),
    ]);
}
