//! `[menu]`: what callers hear and may choose when no model is left, as far as it is the same for all agents.

use std::time::Duration;

use super::{Layers, MINUTE};
use crate::core::call::menu::Menu;

const SECOND: Duration = Duration::from_secs(1);

impl Layers {
    /// The section. What is on offer depends on what there is: call backs, people, messages.
    pub(super) fn read_menu(&mut self) -> Option<Menu> {
        let mut section = self.section("menu");
        let return_to_model = section.boolean("return_to_model");
        let menu = Menu {
            key_wait: section.duration("key_wait", SECOND..=MINUTE),
            number_wait: section.duration("number_wait", SECOND..=MINUTE),
            number_pause: section.duration("number_pause", SECOND..=MINUTE),
            total_max: section.duration("total_max", 10 * SECOND..=10 * MINUTE),
            ..Menu::default()
        };
        section.finish();
        Some(Menu {
            return_to_model: return_to_model?,
            ..menu
        })
    }
}
