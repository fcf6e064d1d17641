//! Asks other nodes, and the witness: one signed question, one answer that is bound to it, within a time.
//!
//! It owns the client with its open connections, and who is told in the log that a node does not answer. A question is asked once: whoever asks knows whether
//! it may be repeated. It must not decide what follows from an answer, or from none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{StatusCode, redirect};
use ring::hmac;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::seal::{HEADER, PATH, Seal};
use super::words::{self, Answer, Question, WORDS_BYTES_MAX};
use crate::carrier::twilio::address::PublicUrl;
use crate::config::Others;
use crate::core::region::{Node, Peer, Region};
use crate::server::clock::{Clock, draw_nonce};
use crate::telemetry::{Count, Telemetry};

/// How many questions may be under way; beyond it further ones are not asked. Two for each of as many nodes as there may be.
const ASKING_MAX: usize = 128;

/// The same of votes and beats, which must not wait for what is asked about calls, however many of those there are: two pleas and two beats
/// for each of as many as there may be.
const STANDING_MAX: usize = 256;

/// How long a connection is kept that nobody asks anything on: shorter than the other side keeps it, so that no question meets its end.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// How many such connections are kept to each of them.
const IDLE_PLACES: usize = 2;

/// The other processes. See the module.
#[derive(Debug)]
pub(in crate::server) struct Peers {
    me: Peer,
    key: hmac::Key,
    http: reqwest::Client,
    places: BTreeMap<Node, Place>,
    asking: Semaphore,
    standing: Semaphore,
    telemetry: Telemetry,
}

/// Where one of them is.
#[derive(Debug)]
struct Place {
    /// `None`: it is the witness.
    region: Option<Region>,
    url: PublicUrl,
    /// Whether the log knows that it does not answer.
    is_told: AtomicBool,
}

/// What one of them said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Heard {
    /// Who, in which life.
    pub(in crate::server) from: Peer,
    /// What.
    pub(in crate::server) answer: Answer,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server) enum NoAnswer {
    /// Nobody of this name is known here.
    #[error("it is not in region.peers")]
    Unknown,
    /// Too many questions are under way.
    #[error("too many questions are under way")]
    Crowded,
    /// Nothing came back in time.
    #[error("no answer in time, or no connection")]
    Silent,
    /// It does not accept the question.
    #[error("it answers {0}: are region.key, its region.peers and the clocks as they should be?")]
    Refused(u16),
    /// What came back is not its answer.
    #[error("what answers is not it: is its address its own?")]
    Strange,
}

impl Peers {
    pub(super) fn new(me: Peer, others: Others, telemetry: Telemetry) -> Self {
        let Others {
            key,
            peers,
            witness,
            tls,
        } = others;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls))
            // What is signed goes where it was to go.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PLACES)
            .tcp_nodelay(true)
            .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the client's settings are constant, and the TLS configuration is of the version that it knows");
        let place = |region, url| Place {
            region,
            url,
            is_told: AtomicBool::new(false),
        };
        let nodes = peers
            .into_iter()
            .map(|peer| (peer.node, place(Some(peer.region), peer.url)));
        let witness = witness.map(|witness| (witness.node, place(None, witness.url)));
        Self {
            me,
            key,
            http,
            places: nodes.chain(witness).collect(),
            asking: Semaphore::new(ASKING_MAX),
            standing: Semaphore::new(STANDING_MAX),
            telemetry,
        }
    }

    /// Asks one of them, and waits no longer than that.
    pub(in crate::server) async fn ask(
        &self,
        to: Node,
        question: &Question,
        within: Duration,
    ) -> Result<Heard, NoAnswer> {
        let place = self.places.get(&to).ok_or(NoAnswer::Unknown)?;
        let _turn = self.turn(to, question)?;
        let asked = tokio::time::timeout(within, self.exchange(to, place, question)).await;
        let heard = asked.unwrap_or(Err(NoAnswer::Silent));
        self.note(to, place, heard.as_ref().err());
        heard
    }

    fn turn(&self, to: Node, question: &Question) -> Result<SemaphorePermit<'_>, NoAnswer> {
        let turns = match question {
            Question::Vote(_) | Question::Beat(_) => &self.standing,
            Question::Call(_)
            | Question::Opened(..)
            | Question::Advice(_)
            | Question::Record
            | Question::Caller(_) => &self.asking,
        };
        turns.try_acquire().map_err(|_| {
            let so_far = self.telemetry.count(Count::PeersUnasked);
            if so_far.is_power_of_two() {
                tracing::warn!(node = %to, so_far, "too many questions to other nodes are under way: this one is not asked");
            }
            NoAnswer::Crowded
        })
    }

    /// The nodes among them, with their regions.
    pub(in crate::server) fn nodes(&self) -> impl Iterator<Item = (Node, Region)> {
        let places = self.places.iter();
        places.filter_map(|(node, place)| Some((*node, place.region?)))
    }

    /// Where a node is, for the carrier as well.
    pub(in crate::server) fn url(&self, node: Node) -> Option<&PublicUrl> {
        self.places.get(&node).map(|place| &place.url)
    }

    /// Whether somebody goes by this name.
    pub(super) fn is_known(&self, node: Node) -> bool {
        self.places.contains_key(&node)
    }

    /// Whether this is a node that stands where it is written here to stand; the witness is none.
    pub(super) fn is_node(&self, peer: Peer) -> bool {
        let place = self.places.get(&peer.node);
        place.is_some_and(|place| place.region == Some(peer.region))
    }

    pub(super) const fn key(&self) -> &hmac::Key {
        &self.key
    }

    async fn exchange(
        &self,
        to: Node,
        place: &Place,
        question: &Question,
    ) -> Result<Heard, NoAnswer> {
        let body = words::write(self.me, question);
        let seal = Seal {
            from: self.me.node,
            to,
            stamp: Clock::utc(),
            nonce: draw_nonce(),
        };
        let (header, tag) = seal.write(&self.key, &body);
        let request = self.http.post(place.url.http(PATH)).header(HEADER, header);
        let mut response = request
            .body(body)
            .send()
            .await
            .map_err(|_| NoAnswer::Silent)?;
        if response.status() != StatusCode::OK {
            return Err(NoAnswer::Refused(response.status().as_u16()));
        }
        let signature = response.headers().get(HEADER);
        let signature = signature.and_then(|signature| signature.to_str().ok());
        let signature = signature.ok_or(NoAnswer::Strange)?.to_owned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| NoAnswer::Silent)? {
            if body.len() + chunk.len() > WORDS_BYTES_MAX {
                return Err(NoAnswer::Strange);
            }
            body.extend_from_slice(&chunk);
        }
        if !tag.is_answered(&self.key, &signature, &body) {
            return Err(NoAnswer::Strange);
        }
        let (from, answer) = words::read(&body).map_err(|_| NoAnswer::Strange)?;
        // Two opinions on where a node stands would make two majorities.
        let is_there = place.region.is_none_or(|region| region == from.region);
        if from.node != to || !is_there {
            return Err(NoAnswer::Strange);
        }
        let answer = answer.unwrap_or(Answer::NotUnderstood);
        Ok(Heard { from, answer })
    }

    /// A line when it begins, and one when it is over: not one a second.
    fn note(&self, node: Node, place: &Place, failed: Option<&NoAnswer>) {
        let Some(why) = failed else {
            if place.is_told.swap(false, Ordering::Relaxed) {
                tracing::info!(%node, "a node answers again");
            }
            return;
        };
        self.telemetry.count(match why {
            NoAnswer::Unknown | NoAnswer::Crowded | NoAnswer::Silent => Count::PeersSilent,
            NoAnswer::Refused(_) => Count::PeersRefusing,
            NoAnswer::Strange => Count::PeersMistaken,
        });
        if !place.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(%node, %why, "a node does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::PeerPlace;
    use crate::core::region::ballot::Plea;
    use crate::core::region::{Epoch, Life};
    use crate::provider::tls::client_config;
    use crate::server::region::words::PleaWords;

    #[tokio::test]
    async fn questions_about_calls_do_not_keep_a_region_from_its_votes() {
        // It takes connections, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let [east, west] = ["east", "west"].map(|name| Region::parse(name).unwrap());
        let [me, other] = ["east-1", "west-1"].map(|name| Node::parse(name).unwrap());
        let peer = PeerPlace {
            node: other,
            region: west,
            url: PublicUrl::parse(&format!("http://{address}")).unwrap(),
        };
        let others = Others {
            key: hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]),
            peers: vec![peer],
            witness: None,
            tls: client_config(None).unwrap(),
        };
        let telemetry = Telemetry::default();
        let own = Peer {
            region: east,
            node: me,
            life: Life(1),
        };
        let peers = Peers::new(own, others, telemetry.clone());
        let within = Duration::from_millis(200);
        let about_calls = (0..=ASKING_MAX).map(|_| peers.ask(other, &Question::Record, within));
        let plea = PleaWords::new(Epoch(1), Plea::Lease, Duration::from_secs(10));
        let plea = Question::Vote(plea);
        let (about_calls, vote) =
            tokio::join!(join_all(about_calls), peers.ask(other, &plea, within));
        let count = |why| {
            let refused = about_calls
                .iter()
                .filter(|heard| heard.as_ref().err() == Some(&why));
            refused.count()
        };
        assert_eq!(count(NoAnswer::Crowded), 1);
        assert_eq!(count(NoAnswer::Silent), ASKING_MAX);
        assert_eq!(vote, Err(NoAnswer::Silent), "it was asked");
        assert_eq!(telemetry.counts().get(Count::PeersUnasked), 1);
    }
}
