//! What a node does with its calls: takes them, keeps how far they are, and lets go of them.

use std::time::Duration;

use ringback::core::front::{Card, Progress};
use ringback::core::ids::CallSid;
use ringback::core::region::Version;
use ringback::core::region::owner::{Entry, Hold, Ruling, Tenure, Title, Word};
use ringback::core::region::resume::{Account, Fate, Remembered, Resumed};
use ringback::core::region::route::{Here, Route, pass_on, route};

use crate::carrier::{Doc, Opening, Phase, Question};
use crate::leaving::Order;
use crate::node::Held;
use crate::store::{Answer, CallRow, Op};
use crate::world::{Arrival, Event, Purpose, World};

impl World {
    /// The carrier asks a node for a document.
    pub(crate) fn is_asked(&mut self, node: usize, ask: u64, question: Question) {
        if question.is_ringing {
            let doc = self.welcomes(node, &question);
            self.document(ask, doc);
            return;
        }
        let (now, _) = self.clocks(node);
        let me = &self.nodes[node];
        if !me.drain.is_ready()
            && let Some(peer) = pass_on(now, &me.presence, me.peer.region, question.call)
        {
            self.books.count("passed on");
            let to = self
                .nodes
                .iter()
                .position(|node| node.peer.node == peer.node)
                .unwrap();
            self.document(ask, Doc::Redirect(to));
        } else {
            self.comes_next(node, ask, &question);
        }
    }

    pub(crate) fn document(&mut self, ask: u64, doc: Doc) {
        self.soon(10, 40, Event::Documented { ask, doc });
    }

    fn welcomes(&mut self, node: usize, question: &Question) -> Doc {
        let (now, _) = self.clocks(node);
        let load = self.nodes[node].load(self.has_provider(node));
        let here = Here {
            load,
            has_menu: false,
            places: None,
        };
        let me = &self.nodes[node];
        let ringing = (question.call, Progress::Ringing);
        let routed = route(now, here, &me.presence, me.peer.region, ringing);
        let mut opening = Opening {
            node: Some(node),
            site: me.site,
            card: Card {
                id: question.new,
                epoch: 1,
            },
            home: me.peer,
            resumed: Resumed::default(),
            is_fresh: true,
        };
        self.books.count(match routed {
            Route::Here => "answered here",
            Route::Node(_) => "answered at a better node",
            Route::Region(_) => "answered by the other region",
            Route::Busy => "answered busy",
            Route::Apology => "answered with an apology",
            Route::Hangup => "answered with the end",
        });
        match routed {
            Route::Here => Doc::Stream(opening),
            Route::Node(peer) => {
                opening.node = self
                    .nodes
                    .iter()
                    .position(|node| node.peer.node == peer.node);
                opening.home = peer;
                Doc::Stream(opening)
            }
            Route::Region(peer) => {
                opening.node = None;
                opening.site = me.site.other();
                opening.home = peer;
                Doc::Stream(opening)
            }
            Route::Busy => Doc::Busy,
            Route::Apology => Doc::Apology,
            Route::Hangup => Doc::Hangup,
        }
    }

    /// A stream has come to a node.
    pub(crate) fn starts(&mut self, node: usize, call: CallSid, stream: u32, opening: Opening) {
        let me = self.nodes[node].peer;
        let tenure = Tenure {
            card: opening.card,
            owner: me,
        };
        if let Some(held) = self.nodes[node].held.get(&call) {
            if held.tenure.card.epoch >= tenure.card.epoch {
                self.is_closed(call, stream, false);
                return;
            }
            // Its own stream of the call is gone, and it has not noticed yet.
            let (older, account) = (held.stream, account(held));
            self.nodes[node].known.insert(call, account);
            self.nodes[node].held.remove(&call);
            self.say(|| format!("node    gives up stream {older} for a newer one"));
        }
        if !self.nodes[node].drain.call_began(call) {
            self.is_closed(call, stream, false);
            return;
        }
        let remembered = self.nodes[node].known.remove(&call);
        let told = self.nodes[node].told.remove(&call);
        let words = match (opening.is_fresh, told) {
            (true, _) => Vec::new(),
            (false, Some(words)) => words,
            (false, None) => remembered
                .and_then(|account| account.memory)
                .and_then(|memory| memory.checkpoint)
                .unwrap_or_default(),
        };
        let place = self.carrier.place(call);
        if opening.is_fresh {
            self.carrier.calls[place].greeted += 1;
            let is_again = self.carrier.calls[place].greeted > 1;
            self.books
                .must(!is_again, "nobody greeted twice", || call.to_string());
        } else {
            let said = (call, self.carrier.calls[place].said_goodbye);
            self.books.goes_on(self.now, said, stream, &words);
        }
        let held = Held {
            tenure,
            stream,
            resumed: opening.resumed,
            words,
            turn: 0,
            is_mid_turn: false,
            is_unkept: false,
            parting: None,
        };
        self.books
            .remembers(self.now, call, stream, &held.words, false);
        self.say(|| format!("node    {me:?} has stream {stream} of {call}"));
        self.nodes[node].held.insert(call, held);
        self.checkpoint(node, call);
        self.tell_others(node, call, tenure);
    }

    /// Tells whom it reaches that it has the newest stream.
    fn tell_others(&mut self, node: usize, call: CallSid, tenure: Tenure) {
        for other in 0..4 {
            let there = &self.nodes[other];
            let is_there = there.is_up && there.sleeps_until <= self.now;
            let is_heard = self.net.reaches(self.nodes[node].site, there.site);
            let held = there.held.get(&call).map(|held| held.tenure);
            if other != node
                && is_there
                && is_heard
                && let Some(held) = held
                && held.hear(Word::Opened(tenure)) == Hold::LetGo
            {
                self.books.count("told by a node to let go");
                self.lets_go(other, call, false);
            }
        }
    }

    /// A caller begins to speak, or has been answered.
    pub(crate) fn turn(&mut self, call: usize, stream: u32, is_end: bool) {
        let it = &self.carrier.calls[call];
        let (sid, phase) = (it.sid, it.phase);
        let Phase::Streaming {
            with: (node, life),
            stream: current,
        } = phase
        else {
            return;
        };
        if current != stream || self.nodes[node].peer.life != life {
            return;
        }
        let sleeps = self.nodes[node].sleeps_until > self.now;
        let held = self.nodes[node].held.get_mut(&sid);
        let held = held.filter(|held| held.stream == stream && held.parting.is_none());
        let Some(held) = held.filter(|_| !sleeps) else {
            self.soon(
                500,
                1_000,
                Event::Turn {
                    call,
                    stream,
                    is_end,
                },
            );
            return;
        };
        held.is_mid_turn = !is_end;
        if !is_end {
            self.nodes[node].drain.turn_began(sid);
            self.soon(
                800,
                2_500,
                Event::Turn {
                    call,
                    stream,
                    is_end: true,
                },
            );
            return;
        }
        held.turn += 1;
        held.words.push(self.books.next_word());
        let words = held.words.clone();
        self.books.remembers(self.now, sid, stream, &words, true);
        self.checkpoint(node, sid);
        self.goes_on_or_ends(call, stream, node);
        let mut orders = Vec::new();
        self.nodes[node].drain.turn_ended(sid, &mut orders);
        self.obey(node, &orders);
    }

    fn goes_on_or_ends(&mut self, call: usize, stream: u32, node: usize) {
        let it = &mut self.carrier.calls[call];
        let (sid, caller) = (it.sid, it.caller);
        it.turns_left = it.turns_left.saturating_sub(1);
        if it.turns_left > 0 {
            self.soon(
                500,
                4_000,
                Event::Turn {
                    call,
                    stream,
                    is_end: false,
                },
            );
            return;
        }
        let wants = std::mem::take(&mut it.wants_promise);
        let to = self.whom(node);
        if wants {
            self.promises(node, caller);
            self.after(
                Duration::from_millis(350),
                Event::At(to, Arrival::Goodbye { call: sid }),
            );
        } else {
            self.soon(100, 900, Event::At(to, Arrival::Goodbye { call: sid }));
        }
        // Where the goodbye is not heard, the caller has more to say.
        self.after(
            Duration::from_secs(2),
            Event::Turn {
                call,
                stream,
                is_end: false,
            },
        );
    }

    pub(crate) fn says_goodbye(&mut self, node: usize, call: CallSid) {
        let place = self.carrier.place(call);
        let whom = self.whom(node);
        let is_heard = self.carrier.calls[place].is_with(whom);
        if !is_heard || !self.nodes[node].held.contains_key(&call) {
            return;
        }
        self.carrier.calls[place].said_goodbye = true;
        self.parts(node, call, Fate::Ended, Entry::End);
    }

    /// Does what the way out asks for.
    pub(crate) fn obey(&mut self, node: usize, orders: &[Order]) {
        for order in orders {
            let (call, what) = match order {
                Order::HandOver(call) => (*call, "handed over"),
                Order::Cut(call) => (*call, "cut"),
            };
            let Some(held) = self.nodes[node].held.get(&call) else {
                continue;
            };
            // Who has said goodbye leaves anyway.
            if held.parting.is_none() {
                let turn = held.turn + 1;
                self.books.count(what);
                self.parts(node, call, Fate::HandedOver, Entry::Checkpoint(turn));
            }
        }
    }

    /// The stream of a call is to end: what is to be known of it goes to the store, and then it is closed, kept or not.
    fn parts(&mut self, node: usize, call: CallSid, fate: Fate, entry: Entry) {
        let Some(held) = self.nodes[node].held.get_mut(&call) else {
            return;
        };
        held.parting = Some(fate);
        held.turn += 1;
        let held = held.clone();
        let row = self.row(node, &held, fate);
        let whom = self.whom(node);
        let purpose = Purpose::Parting(call, held.stream);
        self.ask_store(whom, purpose, Op::Call(call, entry, Box::new(row)));
    }

    /// The store has taken what is to be known of a stream that is to end, or has not.
    pub(crate) fn has_parted(&mut self, node: usize, call: CallSid, stream: u32) {
        let held = self.nodes[node].held.get(&call);
        if held.is_none_or(|held| held.stream != stream) {
            return;
        }
        self.hears_close(node, call, stream);
        self.is_closed(call, stream, true);
    }

    /// A node finds that a stream is closed.
    pub(crate) fn hears_close(&mut self, node: usize, call: CallSid, stream: u32) {
        let held = self.nodes[node].held.get(&call);
        if held.is_none_or(|held| held.stream != stream) {
            return;
        }
        if let Some(held) = self.nodes[node].held.remove(&call) {
            let account = account(&held);
            self.nodes[node].known.insert(call, account);
            self.nodes[node].drain.call_ended(call);
        }
    }

    pub(crate) fn checkpoint(&mut self, node: usize, call: CallSid) {
        let Some(held) = self.nodes[node].held.get(&call).cloned() else {
            return;
        };
        let row = self.row(node, &held, Fate::GoesOn);
        let whom = self.whom(node);
        let purpose = Purpose::Checkpoint(call, held.stream);
        let entry = Entry::Checkpoint(held.turn);
        self.ask_store(whom, purpose, Op::Call(call, entry, Box::new(row)));
    }

    /// The store says what became of a checkpoint.
    pub(crate) fn is_kept(&mut self, node: usize, call: CallSid, stream: u32, answer: &Answer) {
        let held = self.nodes[node].held.get_mut(&call);
        let Some(held) = held.filter(|held| held.stream == stream) else {
            return;
        };
        let Answer::Ruled(ruling) = answer else {
            held.is_unkept = true;
            return;
        };
        held.is_unkept = false;
        if held.tenure.hear(Word::Store(*ruling)) == Hold::LetGo {
            self.books.count("told by the store to let go");
            self.lets_go(node, call, *ruling == Ruling::Ended);
        }
        let is_told = matches!(ruling, Ruling::Ended | Ruling::Superseded(_));
        let holds = self.nodes[node].held.contains_key(&call);
        self.books.must(!(is_told && holds), "one owner", || {
            format!("{call}: told, and holds on")
        });
    }

    /// What the store has not taken yet is asked of it again.
    pub(crate) fn keep_again(&mut self, node: usize) {
        let held = self.nodes[node].held.iter();
        let held = held.filter(|(_, held)| held.is_unkept && held.parting.is_none());
        let calls: Vec<_> = held.map(|(call, _)| *call).collect();
        for call in calls {
            self.checkpoint(node, call);
        }
    }

    fn lets_go(&mut self, node: usize, call: CallSid, has_ended: bool) {
        let Some(held) = self.nodes[node].held.remove(&call) else {
            return;
        };
        self.nodes[node].drain.call_ended(call);
        self.nodes[node].known.insert(call, account(&held));
        let place = self.carrier.place(call);
        let it = &self.carrier.calls[place];
        let is_newest = it.is_with(self.whom(node))
            && matches!(it.phase, Phase::Streaming { stream, .. } if stream == held.stream);
        let is_wrong = is_newest && !(has_ended && it.said_goodbye);
        let sid = it.sid;
        self.books.must(!is_wrong, "one owner", || {
            format!("the newest let go of {sid}")
        });
        self.is_closed(call, held.stream, false);
    }

    fn row(&self, node: usize, held: &Held, fate: Fate) -> CallRow {
        CallRow {
            title: Title::after(held.tenure, Entry::Checkpoint(held.turn)),
            by: held.tenure,
            fate,
            resumed: held.resumed,
            version: version(held),
            is_turn_open: held.is_mid_turn,
            words: held.words.clone(),
            form: self.nodes[node].form,
            stream: held.stream,
        }
    }
}

fn version(held: &Held) -> Version {
    Version {
        epoch: held.tenure.card.epoch,
        turn: held.turn,
    }
}

/// What a node knows of a call whose stream it holds, or held.
pub(crate) fn account(held: &Held) -> Account<Vec<u32>> {
    let fate = held.parting.unwrap_or(Fate::GoesOn);
    Account {
        card: held.tenure.card,
        owner: held.tenure.owner,
        fate,
        resumed: held.resumed,
        memory: Some(Remembered {
            version: version(held),
            is_turn_open: held.is_mid_turn,
            checkpoint: Some(held.words.clone()),
        }),
    }
}
