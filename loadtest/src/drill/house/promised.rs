//! What a drill's report draws of promises: how many were heard by then, and how many texts and rings came.
//!
//! Owns the sums, over what phones got.

use std::time::Duration;

use crate::{
    report::{Form, POINTS_MAX, Panel, Series},
    run::interface::Interface,
};

/// From when to when.
type Span = (Duration, Duration);

/// `None`: nobody was promised, texted or rung anything.
pub(super) fn panel(interface: &Interface, span: Span) -> Option<Panel> {
    let tally = interface.account.network.tally();
    let mut times: [Vec<Duration>; 4] = Default::default();
    let [promised, texted, rung, spoken] = &mut times;
    for (_, seen) in tally.phones() {
        promised.extend(seen.promised_at);
        let texts = seen.texts.iter().filter(|text| text.accepted);
        texted.extend(texts.map(|text| text.at));
        rung.extend(seen.rings.iter().map(|ring| ring.at));
        let connected = seen.rings.iter().filter(|ring| ring.connected);
        spoken.extend(connected.filter_map(|ring| ring.ended));
    }
    if times.iter().all(Vec::is_empty) {
        return None;
    }
    let names = [
        "phones that were promised something",
        "texts",
        "rings",
        "conversations after a ring",
    ];
    let series = names.into_iter().zip(times);
    Some(Panel {
        title: "promises, and what came of them, in all".into(),
        limit: None,
        series: series.map(|(name, at)| so_far(name, at, span)).collect(),
    })
}

/// How many there were by each time.
fn so_far(name: &str, mut times: Vec<Duration>, (begin, over): Span) -> Series {
    times.sort_unstable();
    let counted = (1..).zip(times.into_iter().take(POINTS_MAX));
    let counted = counted.map(|(nth, at): (u32, _)| (at, f64::from(nth)));
    let mut points: Vec<_> = std::iter::once((begin, 0.0)).chain(counted).collect();
    if let Some(&(_, last)) = points.last() {
        points.push((over, last));
    }
    Series {
        name: name.to_owned(),
        form: Form::Steps,
        points,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_grows_by_one_each_time_and_lasts_to_the_end() {
        let secs = Duration::from_secs;
        let line = so_far("rings", vec![secs(7), secs(3)], (secs(1), secs(9)));
        let expected = [(1, 0.0), (3, 1.0), (7, 2.0), (9, 2.0)];
        let expected: Vec<_> = expected.map(|(at, count)| (secs(at), count)).to_vec();
        assert_eq!(line.points, expected);
    }
}
