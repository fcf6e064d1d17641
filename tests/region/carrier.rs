//! The carrier: it asks for documents, here or at the other region, opens streams, loses them, and knows no goodbye from a crash.

use std::time::Duration;

use ringback::core::front::Card;
use ringback::core::ids::{CallId, CallSid, PromiseId};
use ringback::core::region::resume::Resumed;
use ringback::core::region::{Peer, Region};

use crate::sites::Site;
use crate::world::{Arrival, Event, Whom, World};

/// What a document that connects a stream says.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// Where; `None`: at any node of the region.
    pub(crate) node: Option<usize>,
    pub(crate) site: Site,
    pub(crate) card: Card,
    pub(crate) home: Peer,
    pub(crate) resumed: Resumed,
    /// The call begins: the caller is greeted.
    pub(crate) is_fresh: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Doc {
    Stream(Opening),
    /// The same is to be asked of this node.
    Redirect(usize),
    Hangup,
    Busy,
    Apology,
}

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) call: CallSid,
    pub(crate) is_ringing: bool,
    pub(crate) ticket: Option<(Card, Peer, Resumed)>,
    pub(crate) new: CallId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Ringing,
    Asking { ask: u64, site: Site, is_bare: bool },
    Opening,
    Streaming { with: Whom, stream: u32 },
    Over(&'static str),
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a caller"
)]
pub(crate) struct Call {
    pub(crate) sid: CallSid,
    pub(crate) caller: usize,
    pub(crate) phase: Phase,
    pub(crate) is_answered: bool,
    pub(crate) ticket: Option<(Card, Peer, Resumed)>,
    pub(crate) streams: u32,
    pub(crate) turns_left: u32,
    pub(crate) wants_promise: bool,
    pub(crate) said_goodbye: bool,
    pub(crate) greeted: u32,
    /// Every stream of it is lost at once: it brings down whatever holds it.
    pub(crate) is_cursed: bool,
    pub(crate) opened_at: Duration,
    /// When it lost a stream that was not handed over.
    pub(crate) crashes: Vec<Duration>,
    /// When it lost one that was.
    pub(crate) handed_over: Vec<Duration>,
}

impl Call {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether a stream of it was opened at this node, and not just now.
    pub(crate) fn is_long_with(&self, whom: Whom, now: Duration) -> bool {
        self.is_with(whom) && self.opened_at + Duration::from_millis(50) < now
    }

    pub(crate) fn is_with(&self, whom: Whom) -> bool {
        matches!(self.phase, Phase::Streaming { with, .. } if with == whom)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingState {
    Ringing,
    Person,
    Nobody,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) promise: PromiseId,
    pub(crate) number: u8,
    pub(crate) state: RingState,
    pub(crate) visible_at: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Carrier {
    pub(crate) calls: Vec<Call>,
    asks: u64,
    pub(crate) rings: Vec<Ring>,
    pub(crate) texts: Vec<(PromiseId, Duration)>,
}

impl Carrier {
    pub(crate) fn by_sid(&self, sid: CallSid) -> Option<&Call> {
        self.calls.iter().find(|call| call.sid == sid)
    }

    pub(crate) fn place(&self, sid: CallSid) -> usize {
        self.calls.iter().position(|call| call.sid == sid).unwrap()
    }

    fn of_ask(&self, ask: u64) -> Option<usize> {
        self.calls.iter().position(
            |call| matches!(call.phase, Phase::Asking { ask: asking, .. } if asking == ask),
        )
    }
}

impl World {
    pub(crate) fn rings_in(&mut self, call: usize) {
        self.books.count("calls");
        self.asks(call, Site::East, false);
    }

    /// Asks a region: by the address of its documents, or by the fallback's, which says nothing of the document before.
    fn asks(&mut self, call: usize, site: Site, is_bare: bool) {
        let picked = self.picked(site);
        self.asks_node(call, site, is_bare, picked);
    }

    fn asks_node(&mut self, call: usize, site: Site, is_bare: bool, picked: Option<usize>) {
        self.carrier.asks += 1;
        let ask = self.carrier.asks;
        let it = &mut self.carrier.calls[call];
        it.phase = Phase::Asking { ask, site, is_bare };
        let question = Question {
            call: it.sid,
            is_ringing: !it.is_answered,
            ticket: it.ticket.filter(|_| !is_bare),
            new: CallId::from_bits(self.rng.u128(..)),
        };
        self.books.count(if is_bare {
            "asked by the fallback"
        } else {
            "asked"
        });
        match picked {
            Some(node) => {
                let to = self.whom(node);
                self.say(|| format!("carrier asks {site:?} {to:?} {question:?}"));
                self.soon(10, 60, Event::At(to, Arrival::Asked { ask, question }));
                self.after(Duration::from_secs(3), Event::Unanswered { ask });
            }
            None => self.after(Duration::from_millis(200), Event::Unanswered { ask }),
        }
    }

    /// A node of a region that its balancer takes for ready; now and then it has not noticed that one sleeps.
    fn picked(&mut self, site: Site) -> Option<usize> {
        if !self.net.reaches(Site::Carrier, site) {
            return None;
        }
        let is_blind = self.rng.u8(..3) == 0;
        let fit = |is_ready: bool| {
            let nodes = self.nodes.iter().enumerate().filter(|(_, node)| {
                let is_awake = is_blind || node.sleeps_until <= self.now;
                let is_fit = !is_ready || node.drain.is_ready();
                node.site == site && node.is_up && is_awake && is_fit
            });
            nodes.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let mut nodes = fit(true);
        if nodes.is_empty() {
            nodes = fit(false);
        }
        let picked = self.rng.usize(..nodes.len().max(1));
        nodes.get(picked).copied()
    }

    pub(crate) fn is_unanswered(&mut self, ask: u64) {
        let Some(call) = self.carrier.of_ask(ask) else {
            return;
        };
        if let Phase::Asking {
            site,
            is_bare: false,
            ..
        } = self.carrier.calls[call].phase
        {
            self.asks(call, site.other(), true);
        } else {
            self.books.count("a call found nobody");
            self.ends(call, "nobody was there");
        }
    }

    pub(crate) fn is_documented(&mut self, ask: u64, doc: Doc) {
        let Some(call) = self.carrier.of_ask(ask) else {
            self.books.count("a document came too late");
            return;
        };
        self.say(|| format!("carrier is told {doc:?}"));
        match doc {
            Doc::Stream(opening) => {
                let it = &mut self.carrier.calls[call];
                it.is_answered = true;
                it.phase = Phase::Opening;
                it.ticket = Some((opening.card, opening.home, opening.resumed));
                self.after(Duration::from_millis(50), Event::Open(call, ask, opening));
            }
            Doc::Redirect(node) => {
                let is_there = self.nodes[node].is_up
                    && self.net.reaches(Site::Carrier, self.nodes[node].site);
                let picked = is_there.then_some(node);
                self.asks_node(call, self.nodes[node].site, false, picked);
            }
            Doc::Hangup => {
                self.books.is_hung_up(&self.carrier.calls[call]);
                self.ends(call, "goodbye");
            }
            Doc::Busy => self.ends(call, "busy"),
            Doc::Apology => {
                let skew = self.skew[0].abs_diff(self.skew[1]);
                let has_harm = self.no_provider.iter().any(|out| *out > 0);
                self.books
                    .apologizes(self.now, skew, &self.carrier.calls[call], has_harm);
                self.ends(call, "apology");
            }
        }
    }

    pub(crate) fn opens(&mut self, call: usize, ask: u64, opening: Opening) {
        if self.carrier.calls[call].phase != Phase::Opening {
            return;
        }
        let node = opening.node.or_else(|| self.picked(opening.site));
        let is_there = |node: &usize| {
            self.nodes[*node].is_up && self.net.reaches(Site::Carrier, self.nodes[*node].site)
        };
        let Some(node) = node.filter(is_there) else {
            self.say(|| format!("carrier cannot open a stream for {ask}"));
            self.comes_after(call);
            return;
        };
        if self.nodes[node].sleeps_until > self.now + Duration::from_secs(3) {
            self.comes_after(call);
            return;
        }
        let with = self.whom(node);
        let it = &mut self.carrier.calls[call];
        it.streams += 1;
        let stream = it.streams;
        it.opened_at = self.now;
        it.phase = Phase::Streaming { with, stream };
        let is_cursed = it.is_cursed;
        let sid = it.sid;
        if is_cursed {
            self.soon(200, 700, Event::Noticed { call, stream });
        }
        self.books.opened(sid, stream, &opening);
        self.soon(
            1,
            30,
            Event::At(
                with,
                Arrival::Start {
                    call: sid,
                    stream,
                    opening,
                },
            ),
        );
        self.soon(
            1_000,
            3_000,
            Event::Turn {
                call,
                stream,
                is_end: false,
            },
        );
        if self.nodes[node].sleeps_until > self.now {
            self.soon(3_000, 6_000, Event::Noticed { call, stream });
        }
    }

    /// The stream is over, or could not be opened: the carrier asks what comes next.
    fn comes_after(&mut self, call: usize) {
        let it = &mut self.carrier.calls[call];
        it.crashes.push(self.now);
        let site = it.ticket.map(|(_, home, _)| home.region);
        let site = Site::REGIONS
            .into_iter()
            .find(|of| Some(of.name()) == site.as_ref().map(Region::as_str));
        self.asks(call, site.unwrap_or(Site::East), false);
    }

    /// The carrier finds that a stream is gone.
    pub(crate) fn notices(&mut self, call: usize, stream: u32) {
        let it = &self.carrier.calls[call];
        let Phase::Streaming {
            with,
            stream: current,
        } = it.phase
        else {
            return;
        };
        if current != stream {
            return;
        }
        let call_sid = it.sid;
        // Whoever held it hears of it at once, or when nothing more comes.
        let by = if self.rng.u8(..10) < 7 { 20 } else { 5_000 };
        let closed = Event::At(
            with,
            Arrival::Closed {
                call: call_sid,
                stream,
            },
        );
        self.after(Duration::from_millis(by), closed);
        self.say(|| format!("carrier lost stream {stream} of {call_sid}"));
        self.comes_after(call);
    }

    /// All streams of a node are gone, for good.
    pub(crate) fn streams_of(&mut self, node: usize, from: u64, to: u64) {
        let whom = self.whom(node);
        for call in 0..self.carrier.calls.len() {
            if let Phase::Streaming { with, stream } = self.carrier.calls[call].phase
                && with == whom
            {
                self.soon(from, to, Event::Noticed { call, stream });
            }
        }
    }

    /// A node closes a stream.
    pub(crate) fn is_closed(&mut self, call: CallSid, stream: u32, is_planned: bool) {
        let place = self.carrier.place(call);
        let it = &mut self.carrier.calls[place];
        if matches!(it.phase, Phase::Streaming { stream: current, .. } if current == stream) {
            self.comes_after(place);
            if is_planned {
                let it = &mut self.carrier.calls[place];
                it.handed_over.extend(it.crashes.pop());
            }
        }
    }

    pub(crate) fn hangs_up(&mut self, call: usize) {
        if let Phase::Streaming { with, stream } = self.carrier.calls[call].phase {
            let sid = self.carrier.calls[call].sid;
            self.carrier.calls[call].said_goodbye = true;
            self.after(
                Duration::from_millis(30),
                Event::At(with, Arrival::Closed { call: sid, stream }),
            );
        }
        if !self.carrier.calls[call].is_over() {
            self.ends(call, "hung up");
        }
    }

    pub(crate) fn ends(&mut self, call: usize, how: &'static str) {
        self.books.count(&format!("ended: {how}"));
        let sid = self.carrier.calls[call].sid;
        self.say(|| format!("carrier {sid} is over: {how}"));
        self.carrier.calls[call].phase = Phase::Over(how);
    }
}
