//! Callers: each has a line of his own and is followed by another when he hangs up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    carrier::{CallReport, CarrierSettings, Ended, KnownPrompts, Phone, StreamCut},
    drill::numbers,
    net::{Clock, Ending, couple, dial},
    peer::Outbox,
    recording::Recording,
    twilio::{
        Account, VoiceCall, VoiceReport,
        note::{End, Note},
        number::{Number, Parties},
        settings::TwilioSettings,
    },
};

/// A caller whose call failed tries again after this, not at once.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The prompt that promises a text and a call back.
pub(crate) const PROMISED: &str = "promised";

/// What a caller hears who is sent a text, and rung only if it is answered.
pub(crate) const TEXTED: &str = "text_sent";

/// When a caller has heard that they are sent a text, and whether rung at once or not; `None`: they have not.
pub(crate) fn told_of_text(call: &CallReport) -> Option<Duration> {
    let heard = [PROMISED, TEXTED].map(|prompt| call.heard_prompt(prompt));
    heard.into_iter().flatten().min()
}

/// Who calls, and until when.
#[derive(Debug)]
pub(crate) struct Callers {
    pub(crate) way: Way,
    pub(crate) recordings: Vec<Arc<Recording>>,
    pub(crate) settings: Arc<CarrierSettings>,
    /// Each takes the next.
    pub(crate) cuts: Vec<StreamCut>,
    /// Prompts that they know.
    pub(crate) prompts: Option<Arc<KnownPrompts>>,
    /// Each calls from a number of their own.
    pub(crate) own_numbers: bool,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    /// Nobody calls after this.
    pub(crate) until: Duration,
    /// Whoever still speaks then hangs up.
    pub(crate) hang_up_at: Option<Duration>,
    pub(crate) counts: Counts,
}

/// How callers come in.
#[derive(Debug)]
pub(crate) enum Way {
    /// Each opens a stream at this URL, without any document.
    Stream(String),
    /// They call these numbers in turn, and their carrier does what their documents say.
    Number {
        account: Arc<Account>,
        numbers: Vec<Number>,
        settings: Arc<TwilioSettings>,
    },
}

/// Where the calls are just now.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: AtomicU32,
    pub(crate) live: AtomicU32,
    pub(crate) failed: AtomicU32,
}

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) report: CallReport,
    pub(crate) line: Line,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

/// What there is to know of a call beside what was said.
#[derive(Debug)]
pub(crate) enum Line {
    /// How its stream ended.
    Stream(Ending),
    /// What its carrier did.
    Number(Box<VoiceReport>),
}

impl Told {
    /// What its carrier did, where a number was called.
    pub(crate) fn voice(&self) -> Option<&VoiceReport> {
        match &self.line {
            Line::Stream(_) => None,
            Line::Number(voice) => Some(&**voice),
        }
    }

    /// Whether the caller ended it. `agent_hangs_up`: a server that closes in order does right too.
    pub(crate) fn is_complete(&self, agent_hangs_up: bool) -> bool {
        match self.report.ended {
            Some(Ended::HungUp | Ended::TooLong) => true,
            Some(Ended::ServerClosed { code }) => agent_hangs_up && code == Some(1000),
            Some(Ended::GaveUp) | None => false,
        }
    }

    /// Whether the server ended it in order, after words that were not the model's.
    pub(crate) fn was_apologized_to(&self) -> bool {
        let in_order = Some(Ended::ServerClosed { code: Some(1000) });
        self.report.ended == in_order && self.report.prompted.is_some()
    }

    /// How it ended, in words.
    pub(crate) fn ending(&self) -> String {
        match self.report.ended {
            Some(Ended::GaveUp) => "the caller gave up: there was no answer".into(),
            Some(Ended::HungUp | Ended::TooLong | Ended::ServerClosed { .. }) | None => {
                match &self.line {
                    Line::Stream(ending) => {
                        format!("the socket ended before its time: {ending:?}")
                    }
                    Line::Number(voice) => ending_of(voice),
                }
            }
        }
    }
}

/// How a call went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Over(Box<Told>),
    Refused(String),
}

impl Callers {
    /// One line: calls from `first_at` on, one after the other.
    pub(crate) async fn line(self: Arc<Self>, first_at: Duration) -> Vec<Outcome> {
        self.clock.wait_until(first_at).await;
        let mut outcomes = Vec::new();
        while self.clock.now() < self.until {
            let outcome = self.call().await;
            let failed = match &outcome {
                Outcome::Over(told) => !told.is_complete(true),
                Outcome::Refused(_) => true,
            };
            outcomes.push(outcome);
            if failed {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        outcomes
    }

    async fn call(&self) -> Outcome {
        let number = self.counts.started.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(recording) = self
            .recordings
            .iter()
            .cycle()
            .nth(number as usize % self.recordings.len().max(1))
        else {
            return Outcome::Refused("there is no recording".into());
        };
        let seed = self
            .seed
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(number.into());
        match &self.way {
            Way::Stream(url) => self.open(url, recording, number, seed).await,
            Way::Number {
                account,
                numbers: called,
                settings,
            } => {
                let turn = number as usize % called.len().max(1);
                let Some(called) = called.get(turn) else {
                    return Outcome::Refused("there is no number".into());
                };
                let CarrierSettings { from, to, .. } = &*self.settings;
                let from = if self.own_numbers {
                    &numbers::caller(number)
                } else {
                    from
                };
                account.network.tally().call(from, false);
                let call = VoiceCall {
                    account: Arc::clone(account),
                    number: called.clone(),
                    settings: Arc::clone(settings),
                    parties: Parties::of_seed(&account.sid, from, to, seed),
                    seed,
                };
                let settings = self.settings_from(self.clock.now(), number);
                let mut phone = Phone::new(Arc::clone(recording), settings, number, seed);
                if let Some(prompts) = &self.prompts {
                    phone = phone.knowing(Arc::clone(prompts));
                }
                let outcome = self.ring(call, phone).await;
                if let Outcome::Over(told) = &outcome
                    && let Some(heard) = told_of_text(&told.report)
                {
                    account.network.tally().promise(from, heard);
                }
                outcome
            }
        }
    }

    /// A call to the stream itself.
    async fn open(&self, url: &str, recording: &Arc<Recording>, number: u32, seed: u64) -> Outcome {
        let socket = match dial(url, None).await {
            Ok(socket) => socket,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let began = self.clock.now();
        let settings = self.settings_from(began, number);
        let mut phone = Phone::new(Arc::clone(recording), settings, number, seed);
        let mut out = Outbox::new();
        phone.start(began, &mut out);
        self.counts.live.fetch_add(1, Ordering::Relaxed);
        // Nobody listens to the story of one call among many.
        let forget = |phone: &mut Phone, _| drop(phone.take_happenings());
        let coupled = couple(socket, &mut phone, self.clock, out, forget).await;
        self.counts.live.fetch_sub(1, Ordering::Relaxed);
        Outcome::Over(Box::new(Told {
            report: phone.into_report(),
            line: Line::Stream(coupled.ending),
            began,
            ended: self.clock.now(),
        }))
    }

    /// A call to the number.
    async fn ring(&self, call: VoiceCall, phone: Phone) -> Outcome {
        self.counts.live.fetch_add(1, Ordering::Relaxed);
        let mut voice = call.live(phone, |_, _| {}).await;
        self.counts.live.fetch_sub(1, Ordering::Relaxed);
        let report = std::mem::take(&mut voice.call);
        if matches!(voice.end, Some(End::Rejected { .. })) {
            return Outcome::Refused(ending_of(&voice));
        }
        // What its carrier has told of it afterwards belongs to the call no more.
        let ended = report.began + report.lasted;
        Outcome::Over(Box::new(Told {
            began: voice.began,
            ended: ended.max(voice.began),
            report,
            line: Line::Number(Box::new(voice)),
        }))
    }

    /// The settings of the call of this number, which begins now: whoever still speaks at the end hangs up then.
    fn settings_from(&self, now: Duration, number: u32) -> Arc<CarrierSettings> {
        if self.hang_up_at.is_none() && self.cuts.is_empty() {
            return Arc::clone(&self.settings);
        }
        let mut settings = (*self.settings).clone();
        if let Some(hang_up_at) = self.hang_up_at {
            let left = hang_up_at.saturating_sub(now).as_millis();
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            settings.call_max_ms = settings.call_max_ms.min(left.max(1));
        }
        let cut = self
            .cuts
            .iter()
            .cycle()
            .nth(number as usize % self.cuts.len().max(1));
        settings.cuts.extend(cut);
        Arc::new(settings)
    }
}

/// How a call to a number ended, and what last went wrong before.
fn ending_of(voice: &VoiceReport) -> String {
    let went_wrong = |(_, note): &&(Duration, Note)| {
        matches!(note, Note::Failed { .. } | Note::NotOpened { .. })
    };
    let end = voice.end.map(|end| Note::Ended(end).sentence());
    let end = end.unwrap_or_else(|| "the call never ended".into());
    match voice.notes.iter().rev().find(went_wrong) {
        Some((_, note)) => format!("{end}; {}", note.sentence()),
        None => end,
    }
}
