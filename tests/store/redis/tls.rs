//! `rediss://`: the same over TLS, and only with a certificate that we trust.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ringback::core::region::owner::Ruling;
use ringback::provider::tls::client_config;
use ringback::store::redis::{Redis, RedisAddress};
use ringback::store::{Store as _, StoreError};

use super::server::Server;
use super::{KEY, patient};
use crate::support::{Folder, call};

#[tokio::test]
async fn it_is_reached_by_tls_where_its_certificate_is_trusted_and_nowhere_else() {
    let folder = Folder::new();
    let at = |name: &str| folder.file().with_file_name(name);
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(at("cert.pem"), signed.cert.pem()).unwrap();
    fs::write(at("key.pem"), signed.key_pair.serialize_pem()).unwrap();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    let tls = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tls.local_addr().unwrap().port();
    drop(tls);
    let _server = Server::with(&[
        "--save",
        "",
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        cert.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let open = |trust| {
        let mut address = RedisAddress::parse(&format!("rediss://localhost:{port}")).unwrap();
        assert!(address.is_tls);
        address.tls = Some(Arc::clone(&trust));
        Redis::open(address, &KEY, patient()).unwrap()
    };
    let ours = open(client_config(Some(&cert)).unwrap());
    ours.ready(Duration::from_secs(30)).await.unwrap();
    assert_eq!(ours.checkpoint(call(1)).await, Ok(Ruling::Kept));
    let stranger = open(client_config(None).unwrap());
    let refused = stranger.ready(Duration::from_secs(30)).await;
    let Err(StoreError::Away(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("certificate"), "{why}");
}
