//! What a caller does when they hear a prompt that asks for a choice.
//!
//! Owns the choice and its keys. Which prompt it was is told by [`known`](super::known). Whoever is in a menu says nothing more of their
//! recording: they press, listen, or hang up.

use std::{collections::VecDeque, time::Duration};

use serde::Deserialize;

/// Keys that are pressed for one prompt at most.
pub(super) const KEYS_MAX: usize = 64;

/// What is done at a prompt. Several for one prompt are chosen by their shares; what is left of the whole does nothing.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MenuChoice {
    /// At which prompt, by its file's name.
    pub prompt: String,
    /// These keys are pressed: `1`, or a number and `#`. Empty: none.
    pub press: String,
    /// So long after the prompt has begun.
    pub after_ms: u64,
    /// The caller hangs up then, behind the last key.
    pub hang_up: bool,
    /// So many of those who hear it.
    pub share: f64,
    /// So often in one call.
    pub times: u32,
}

impl Default for MenuChoice {
    fn default() -> Self {
        Self {
            prompt: "apology".into(),
            press: String::new(),
            after_ms: 500,
            hang_up: false,
            share: 1.0,
            times: 1,
        }
    }
}

/// Without the keys: they can be a number.
impl std::fmt::Debug for MenuChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MenuChoice({}, {} keys)", self.prompt, self.press.len())
    }
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Press(char),
    HangUp,
}

#[derive(Debug)]
pub(super) struct Menu {
    choices: Vec<(MenuChoice, u32)>,
    gap: Duration,
    /// From when on the caller is in it.
    since: Option<Duration>,
    due: VecDeque<(Duration, Due)>,
    pub(super) keys_pressed: u32,
}

impl Menu {
    pub(super) fn new(choices: &[MenuChoice], key_gap_ms: u64) -> Self {
        Self {
            choices: choices.iter().map(|choice| (choice.clone(), 0)).collect(),
            gap: Duration::from_millis(key_gap_ms),
            since: None,
            due: VecDeque::new(),
            keys_pressed: 0,
        }
    }

    /// A prompt will be heard from `begins` on.
    pub(super) fn hear(&mut self, prompt: &str, begins: Duration, rng: &mut fastrand::Rng) {
        let mut left = rng.f64();
        let mut chosen = None;
        for (choice, done) in &mut self.choices {
            if choice.prompt != prompt {
                continue;
            }
            self.since.get_or_insert(begins);
            if *done >= choice.times || chosen.is_some() {
                continue;
            }
            if left < choice.share {
                *done += 1;
                chosen = Some(choice.clone());
            }
            left -= choice.share;
        }
        let Some(choice) = chosen else { return };
        let mut at = begins + Duration::from_millis(choice.after_ms);
        // What was to be pressed at an earlier prompt is not any more.
        self.due.clear();
        for key in choice.press.chars().take(KEYS_MAX) {
            self.due.push_back((at, Due::Press(key)));
            at += self.gap;
        }
        if choice.hang_up {
            self.due.push_back((at, Due::HangUp));
        }
    }

    /// Whether the caller is in a menu.
    pub(super) fn is_in(&self, now: Duration) -> bool {
        self.since.is_some_and(|since| since <= now)
    }

    /// What is done now, one thing at a time.
    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        self.due.front().filter(|(at, _)| *at <= now)?;
        let (_, due) = self.due.pop_front()?;
        if let Due::Press(_) = due {
            self.keys_pressed += 1;
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn choice(prompt: &str, press: &str, share: f64) -> MenuChoice {
        MenuChoice {
            prompt: prompt.into(),
            press: press.into(),
            share,
            ..MenuChoice::default()
        }
    }

    #[test]
    fn keys_come_one_after_the_other_into_the_prompt_and_once() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut menu = Menu::new(&[choice("ask_number", "12#", 1.0)], 200);
        menu.hear("apology", MS(0), &mut rng);
        assert!(!menu.is_in(MS(5_000)), "nothing is done at that");
        menu.hear("ask_number", MS(1_000), &mut rng);
        assert!(menu.is_in(MS(1_000)) && menu.due(MS(1_480)).is_none());
        assert_eq!(menu.due(MS(1_500)), Some(Due::Press('1')));
        assert_eq!(menu.due(MS(1_500)), None);
        assert_eq!(menu.due(MS(1_700)), Some(Due::Press('2')));
        assert_eq!(menu.due(MS(1_900)), Some(Due::Press('#')));
        menu.hear("ask_number", MS(9_000), &mut rng);
        assert_eq!(menu.due(MS(99_000)), None, "once in a call");
        assert_eq!(menu.keys_pressed, 3);
    }

    #[test]
    fn several_choices_share_a_prompt_and_the_rest_is_silence() {
        let leave = MenuChoice {
            hang_up: true,
            ..choice("apology", "", 0.25)
        };
        let choices = [choice("apology", "1", 0.5), leave];
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = [0; 3];
        for _ in 0..4_000 {
            let mut menu = Menu::new(&choices, 200);
            menu.hear("apology", MS(0), &mut rng);
            assert!(menu.is_in(MS(0)));
            match menu.due(MS(500)) {
                Some(Due::Press(_)) => counts[0] += 1,
                Some(Due::HangUp) => counts[1] += 1,
                None => counts[2] += 1,
            }
        }
        assert!((1_850..2_150).contains(&counts[0]), "{counts:?}");
        assert!((850..1_150).contains(&counts[1]), "{counts:?}");
    }
}
