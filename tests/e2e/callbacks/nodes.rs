//! Promises that two nodes share, over a real Redis and its replica: each is served by one of them, whichever is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::whole_way::{BREAKER, mortal};
use super::*;
use crate::exposition::Exposition;
use crate::phone::Phone;
use crate::redis_server::Server as Redis;

/// As `openssl rand -base64 32` prints it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a node needs to share promises: a claim that soon ends with it, and a copy of all that counts.
fn sections(replicas_min: usize) -> String {
    let sections = SECTIONS.replace("ring_after = \"0s\"", "ring_after = \"3s\"\nlease = \"9s\"");
    assert_ne!(sections, SECTIONS);
    format!(
        "{sections}{BREAKER}[shared]\nkey = {{ env = \"SHARED_KEY\" }}\nreplicas_min = {replicas_min}\n\
         replica_timeout = \"200ms\"\n"
    )
}

/// A Redis, what follows it, and the carrier.
struct Region {
    redis: Redis,
    replica: Option<Redis>,
    exchange: Exchange,
    is_well: Arc<AtomicBool>,
    model: Model,
    folder: Folder,
    /// What callbacks may cost.
    money_per_day: u32,
}

impl Region {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let replica = Redis::replica_of(&redis).await;
        Self::with(redis, Some(replica)).await
    }

    /// No model is well at first.
    async fn with(redis: Redis, replica: Option<Redis>) -> Self {
        let is_well = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_well);
        let model = Model::start_with(move |_| {
            if asked.load(Ordering::Relaxed) {
                Manner::Greets
            } else {
                Manner::RecoversAfter(usize::MAX)
            }
        });
        Self {
            redis,
            replica,
            exchange: Exchange::start(Losing::Nothing).await,
            is_well,
            model: model.await,
            folder: Folder::new(),
            money_per_day: 500,
        }
    }

    fn file(&self, name: &str) -> String {
        let path = self.folder.path(&format!("{name}.redb"));
        path.to_str().unwrap().to_owned()
    }

    async fn node(&self, name: &str) -> Server {
        self.node_with(name, &self.model).await
    }

    async fn node_with(&self, name: &str, model: &Model) -> Server {
        let (file, url) = (self.file(name), self.redis.url());
        let money = self.money_per_day.to_string();
        let more = [
            ("RINGBACK__CALLBACKS__MONEY_PER_DAY", money.as_str()),
            ("RINGBACK__PUBLIC__NODE", name),
            ("RINGBACK__STORE__PATH", file.as_str()),
            ("RINGBACK__SHARED__URL", &url),
            ("SHARED_KEY", KEY),
            ("RINGBACK__TWILIO__REST_URL", self.exchange.url.as_str()),
            ("RINGBACK__TWILIO__REST", "auth_token"),
        ];
        let replicas_min = usize::from(self.replica.is_some());
        let variables = [VARIABLES.as_slice(), &more].concat();
        Server::with(&model.url(), &sections(replicas_min), &variables).await
    }

    /// A node that serves promises to callers of these numbers, whose text was sent, and one beside it.
    async fn pair(&mut self, numbers: std::ops::Range<u32>) -> (Server, Server) {
        let count = numbers.len();
        promised(&self.file("east-1"), numbers).await;
        let first = self.node("east-1").await;
        let texted = |books: &crate::exchange::Books| books.texts.len() == count;
        self.exchange.until("texts", texted).await;
        stages(&first, &vec!["due"; count]).await;
        let second = self.node("east-2").await;
        (first, second)
    }

    async fn ring(&mut self) -> Taken {
        let rung = |books: &crate::exchange::Books| !books.rings.is_empty();
        let books = self.exchange.until("a ring", rung).await;
        books.rings[0].clone()
    }

    fn is_well(&self) {
        self.is_well.store(true, Ordering::Relaxed);
    }

    /// So many texts and rings were taken on, and no more.
    fn has_done(&self, texts: usize, rings: usize) {
        let books = self.exchange.books();
        let done = (books.texts.len(), books.rings.len());
        assert_eq!(done, (texts, rings), "{books:#?}");
    }
}

/// Whoever is rung answers, and has hung up when this is over.
async fn is_served(server: &Server, ring: &Taken) {
    let answered = about(server, ring, "Url", &[("AnsweredBy", "human")]);
    let document = Document::read(&answered.send(server).await.body);
    assert_eq!(document.verbs, ["Connect", "Redirect"], "{}", server.log());
    let mut phone = document.stream(server, ring.number).await;
    phone.hear_prompt("ring_back").await;
    phone.hang_up().await;
    let over = [("CallStatus", "completed"), ("AnsweredBy", "human")];
    let over = about(server, ring, "StatusCallback", &over);
    assert_eq!(over.send(server).await.status, 204);
}

/// Waits until so many requests of this kind were found in the carrier's list.
async fn found(server: &Server, kind: &str, at_least: f64) {
    let labels = [("kind", kind), ("outcome", "found")];
    // The claim of the other one has to end before.
    let waited = timeout(2 * DEADLINE, async {
        loop {
            let (_, text) = operators::ask(server, "GET /metrics", HOST).await;
            let found = Exposition::parse(&text).get("ringback_callback_requests_total", &labels);
            if found.is_some_and(|found| found >= at_least) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{}", server.log());
}

/// Calls a node whose only model dies in the middle, asks for a call back, and hears this.
async fn hears(server: &Server, call: u32, us: &str, told: &str) -> Phone {
    let document = ask(server, "/twiml/answer", call, &[("From", us)]).await;
    let mut phone = document.stream(server, call).await;
    phone.hear_model(7_500).await;
    phone.say(1).await;
    phone.hear_model(1_500).await;
    phone.say(1).await;
    chooses(&mut phone, told).await;
    phone
}

/// Nobody is left to speak with: asks for a call back.
async fn chooses(phone: &mut Phone, told: &str) {
    phone.hear_prompt("busy").await;
    phone.press('1').await;
    phone.hear_prompt(told).await;
}

async fn asks(server: &Server, call: u32, us: &str, told: &str) {
    hears(server, call, us, told).await.hears_out().await;
}

/// Calls a node that has no model.
async fn asks_at_once(server: &Server, call: u32, told: &str) {
    let us = caller(140 + call);
    let document = ask(server, "/twiml/answer", call, &[("From", &us)]).await;
    let mut phone = document.stream(server, call).await;
    chooses(&mut phone, told).await;
}

#[tokio::test]
async fn a_caller_who_asks_at_two_nodes_has_one_promise_one_text_and_one_ring() {
    let mut region = Region::start().await;
    let models = [mortal(&region.is_well).await, mortal(&region.is_well).await];
    let first = region.node_with("east-1", &models[0]).await;
    let second = region.node_with("east-2", &models[1]).await;
    let us = caller(142);
    asks(&first, 1, &us, "promised").await;
    stages(&first, &["due"]).await;
    asks(&second, 2, &us, "already_promised").await;
    // They were on the line there: so it is that node that knows when they may be rung.
    stages(&second, &["due"]).await;
    stages(&first, &[]).await;
    region.is_well();
    let ring = region.ring().await;
    assert_eq!(ring.get("To"), us);
    is_served(&second, &ring).await;
    for server in [&first, &second] {
        stages(server, &[]).await;
        assert!(!server.log().contains(digits(&us)));
    }
    region.has_done(1, 1);
    let kept = region.redis.everything().await;
    let number = us.as_bytes();
    assert!(!kept.windows(number.len()).any(|part| part == number));
}

#[tokio::test]
async fn who_was_texted_by_a_node_that_was_killed_is_rung_once_by_another() {
    let mut region = Region::start().await;
    let (first, second) = region.pair(1..4).await;
    stages(&second, &[]).await;
    first.kill();
    region.is_well();
    let rung = |books: &crate::exchange::Books| books.rings.len() == 3;
    let books = region.exchange.until("rings", rung).await;
    for ring in &books.rings {
        is_served(&second, ring).await;
    }
    stages(&second, &[]).await;
    region.has_done(3, 3);
}

#[tokio::test]
async fn a_ring_whose_node_is_killed_is_looked_up_by_another_and_not_made_again() {
    let mut region = Region::start().await;
    let (first, second) = region.pair(1..2).await;
    region.is_well();
    let ring = region.ring().await;
    first.kill();
    found(&second, "ring", 1.0).await;
    stages(&second, &["ringing"]).await;
    is_served(&second, &ring).await;
    stages(&second, &[]).await;
    region.has_done(1, 1);
}

#[tokio::test]
async fn whoever_answers_is_served_by_the_node_that_is_asked() {
    let mut region = Region::start().await;
    let (first, second) = region.pair(1..2).await;
    region.is_well();
    let ring = region.ring().await;
    let text = region.exchange.books().texts[0].clone();
    let delivered = format!(
        "AccountSid=AC{:032x}&MessageSid=SM{:032x}&MessageStatus=delivered",
        1, text.number
    );
    let delivered = Request::signed(&second, &text.path("StatusCallback"), delivered);
    assert_eq!(delivered.send(&second).await.status, 204);
    is_served(&second, &ring).await;
    stages(&second, &[]).await;
    stages(&first, &[]).await;
    region.has_done(1, 1);
}

#[tokio::test]
async fn stop_at_one_node_is_final_at_the_other_and_a_time_is_understood_by_either() {
    let mut region = Region::start().await;
    let (first, second) = region.pair(1..3).await;
    let answer = text(&second, 1, &caller(1), "call me").await;
    assert!(answer.body.contains("<Message>"), "{answer:?}");
    let stopped = text(&second, 2, &caller(2), "STOP").await;
    assert_eq!(stopped.status, 200, "{stopped:?}");
    assert!(!stopped.body.contains("Message"), "{stopped:?}");
    stages(&second, &["due"]).await;
    stages(&first, &[]).await;
    region.is_well();
    let ring = region.ring().await;
    assert_eq!(ring.get("To"), caller(1));
    is_served(&second, &ring).await;
    stages(&second, &[]).await;
    drop((first, second));
    // Whatever the file of another node says: the promise does not begin anew.
    promised(&region.file("east-3"), 2..3).await;
    let mut third = region.node("east-3").await;
    third
        .line("a promise has moved to the shared store", |_| true)
        .await;
    stages(&third, &[]).await;
    region.has_done(2, 1);
}

#[tokio::test]
async fn while_the_shared_store_is_away_nothing_is_promised_and_afterwards_all_is_caught_up() {
    let mut region = Region::with(Redis::durable().await, None).await;
    let (mut first, second) = region.pair(1..2).await;
    drop(second);
    region.redis.kill();
    region.is_well();
    let lost =
        "this node has no claim in the shared store: nothing is promised, texts and rings wait";
    first.line(lost, |_| true).await;
    let (_, health) = operators::ask(&first, "GET /health", HOST).await;
    assert!(health.contains("\"shared\":\"troubled\""), "{health}");
    // Twilio comes again until it is kept where it counts.
    let put_off = sms(&first, 1, &caller(1), "call me").send(&first).await;
    assert_eq!(put_off.status, 503);
    region.has_done(1, 0);
    region.redis.restart().await;
    first
        .line("promises are made and served again", |_| true)
        .await;
    let ring = region.ring().await;
    is_served(&first, &ring).await;
    stages(&first, &[]).await;
    region.has_done(1, 1);
}

#[tokio::test]
async fn what_was_promised_on_two_disks_moves_to_the_shared_store_and_nothing_is_done_twice() {
    let mut region = Region::start().await;
    promised(&region.file("east-1"), 1..3).await;
    promised(&region.file("east-2"), 2..4).await;
    let first = region.node("east-1").await;
    let second = region.node("east-2").await;
    let texted = |books: &crate::exchange::Books| books.texts.len() == 3;
    region.exchange.until("texts", texted).await;
    region.is_well();
    let rung = |books: &crate::exchange::Books| books.rings.len() == 3;
    let books = region.exchange.until("rings", rung).await;
    for ring in &books.rings {
        is_served(&first, ring).await;
    }
    stages(&first, &[]).await;
    stages(&second, &[]).await;
    region.has_done(3, 3);
    drop((first, second));
    let file = open(&region.file("east-1")).await;
    let kept = file.promises(None, 10, now()).await.unwrap().records;
    assert!(kept.len() == 2 && kept.iter().all(|kept| !kept.is_open));
}

#[tokio::test]
async fn a_node_without_a_copy_of_what_it_keeps_promises_nothing() {
    let mut region = Region::start().await;
    let model = mortal(&region.is_well).await;
    let server = region.node_with("east-1", &model).await;
    stages(&server, &[]).await;
    region.replica = None; // It ends.
    // There is neither a person nor a place for messages.
    hears(&server, 1, &caller(142), "apology_only").await;
    region.has_done(0, 0);
}

#[tokio::test]
async fn what_a_node_may_still_spend_counts_at_the_other_which_promises_nothing_beyond_the_money() {
    let mut region = Region::start().await;
    // For two promises, of a text and three rings, and what was spent on them; not for a third.
    region.money_per_day = 9;
    let (mut first, second) = region.pair(7..8).await;
    asks_at_once(&second, 1, "promised").await;
    // That the first node has looked is known by what it lets go: what is asked about at the second one is served there.
    let answer = text(&second, 1, &caller(7), "call me").await;
    assert!(answer.body.contains("<Message>"), "{answer:?}");
    stages(&second, &["due", "due"]).await;
    stages(&first, &[]).await;
    asks_at_once(&first, 2, "apology_only").await;
    let is_money = |line: &serde_json::Value| line["cap"] == "money";
    let capped = "a cap was reached: callers are not promised what they want, or wait for it";
    first.line(capped, is_money).await;
    region.has_done(2, 0);
}
