//! Stories of one call, told input by input.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a story looks for what it is about"
)]

mod conversation;
mod excess;
mod failover;
mod keeping;
mod numbers;

use std::time::Duration;

use bytes::Bytes;

use super::effect::{
    CarrierCommand, DialKind, Effect, Effects, EndReason, ProviderCommand, Report,
};
use super::input::{CarrierEvent, DialAnswer, Input, Mark, ProviderEvent, ResponseId, Started};
use super::prompt::{Greeting, Prompts};
use super::{Call, CallSettings};
use crate::core::audio::{FRAME_BYTES, Frame};
use crate::core::ids::{
    AccountSid, AttemptId, CallId, CallSid, ItemId, KeyId, ProviderId, StreamSid, Tier,
};
use crate::core::time::{Instant, Utc};

const FIRST: AttemptId = AttemptId(0);
const SECOND: AttemptId = AttemptId(1);
const THIRD: AttemptId = AttemptId(2);

/// A sample that is loud enough for speech, and not too loud for it.
const SPEECH: u8 = 0x40;

/// A sample of silence.
const QUIET: u8 = 0xFF;

/// A call under test, its clock, and all that it wanted done since it was last asked.
struct Story {
    call: Call,
    now: Instant,
    effects: Effects,
}

impl Story {
    /// A call in which the caller speaks first.
    fn new() -> Self {
        Self::greeting(Greeting::None)
    }

    /// A call that begins like this. Prompts last half a second.
    fn greeting(greeting: Greeting) -> Self {
        let prompt = Bytes::from_static(&[SPEECH; 4_000]);
        let settings = CallSettings {
            prompts: Prompts::new(greeting, |_| prompt.clone()),
            ..CallSettings::default()
        };
        let call = Call::new(
            CallId::from_bits(1),
            Instant::ZERO,
            Utc::from_millis(0),
            settings,
        );
        Self {
            call,
            now: Instant::ZERO,
            effects: Effects::new(),
        }
    }

    /// A call whose first session is ready.
    fn live() -> Self {
        let mut story = Self::new();
        story.start();
        story.made(FIRST);
        story.provider(ProviderEvent::Ready {
            expires_at: Some(Utc::from_millis(3_600_000)),
        });
        story.take();
        story
    }

    /// The pool admits a dial.
    fn made(&mut self, attempt: AttemptId) {
        self.answer(
            attempt,
            DialAnswer::Made {
                provider: ProviderId(0),
                key: KeyId(0),
                tier: Tier(1),
                hedge_after: None,
            },
        );
    }

    fn answer(&mut self, attempt: AttemptId, answer: DialAnswer) {
        let input = Input::DialAnswer(attempt, answer);
        self.call.handle(self.now, input, &mut self.effects);
    }

    fn of(&mut self, attempt: AttemptId, event: ProviderEvent) {
        let input = Input::Provider(attempt, event);
        self.call.handle(self.now, input, &mut self.effects);
    }

    /// The caller is silent, or speaks, for so long; a frame each 20 ms.
    fn says(&mut self, byte: u8, lasts: Duration) {
        let until = self.now + lasts;
        while self.now < until {
            self.pass(ms(20));
            self.carrier(media(byte));
        }
    }

    /// Whether it wants this done; what else it wants is forgotten.
    fn wants(&mut self, effect: &Effect) -> bool {
        self.take().contains(effect)
    }

    fn start(&mut self) {
        let sid = |prefix: &str| format!("{prefix}{:032x}", 7);
        self.carrier(CarrierEvent::Started(Started {
            account: AccountSid::parse(&sid("AC")).unwrap(),
            call: CallSid::parse(&sid("CA")).unwrap(),
            stream: StreamSid::parse(&sid("MZ")).unwrap(),
        }));
    }

    fn carrier(&mut self, event: CarrierEvent) {
        self.call
            .handle(self.now, Input::Carrier(event), &mut self.effects);
    }

    fn provider(&mut self, event: ProviderEvent) {
        self.of(FIRST, event);
    }

    /// Lets time pass, ticking where the call wants it; the carrier sends nothing meanwhile.
    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(deadline) = self.call.deadline().filter(|&deadline| deadline <= until) {
            self.now = deadline.max(self.now);
            self.call.handle(self.now, Input::Tick, &mut self.effects);
        }
        self.now = until;
    }

    /// Lets time pass while the carrier sends a frame each second and the socket answers pings.
    fn pass_alive(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.pass(Duration::from_secs(1).min(until.since(self.now)));
            self.carrier(media(QUIET));
            self.provider(ProviderEvent::Pong);
        }
    }

    fn audio(&mut self, response: u32, item: u32, bytes: &[u8]) {
        let frame = Frame::from_raw(Bytes::copy_from_slice(bytes));
        self.provider(ProviderEvent::Audio {
            response: ResponseId(response),
            item: ItemId(item),
            frame,
        });
    }

    fn take(&mut self) -> Vec<Effect> {
        self.effects.drain().collect()
    }

    fn played(&mut self) -> (Vec<u8>, Vec<Mark>) {
        let mut audio = Vec::new();
        let mut marks = Vec::new();
        for effect in self.take() {
            match effect {
                Effect::ToCarrier(CarrierCommand::Media(frame)) => {
                    assert!(frame.is_aligned(), "{frame:?}");
                    audio.extend_from_slice(&frame.to_raw());
                }
                Effect::ToCarrier(CarrierCommand::Mark(mark)) => marks.push(mark),
                _ => {}
            }
        }
        (audio, marks)
    }

    fn commands(&mut self) -> Vec<ProviderCommand> {
        self.take()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::ToProvider(_, ProviderCommand::Ping) => None,
                Effect::ToProvider(_, command) => Some(command),
                _ => None,
            })
            .collect()
    }

    fn end_reason(&mut self) -> Option<EndReason> {
        self.take().into_iter().find_map(|effect| match effect {
            Effect::EndCall(reason) => Some(reason),
            _ => None,
        })
    }
}

fn media(byte: u8) -> CarrierEvent {
    CarrierEvent::Media(Frame::from_raw(Bytes::from(vec![byte; FRAME_BYTES])))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
