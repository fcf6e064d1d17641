//! What a node does when the carrier asks what comes after a stream: it asks the store and the call's home.

use ringback::core::front::Card;
use ringback::core::ids::CallSid;
use ringback::core::region::Peer;
use ringback::core::region::resume::{
    ANSWER_WITHIN, Account, Ask, Fate, Heard, HomeSays, Memory, Question, Remembered, Resume,
    StoreSays, Verdict,
};

use crate::calls::account;
use crate::carrier::{self, Doc, Opening};
use crate::node::Asked;
use crate::store::{Answer, CallRow, Op};
use crate::world::{Arrival, Event, Purpose, Whom, World};

impl World {
    pub(crate) fn comes_next(&mut self, node: usize, ask: u64, asked: &carrier::Question) {
        let (now, _) = self.clocks(node);
        let call = asked.call;
        let me = &self.nodes[node];
        let question = match asked.ticket {
            Some((card, home, resumed)) => Question::Ticket {
                card,
                home,
                resumed,
            },
            None => Question::Bare {
                new: Card {
                    id: asked.new,
                    epoch: 0,
                },
            },
        };
        let own = me.held.get(&call).map(account);
        let own = own.or_else(|| me.known.get(&call).cloned());
        let resume = Resume::new(now, me.peer, question, own);
        let since = self.now;
        self.nodes[node].asked.insert(
            ask,
            Asked {
                call,
                resume,
                since,
            },
        );
        let to = self.whom(node);
        self.after(ANSWER_WITHIN, Event::At(to, Arrival::Decide { ask }));
        self.hears(node, ask, Heard::Tick);
    }

    fn hears(&mut self, node: usize, ask: u64, heard: Heard<Vec<u32>>) {
        let (now, utc) = self.clocks(node);
        let Some(mut asked) = self.nodes[node].asked.remove(&ask) else {
            return;
        };
        let call = asked.call;
        if let Some(verdict) = asked.resume.hear(now, utc, heard) {
            let took = self.now.saturating_sub(asked.since);
            let is_late = took > ANSWER_WITHIN && self.nodes[node].sleeps_until < asked.since;
            self.books
                .must(!is_late, "answered in time", || format!("{took:?}"));
            self.say(|| format!("verdict on {call}: {verdict:?}"));
            self.follow(node, ask, call, verdict);
            return;
        }
        let from = self.whom(node);
        let asks: Vec<_> = asked.resume.asks().collect();
        self.nodes[node].asked.insert(ask, asked);
        for whom in asks {
            match whom {
                Ask::Store => self.ask_store(from, Purpose::Resume(ask), Op::Look(call)),
                Ask::Home(home) => self.soon(
                    1,
                    60,
                    Event::HomeAsked {
                        home,
                        from,
                        ask,
                        call,
                    },
                ),
            }
        }
    }

    pub(crate) fn decides(&mut self, node: usize, ask: u64) {
        self.hears(node, ask, Heard::Tick);
    }

    pub(crate) fn home_said(
        &mut self,
        node: usize,
        ask: u64,
        home: Peer,
        says: HomeSays<Vec<u32>>,
    ) {
        self.hears(node, ask, Heard::Home(home, says));
    }

    pub(crate) fn store_said(&mut self, node: usize, ask: u64, answer: Answer) {
        let form = self.nodes[node].form;
        let says = match answer {
            Answer::Row(Some(row)) => StoreSays::Call(read(&row, form)),
            Answer::Row(None) => StoreSays::Nothing,
            Answer::Away => StoreSays::Away,
            Answer::Ruled(_)
            | Answer::Kept(_)
            | Answer::Stale
            | Answer::Claimed(..)
            | Answer::Rows(_)
            | Answer::IsOut(..) => unreachable!("no answer to a look-up"),
        };
        self.hears(node, ask, Heard::Store(says));
    }

    /// Another node asks whether a call is this one's.
    pub(crate) fn home_is_asked(&mut self, home: Peer, from: Whom, ask: u64, call: CallSid) {
        let place = self
            .nodes
            .iter()
            .position(|node| node.peer.node == home.node)
            .unwrap();
        let there = &self.nodes[place];
        let asker = self.nodes[from.0].site;
        let sleeps = there.sleeps_until > self.now;
        if (there.site != asker && !self.net.reaches(asker, there.site)) || sleeps {
            return; // Nothing is heard of it.
        }
        let is_another = self.doubled.contains(&place) && self.rng.bool();
        let says = if !there.is_up {
            HomeSays::Dead
        } else if there.peer != home || is_another {
            HomeSays::Stranger
        } else {
            let held = there.held.get(&call).map(account);
            let takes = there.drain.is_ready();
            match held.or_else(|| there.known.get(&call).cloned()) {
                Some(account) => HomeSays::Own { account, takes },
                None => HomeSays::Stranger,
            }
        };
        let to = from;
        self.soon(1, 60, Event::At(to, Arrival::HomeSaid { ask, home, says }));
    }

    fn follow(&mut self, node: usize, ask: u64, call: CallSid, verdict: Verdict<Vec<u32>>) {
        let card = verdict.card();
        let opening = |node, peer: Peer, site, resumed| {
            let card = card.expect("a stream has a card");
            let home = peer;
            Doc::Stream(Opening {
                node: Some(node),
                site,
                card,
                home,
                resumed,
                is_fresh: false,
            })
        };
        let me = (self.nodes[node].peer, self.nodes[node].site);
        let doc = match verdict {
            Verdict::Hangup => Doc::Hangup,
            Verdict::Apologize => Doc::Apology,
            Verdict::Person(_) => unreachable!("nobody wants a person here"),
            Verdict::Back { home, resumed, .. } => {
                self.books.count("went back home");
                let there = self
                    .nodes
                    .iter()
                    .position(|node| node.peer.node == home.node);
                let there = there.unwrap();
                opening(there, home, self.nodes[there].site, resumed)
            }
            Verdict::Here {
                resumed, memory, ..
            } => {
                let words = match memory {
                    Memory::Whole(words) => {
                        self.books.count("went on with all of it");
                        words
                    }
                    Memory::LastWordsLost(words) => {
                        self.books.count("went on and asks for the last words");
                        words
                    }
                    Memory::None => {
                        self.books.count("went on without memory");
                        Vec::new()
                    }
                    Memory::Newer => {
                        self.books.count("went on past a newer form");
                        self.books.excuse(call);
                        Vec::new()
                    }
                };
                self.nodes[node].told.insert(call, words);
                opening(node, me.0, me.1, resumed)
            }
        };
        self.document(ask, doc);
    }
}

fn read(row: &CallRow, form: u8) -> Account<Vec<u32>> {
    let fate = if row.title == ringback::core::region::owner::Title::Ended {
        Fate::Ended
    } else {
        row.fate
    };
    Account {
        card: row.by.card,
        owner: row.by.owner,
        fate,
        resumed: row.resumed,
        memory: Some(Remembered {
            version: row.version,
            is_turn_open: row.is_turn_open,
            checkpoint: (row.form <= form).then(|| row.words.clone()),
        }),
    }
}
