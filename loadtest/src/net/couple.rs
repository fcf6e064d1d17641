//! The loop between one double and its socket.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{sync::mpsc, time::Sleep};
use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{Clock, Socket};
use crate::peer::{Action, Outbox, Peer};

/// A close frame that is not answered within this is not waited for.
const CLOSE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// How a socket came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other side closed it; its close code, if it sent one.
    ClosedByThem(Option<u16>),
    /// Our double closed it with a close frame.
    ClosedByUs,
    /// Our double cut it.
    CutByUs,
    /// The other side did not read, and more than the bound waited to be written.
    Overflowed,
    /// The house closed, and the socket was still there: nobody left, or the double was frozen.
    Stayed,
    /// The connection broke.
    Broke(String),
    /// It answered no ping for too long.
    Silent,
    /// Our double left it, as it was ordered to: it is open still.
    Left,
}

/// What went over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupled {
    /// How it ended.
    pub ending: Ending,
    /// Text messages that came.
    pub texts: u64,
    /// Binary messages that came: neither protocol has any.
    pub binaries: u64,
}

/// Runs `peer` over `socket` until the socket is gone, beginning with what is in `out`. After everything that happens `after`
/// may look at the peer.
pub async fn couple<P: Peer>(
    socket: Socket,
    peer: &mut P,
    clock: Clock,
    out: Outbox,
    after: impl FnMut(&mut P, Duration),
) -> Coupled {
    let mut line = Line::new(socket, clock, None);
    let obey = |_: &mut P, _, never: Infallible, _: &mut Outbox| match never {};
    run(&mut line, peer, out, None, after, obey).await
}

/// Who else has a say in what a peer does, and how the loss of its socket is noticed.
#[derive(Debug)]
pub struct Reins<'a, O> {
    /// What comes here is given to the peer. When all senders are gone nothing more comes.
    pub orders: &'a mut mpsc::Receiver<O>,
    /// The other side is pinged; one that sends nothing at all for so long is given up. `None`: it is not.
    pub silent_after: Option<Duration>,
    /// The peer is left at this time, as by an order that breaks off.
    pub until: Option<Duration>,
}

/// As [`couple`], with orders from outside. When `obey` breaks off, what it has put out is written, and the socket returned
/// as it is: the peer is not told that it is gone.
pub async fn couple_by<P: Peer, O>(
    socket: Socket,
    peer: &mut P,
    clock: Clock,
    out: Outbox,
    reins: Reins<'_, O>,
    obey: impl FnMut(&mut P, Duration, O, &mut Outbox) -> ControlFlow<()>,
    after: impl FnMut(&mut P, Duration),
) -> (Coupled, Option<Socket>) {
    let mut line = Line::new(socket, clock, reins.silent_after);
    line.until = reins.until;
    let coupled = run(&mut line, peer, out, Some(reins.orders), after, obey).await;
    let left = coupled.ending == Ending::Left;
    (coupled, left.then_some(line.socket))
}

async fn run<P: Peer, O>(
    line: &mut Line,
    peer: &mut P,
    mut out: Outbox,
    mut orders: Option<&mut mpsc::Receiver<O>>,
    mut after: impl FnMut(&mut P, Duration),
    mut obey: impl FnMut(&mut P, Duration, O, &mut Outbox) -> ControlFlow<()>,
) -> Coupled {
    let clock = line.clock;
    let mut coupled = Coupled {
        ending: Ending::ClosedByUs,
        texts: 0,
        binaries: 0,
    };
    loop {
        if let Some(ending) = line.put(&mut out) {
            coupled.ending = ending;
            break;
        }
        let event = match line.next(peer.deadline(), orders.as_deref_mut()).await {
            Next::Event(event) => event,
            Next::Order(_) if line.is_closing() => continue,
            Next::Order(order) => {
                let flow = obey(peer, clock.now(), order, &mut out);
                after(peer, clock.now());
                if flow.is_break() {
                    coupled.ending = line.put(&mut out).unwrap_or(Ending::Left);
                    return coupled;
                }
                continue;
            }
        };
        match event {
            Event::Text(_) | Event::Binary(_) | Event::Tick if line.is_closing() => {}
            Event::Text(text) => {
                coupled.texts += 1;
                peer.receive(clock.now(), &text, &mut out);
            }
            Event::Binary(bytes) => {
                coupled.binaries += 1;
                peer.receive_binary(clock.now(), &bytes, &mut out);
            }
            Event::Tick => match line.watch() {
                Some(Ending::Left) => {
                    coupled.ending = Ending::Left;
                    return coupled;
                }
                Some(ending) => {
                    coupled.ending = ending;
                    break;
                }
                None => peer.tick(clock.now(), &mut out),
            },
            Event::Gone(ending) => {
                coupled.ending = ending;
                break;
            }
        }
        after(peer, clock.now());
    }
    let code = line.end(&coupled.ending).await;
    peer.closed(clock.now(), code);
    after(peer, clock.now());
    coupled
}

/// What the loop goes on with.
enum Next<O> {
    Event(Event),
    Order(O),
}

/// What the loop waits for.
enum Event {
    Text(Utf8Bytes),
    Binary(Bytes),
    Tick,
    Gone(Ending),
}

/// A socket with its timer.
struct Line {
    socket: Socket,
    clock: Clock,
    timer: Pin<Box<Sleep>>,
    /// When the timer goes off.
    timer_at: Duration,
    unflushed: bool,
    /// The last event was a tick: the socket comes first now, so that a double that is late still listens.
    ticked: bool,
    /// Nothing is read any more, and nothing said. What was said before still goes out.
    is_frozen: bool,
    /// We sent a close frame; it is answered by then, or not waited for.
    closing_until: Option<Duration>,
    /// See [`Reins::silent_after`].
    silent_after: Option<Duration>,
    /// See [`Reins::until`].
    until: Option<Duration>,
    /// When the other side last sent anything, and when it was last pinged.
    heard_at: Duration,
    pinged_at: Duration,
}

impl Line {
    fn new(socket: Socket, clock: Clock, silent_after: Option<Duration>) -> Self {
        let now = clock.now();
        Self {
            silent_after,
            until: None,
            heard_at: now,
            pinged_at: now,
            socket,
            clock,
            timer: Box::pin(tokio::time::sleep_until(clock.moment(Duration::ZERO))),
            timer_at: Duration::ZERO,
            unflushed: false,
            ticked: false,
            is_frozen: false,
            closing_until: None,
        }
    }

    fn is_closing(&self) -> bool {
        self.closing_until.is_some()
    }

    /// Puts all of `out` into the socket's bounded buffer; it is written as the other side reads.
    fn put(&mut self, out: &mut Outbox) -> Option<Ending> {
        for action in out.drain(..) {
            if self.is_frozen && action != Action::Cut {
                continue;
            }
            let message = match action {
                Action::Send(text) => Message::text(text),
                Action::SendBinary(bytes) => Message::binary(bytes),
                Action::Close { code, reason } => {
                    self.closing_until = Some(self.clock.now() + CLOSE_ANSWER_MAX);
                    Message::Close(Some(CloseFrame {
                        code: CloseCode::from(code),
                        reason: reason.into(),
                    }))
                }
                Action::Cut => return Some(Ending::CutByUs),
                Action::Freeze => {
                    self.is_frozen = true;
                    continue;
                }
            };
            self.unflushed = true;
            if let Err(error) = self.socket.start_send_unpin(message) {
                return Some(ending_of(&error, self.is_closing()));
            }
        }
        None
    }

    async fn next<O>(
        &mut self,
        deadline: Option<Duration>,
        mut orders: Option<&mut mpsc::Receiver<O>>,
    ) -> Next<O> {
        let watch = self.silent_after.map(|after| self.pinged_at + after / 3);
        let first = [deadline, watch, self.until].into_iter().flatten().min();
        let deadline = self.closing_until.or(first);
        poll_fn(|cx| {
            if let Some(orders) = &mut orders
                && let Poll::Ready(Some(order)) = orders.poll_recv(cx)
            {
                return Poll::Ready(Next::Order(order));
            }
            self.poll_event(cx, deadline).map(Next::Event)
        })
        .await
    }

    /// Pings the other side if it is time, and gives it up if it has been silent for too long, or if all is over.
    fn watch(&mut self) -> Option<Ending> {
        let now = self.clock.now();
        if self.until.is_some_and(|until| now >= until) {
            return Some(Ending::Left);
        }
        let after = self.silent_after?;
        if now >= self.heard_at + after {
            return Some(Ending::Silent);
        }
        if now >= self.pinged_at + after / 3 {
            self.pinged_at = now;
            self.unflushed = true;
            let ping = self.socket.start_send_unpin(Message::Ping(Bytes::new()));
            return ping.err().map(|error| ending_of(&error, self.is_closing()));
        }
        None
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, deadline: Option<Duration>) -> Poll<Event> {
        if self.unflushed {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Event::Gone(ending_of(&error, self.is_closing())));
                }
                Poll::Pending => {}
            }
        }
        if self.is_frozen {
            return self.poll_timer(cx, deadline).map(|()| self.on_timer());
        }
        if !self.ticked && self.poll_timer(cx, deadline).is_ready() {
            return Poll::Ready(self.on_timer());
        }
        self.ticked = false;
        match self.poll_message(cx) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => self.poll_timer(cx, deadline).map(|()| self.on_timer()),
        }
    }

    fn on_timer(&mut self) -> Event {
        self.ticked = true;
        if self.is_closing() {
            Event::Gone(Ending::ClosedByUs)
        } else {
            Event::Tick
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, deadline: Option<Duration>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.timer_at != deadline {
            self.timer_at = deadline;
            self.timer.as_mut().reset(self.clock.moment(deadline));
        }
        // A timer that is already over needs no clock; one that is not tells the runtime when to come back.
        self.timer.as_mut().poll(cx)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let polled = self.socket.poll_next_unpin(cx);
            if self.silent_after.is_some() && matches!(polled, Poll::Ready(Some(Ok(_)))) {
                self.heard_at = self.clock.now();
            }
            return match polled {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(Message::Text(text)))) => Poll::Ready(Event::Text(text)),
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => Poll::Ready(Event::Binary(bytes)),
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    // The library's answer to the close frame is still to be written.
                    self.unflushed = true;
                    let code = frame.map(|frame| u16::from(frame.code));
                    Poll::Ready(Event::Gone(if self.is_closing() {
                        Ending::ClosedByUs
                    } else {
                        Ending::ClosedByThem(code)
                    }))
                }
                // The library answers a ping with the next flush.
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    self.unflushed = true;
                    match self.socket.poll_flush_unpin(cx) {
                        Poll::Ready(Ok(())) => self.unflushed = false,
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Event::Gone(ending_of(&error, self.is_closing())));
                        }
                        Poll::Pending => {}
                    }
                    continue;
                }
                Poll::Ready(Some(Ok(Message::Pong(_) | Message::Frame(_)))) => continue,
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Event::Gone(ending_of(&error, self.is_closing())))
                }
                Poll::Ready(None) => Poll::Ready(Event::Gone(if self.is_closing() {
                    Ending::ClosedByUs
                } else {
                    Ending::ClosedByThem(None)
                })),
            };
        }
    }

    /// Ends the socket as it ended, and says with which code the other side closed it.
    async fn end(&mut self, ending: &Ending) -> Option<u16> {
        match ending {
            Ending::ClosedByThem(code) => {
                self.finish().await;
                *code
            }
            Ending::ClosedByUs => {
                self.finish().await;
                None
            }
            Ending::CutByUs
            | Ending::Overflowed
            | Ending::Stayed
            | Ending::Broke(_)
            | Ending::Silent
            | Ending::Left => None,
        }
    }

    /// Lets the last bytes out, for as long as a close may take in all.
    async fn finish(&mut self) {
        let now = self.clock.now();
        let until = self.closing_until.unwrap_or(now + CLOSE_ANSWER_MAX);
        let closing = self.socket.close(None);
        // A socket that cannot be closed is closed by being dropped.
        let _closed = tokio::time::timeout_at(self.clock.moment(until), closing).await;
    }
}

fn ending_of(error: &Error, closing: bool) -> Ending {
    if closing {
        Ending::ClosedByUs
    } else if matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) {
        Ending::ClosedByThem(None)
    } else if matches!(error, Error::WriteBufferFull(_)) {
        Ending::Overflowed
    } else {
        Ending::Broke(error.to_string())
    }
}
