//! Carrying out verbs: what each does, and those that only take time.

use std::time::Duration;

use super::{Form, Interpreter, State, Step, Verb};
use crate::twilio::{
    fault::FetchFault,
    note::{End, Note, Why},
    number::Status,
    settings::{RejectedStatus, millis},
    twiml::{Gather, Link, Play, Say},
};

/// One verb takes at most so long: `loop="0"` is for ever, and a call is not.
const VERB_MAX: Duration = Duration::from_hours(24);

/// A verb that takes its time.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Say, Play, Pause: the next verb follows.
    Verb { until: Duration },
    /// Keys are awaited.
    Gather {
        until: Duration,
        gather: Gather,
        keys: Option<String>,
    },
    /// The carrier's own apology: the call ends.
    Apology { until: Duration, code: u32 },
}

impl Waiting {
    pub(super) fn until(&self) -> Duration {
        match self {
            Self::Verb { until } | Self::Gather { until, .. } | Self::Apology { until, .. } => {
                *until
            }
        }
    }
}

/// Whether the next verb may begin.
enum Flow {
    Next,
    Waits,
}

impl Interpreter {
    /// Carries out verbs until one takes time, or none is left.
    pub(super) fn run(&mut self, now: Duration, steps: &mut Vec<Step>) {
        loop {
            let Some(verb) = self.verbs.pop_front() else {
                self.answer(now, steps);
                return self.finish(now, End::NothingLeft, steps);
            };
            match self.begin(now, verb, steps) {
                Flow::Next => {}
                Flow::Waits => return,
            }
        }
    }

    fn begin(&mut self, now: Duration, verb: Verb, steps: &mut Vec<Step>) -> Flow {
        let is_first = std::mem::replace(&mut self.is_first_verb, false);
        let name = verb.name();
        match verb {
            Verb::Reject { busy } if is_first => {
                self.finish(now, End::Rejected { busy }, steps);
                return Flow::Waits;
            }
            Verb::Pause(length) if is_first => return self.wait(now, name, length),
            Verb::Redirect(link) => {
                // A redirect does not answer: what it leads to may still reject.
                self.is_first_verb = is_first;
                self.verbs.clear();
                self.ask(now, Why::Redirect, &link, Form::new(), steps);
                return Flow::Waits;
            }
            Verb::Other(_) => return Flow::Next,
            Verb::Say(_)
            | Verb::Play(_)
            | Verb::Pause(_)
            | Verb::Gather(_)
            | Verb::Dial(_)
            | Verb::Connect(_)
            | Verb::Hangup
            | Verb::Reject { .. } => self.answer(now, steps),
        }
        match verb {
            Verb::Say(say) => self.sound(now, name, self.length_of_say(&say), steps),
            Verb::Play(play) => self.sound(now, name, self.length_of_play(&play), steps),
            Verb::Pause(length) => self.wait(now, name, length),
            Verb::Gather(gather) => self.gather(now, gather, steps),
            Verb::Dial(dial) => {
                self.dial(now, dial, steps);
                Flow::Waits
            }
            Verb::Connect(connect) => {
                self.connect(now, connect, steps);
                Flow::Waits
            }
            Verb::Hangup | Verb::Reject { .. } => {
                self.verbs.clear();
                self.finish(now, End::Hangup, steps);
                Flow::Waits
            }
            Verb::Redirect(_) | Verb::Other(_) => Flow::Next,
        }
    }

    /// The call is answered, if it was not.
    pub(super) fn answer(&mut self, now: Duration, steps: &mut Vec<Step>) {
        if self.answered_at.is_none() {
            self.answered_at = Some(now);
            self.status = Status::InProgress;
            self.note(now, Note::Answered);
            steps.push(Step::Answer);
        }
    }

    pub(super) fn rejected_status(&self) -> Status {
        match self.settings.rejected_status {
            RejectedStatus::Busy => Status::Busy,
            RejectedStatus::NoAnswer => Status::NoAnswer,
            RejectedStatus::Failed => Status::Failed,
        }
    }

    /// A verb that took its time is over.
    pub(super) fn on_waited(&mut self, now: Duration, steps: &mut Vec<Step>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Waiting(Waiting::Verb { .. }) => self.run(now, steps),
            State::Waiting(Waiting::Apology { code, .. }) => self.on_apologized(now, code, steps),
            State::Waiting(Waiting::Gather { gather, keys, .. }) => {
                self.on_gathered(now, gather, keys, steps);
            }
            other @ (State::Idle
            | State::Asking(_)
            | State::Streaming(_)
            | State::Dialling(_)
            | State::Over(_)) => self.state = other,
        }
    }

    /// What would be asked if the verb that is being carried out ended now.
    pub(super) fn current_action(&self) -> Option<(&'static str, Link, Form)> {
        match &self.state {
            State::Streaming(streaming) => {
                let link = streaming.action.clone()?;
                Some(("Connect", link, Form::new()))
            }
            State::Dialling(dialling) => dialling.action_now(),
            State::Idle | State::Asking(_) | State::Waiting(_) | State::Over(_) => None,
        }
    }

    fn length_of_say(&self, say: &Say) -> Duration {
        let characters = u64::try_from(say.words.trim().chars().count()).unwrap_or(u64::MAX);
        let once = characters.saturating_mul(self.settings.say_ms_per_character);
        many(millis(once), say.times)
    }

    fn length_of_play(&self, play: &Play) -> Duration {
        let once = if play.url.is_empty() {
            500
        } else {
            self.settings.play_ms
        };
        if !play.url.is_empty() && self.resolve(&play.url).is_none() {
            return Duration::ZERO;
        }
        many(millis(once), play.times)
    }

    fn sound(
        &mut self,
        now: Duration,
        verb: &'static str,
        takes: Duration,
        steps: &mut Vec<Step>,
    ) -> Flow {
        steps.push(Step::Sound(takes));
        self.wait(now, verb, takes)
    }

    fn wait(&mut self, now: Duration, verb: &'static str, takes: Duration) -> Flow {
        self.note(now, Note::Begins { verb, takes });
        self.state = State::Waiting(Waiting::Verb { until: now + takes });
        Flow::Waits
    }

    fn gather(&mut self, now: Duration, gather: Gather, steps: &mut Vec<Step>) -> Flow {
        let mut prompts = Duration::ZERO;
        for prompt in &gather.prompts {
            let length = match prompt {
                Verb::Say(say) => self.length_of_say(say),
                Verb::Play(play) => self.length_of_play(play),
                Verb::Pause(length) => *length,
                Verb::Gather(_)
                | Verb::Dial(_)
                | Verb::Connect(_)
                | Verb::Redirect(_)
                | Verb::Hangup
                | Verb::Reject { .. }
                | Verb::Other(_) => Duration::ZERO,
            };
            prompts = prompts.saturating_add(length).min(VERB_MAX);
        }
        steps.push(Step::Sound(prompts));
        let pressed = self.pressed(&gather);
        let pressed_at = now + millis(self.settings.gather_after_ms);
        let silent_at = now + prompts + gather.timeout;
        let (until, keys) = match pressed {
            Some((keys, true)) if pressed_at <= silent_at => (pressed_at, Some(keys)),
            Some((keys, false)) if pressed_at <= silent_at => {
                (pressed_at + gather.timeout, Some(keys))
            }
            Some(_) | None => (silent_at, None),
        };
        let takes = until.saturating_sub(now);
        self.note(
            now,
            Note::Begins {
                verb: "Gather",
                takes,
            },
        );
        self.state = State::Waiting(Waiting::Gather {
            until,
            gather,
            keys,
        });
        Flow::Waits
    }

    /// The keys that the caller presses in this, and whether no more are awaited.
    fn pressed(&self, gather: &Gather) -> Option<(String, bool)> {
        let all = &self.settings.gather_keys;
        let ends = gather.finish_on.and_then(|key| all.find(key));
        let mut keys: String = all.chars().take(ends.unwrap_or(all.len())).collect();
        let mut is_whole = ends.is_some();
        if let Some(digits) = gather.digits
            && keys.len() >= digits
        {
            keys.truncate(digits);
            is_whole = true;
        }
        (!all.is_empty()).then_some((keys, is_whole))
    }

    fn on_gathered(
        &mut self,
        now: Duration,
        gather: Gather,
        keys: Option<String>,
        steps: &mut Vec<Step>,
    ) {
        steps.push(Step::Hush);
        let Some(keys) = keys.or_else(|| gather.on_empty.then(String::new)) else {
            return self.run(now, steps);
        };
        self.note(now, Note::Keys { count: keys.len() });
        let link = self.action_or_document(gather.action, gather.method);
        if link.url.is_empty() {
            let code = FetchFault::BadUrl.code();
            let what = "a <Gather> without action, in a document without URL".into();
            self.note(now, Note::Warns { code, what });
            return self.run(now, steps);
        }
        let form = Form::new().with("Digits", keys);
        self.ask(now, Why::Action("Gather"), &link, form, steps);
    }
}

fn many(once: Duration, times: u32) -> Duration {
    if times == 0 && once > Duration::ZERO {
        return VERB_MAX;
    }
    once.saturating_mul(times).min(VERB_MAX)
}
