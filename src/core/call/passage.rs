//! From one phase of a call to another.

use crate::core::call::Call;
use crate::core::call::checkpoint::{CallBack, Checkpoint, Origin};
use crate::core::call::clock::Attempts;
use crate::core::call::dialling::Dialling;
use crate::core::call::effect::{Effect, Effects, Occasion, Report};
use crate::core::call::floor::{Debt, Owed};
use crate::core::call::line::Line;
use crate::core::call::live::Live;
use crate::core::call::menu::{Apologizing, At};
use crate::core::call::parting::Parting;
use crate::core::call::phase::Phase;
use crate::core::call::prompt::Prompt;
use crate::core::call::reaching::Reaching;
use crate::core::call::rotation::Rotation;
use crate::core::call::session::Session;
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::{Instant, Utc};

/// What is told to a caller whose line comes back after the last words, if there were any.
const fn last_words(call_back: CallBack) -> Option<Prompt> {
    match call_back {
        CallBack::Open | CallBack::Asked => None,
        CallBack::Promised => Some(Prompt::AlreadyPromised),
        CallBack::Texted => Some(Prompt::TextSent),
    }
}

impl Call {
    /// The stream has started: the call begins, or goes on.
    pub(super) fn begin(&mut self, now: Instant, effects: &mut Effects) {
        let mut line = Line::new(now, &self.settings);
        let occasion = match self.resumed.take() {
            None => {
                let dialling = Dialling::begin(now, &mut self.attempts, effects);
                line.greet(now, &self.settings, effects);
                let reaching = Reaching::first(line, dialling, Occasion::Greeted);
                self.phase = Phase::Reaching(Box::new(reaching));
                return;
            }
            Some((Origin::LineLost, checkpoint))
                if let Some(words) = last_words(checkpoint.call_back) =>
            {
                self.recall(&mut line, checkpoint);
                let parting = Parting::promised(now, line, words, &self.settings, effects);
                self.phase = Phase::Parting(Box::new(parting));
                return;
            }
            Some((Origin::TransferFailed, checkpoint)) => {
                self.recall(&mut line, checkpoint);
                self.open_menu(now, line, Some(Origin::TransferFailed), effects);
                return;
            }
            Some((Origin::LineLost, checkpoint)) => {
                let (is_mid_turn, waited) = (checkpoint.is_mid_turn, checkpoint.waited);
                self.recall(&mut line, checkpoint);
                line.resume(now, waited);
                Occasion::Resumed { is_mid_turn }
            }
            Some((Origin::RingBack, checkpoint)) => {
                self.recall(&mut line, checkpoint);
                // This is what was promised.
                line.call_back = CallBack::Open;
                if !line.prompt(now, Prompt::RingBack, &self.settings, effects) {
                    line.owe(Owed::new(now, Debt::Rest));
                }
                Occasion::RungBack
            }
        };
        let dialling = Dialling::begin(now, &mut self.attempts, effects);
        let reaching = Reaching::first(line, dialling, occasion);
        self.phase = Phase::Reaching(Box::new(reaching));
    }

    fn recall(&mut self, line: &mut Line, checkpoint: Checkpoint) {
        self.attempts = Attempts::of_stream(line.recall(checkpoint));
    }

    /// A session is ready: the call is live with it.
    pub(super) fn go_live(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        expires_at: Option<Utc>,
        effects: &mut Effects,
    ) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Reaching(mut reaching) = phase else {
            self.phase = phase;
            return;
        };
        reaching.on_ready(now, attempt, effects);
        self.phase = self.live(now, reaching.line, attempt, expires_at);
    }

    fn live(&self, now: Instant, line: Line, attempt: AttemptId, expires_at: Option<Utc>) -> Phase {
        let expires_at = self.clock.instant(expires_at);
        let session = Session::new(now, attempt, expires_at, &self.settings);
        Phase::Live(Box::new(Live::new(now, line, session, &self.settings)))
    }

    /// The session is lost: its successor takes over, or another one is dialled.
    pub(super) fn fail_over(&mut self, now: Instant, fault: Fault, effects: &mut Effects) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Live(mut live) = phase else {
            self.phase = phase;
            return;
        };
        let attempt = live.session.attempt;
        effects.observe(Observation::AttemptFailed { attempt, fault });
        effects.push(Effect::Report(attempt, Report::Failed(fault)));
        if fault == Fault::Flooded {
            live.forget_flood(effects);
        }
        live.owe_rest(now, effects);
        if live.goodbye.is_some() {
            for attempt in live.attempts() {
                effects.push(Effect::Abandon(attempt));
            }
            self.phase = Phase::Parting(Box::new(Parting::goodbye(now, live.line)));
            return;
        }
        if live.take_over(now, &self.settings, effects) {
            self.phase = Phase::Live(live);
            return;
        }
        effects.push(Effect::Abandon(attempt));
        effects.observe(Observation::FailingOver { attempt, fault });
        let dialling = match live.rotation {
            Rotation::Dialling {
                attempt,
                dialled_at,
                ..
            } => Dialling::adopt(attempt, dialled_at),
            Rotation::Unneeded | Rotation::Planned { .. } | Rotation::Standing(_) => {
                Dialling::begin(now, &mut self.attempts, effects)
            }
        };
        let reaching = Reaching::again(now, live.line, dialling);
        self.phase = Phase::Reaching(Box::new(reaching));
    }

    /// No model is left: the caller hears an apology, and has the menu if anything is on offer.
    pub(super) fn apologize(&mut self, now: Instant, effects: &mut Effects) {
        for attempt in self.phase.attempts() {
            effects.push(Effect::Abandon(attempt));
        }
        let line = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Reaching(reaching) => reaching.line,
            Phase::Live(live) => live.line,
            other @ (Phase::Waiting { .. }
            | Phase::Apologizing(_)
            | Phase::Parting(_)
            | Phase::Ended) => {
                self.phase = other;
                return;
            }
        };
        if self.settings.menu.offers_anything() {
            self.open_menu(now, line, None, effects);
        } else {
            let parting = Parting::apologize(now, line, &self.settings, effects);
            self.phase = Phase::Parting(Box::new(parting));
        }
    }

    fn open_menu(
        &mut self,
        now: Instant,
        line: Line,
        origin: Option<Origin>,
        effects: &mut Effects,
    ) {
        let mut at = At::new(now, &self.settings, effects);
        let apologizing = Apologizing::begin(line, self.caller, origin, &mut at);
        self.phase = Phase::Apologizing(Box::new(apologizing));
    }

    /// A model is back, and the caller has chosen nothing: the call goes on with it.
    pub(super) fn return_to_model(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        expires_at: Option<Utc>,
        effects: &mut Effects,
    ) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Apologizing(mut apologizing) = phase else {
            self.phase = phase;
            return;
        };
        apologizing.give_way(now, attempt, &self.settings, effects);
        self.phase = self.live(now, apologizing.line, attempt, expires_at);
    }
}
