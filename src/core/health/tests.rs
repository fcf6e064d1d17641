//! The table of the document, row by row: what it says is what is decided.

use super::*;

const DOCUMENT: &str = include_str!("../../docs/health.md");

const HERE: Here = Here {
    is_staying: true,
    overload: Stage::Normal,
    has_room: true,
};

/// A node with two providers, all else once, and all of it well.
const WELL: [Seen; 8] = [
    seen(Part::Provider, State::Ok),
    seen(Part::Provider, State::Ok),
    seen(Part::Carrier, State::Ok),
    seen(Part::Store, State::Ok),
    seen(Part::Shared, State::Ok),
    seen(Part::Disk, State::Ok),
    seen(Part::Probe { is_required: true }, State::Ok),
    seen(Part::Probe { is_required: false }, State::Ok),
];

const fn seen(part: Part, state: State) -> Seen {
    Seen { part, state }
}

/// The same with this part in this state, all of its kind.
fn with(part: Part, state: State) -> Vec<Seen> {
    let changed = |of: Seen| {
        if of.part == part {
            seen(part, state)
        } else {
            of
        }
    };
    WELL.map(changed).to_vec()
}

/// What each row is about, by its first cell.
fn scenario(row: &str) -> Option<(Here, Vec<Seen>)> {
    use State::{Degraded, Failed, Unknown};
    let parts = match row {
        "one provider of several" => {
            let mut parts = WELL.to_vec();
            parts[0].state = Failed;
            parts
        }
        "a provider, in part" => with(Part::Provider, Degraded),
        "every provider" => with(Part::Provider, Failed),
        "Twilio's REST interface" => with(Part::Carrier, Failed),
        "the store: it is late" => with(Part::Store, Degraded),
        "the store: it refuses" => with(Part::Store, Failed),
        "the shared store" => with(Part::Shared, Failed),
        "a disk: little room is left" => with(Part::Disk, Degraded),
        "a required probe" => with(Part::Probe { is_required: true }, Failed),
        "a probe that is not required" => with(Part::Probe { is_required: false }, Failed),
        "nobody has looked, or not for too long" => WELL.map(|of| seen(of.part, Unknown)).to_vec(),
        "nothing"
        | "the node is leaving"
        | "too much to do: lean"
        | "too much to do: full"
        | "every place is taken" => WELL.to_vec(),
        _ => return None,
    };
    let here = match row {
        "the node is leaving" => Here {
            is_staying: false,
            ..HERE
        },
        "too much to do: lean" => Here {
            overload: Stage::Lean,
            ..HERE
        },
        "too much to do: full" => Here {
            overload: Stage::Full,
            ..HERE
        },
        "every place is taken" => Here {
            has_room: false,
            ..HERE
        },
        _ => HERE,
    };
    Some((here, parts))
}

/// How many of them there are: a row that the document drops is missed.
const SCENARIOS: usize = 16;

#[test]
fn the_table_of_the_document_is_what_is_decided() {
    let (_, table) = DOCUMENT.split_once("|---|---|---|---|---|---|\n").unwrap();
    let rows: Vec<_> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    let mut told = std::collections::BTreeSet::new();
    for row in &rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, says, alone, elsewhere, why, _] = cells[..] else {
            panic!("{row}");
        };
        assert!(why.len() > 10, "says nothing of why: {row}");
        if what == "the event loop" {
            continue; // Nobody is there who could decide anything.
        }
        let (here, parts) = scenario(what).unwrap_or_else(|| panic!("no such scenario: {row}"));
        assert!(told.insert(what.to_owned()), "twice: {row}");
        assert_eq!(
            says,
            format!("`{}`", condition(here, &parts).name()),
            "{row}"
        );
        for (cell, is_elsewhere_better) in [(alone, false), (elsewhere, true)] {
            let readiness = Readiness::of(here, missing(here, &parts), is_elsewhere_better);
            let status = if readiness.is_ready() { "200" } else { "503" };
            assert_eq!(cell, status, "{row}");
        }
    }
    assert_eq!(told.len(), SCENARIOS, "rows of the table");
}

#[test]
fn two_nodes_that_miss_the_same_do_not_wait_for_each_other() {
    for lost in [
        Part::Provider,
        Part::Store,
        Part::Probe { is_required: true },
    ] {
        let parts = with(lost, State::Failed);
        let missing = missing(HERE, &parts);
        // What either says of itself is what the other goes by.
        let is_elsewhere_better = missing.is_none();
        assert!(Readiness::of(HERE, missing, is_elsewhere_better).is_ready());
    }
}

#[test]
fn only_who_takes_calls_has_room_and_misses_nothing_is_better() {
    let whole = Load {
        calls: 99,
        calls_max: 100,
        takes_calls: true,
        has_provider: true,
        is_whole: true,
    };
    assert!(is_whole(whole));
    for lacking in [
        Load {
            calls: 100,
            ..whole
        },
        Load {
            takes_calls: false,
            ..whole
        },
        Load {
            has_provider: false,
            ..whole
        },
        Load {
            is_whole: false,
            ..whole
        },
    ] {
        assert!(!is_whole(lacking), "{lacking:?}");
    }
}

#[test]
fn the_worst_is_told_first() {
    let mut parts = with(Part::Provider, State::Failed);
    assert_eq!(missing(HERE, &parts), Some(Missing::Provider));
    let full = Here {
        overload: Stage::Full,
        ..HERE
    };
    assert_eq!(missing(full, &parts), Some(Missing::Room));
    // A provider of which nothing is known may take the call.
    parts[0].state = State::Unknown;
    assert_eq!(missing(HERE, &parts), None);
    parts[7].state = State::Failed;
    assert_eq!(missing(HERE, &parts), None);
    parts[6].state = State::Failed;
    assert_eq!(missing(HERE, &parts), Some(Missing::Probe));
}

#[test]
fn a_result_that_is_too_old_is_none() {
    let at = Instant::from_start(Duration::from_secs(7));
    let holds = Duration::from_secs(10);
    assert_eq!(State::Failed.at_age(at + holds, at, holds), State::Failed);
    let later = at + holds + Duration::from_millis(1);
    assert_eq!(State::Failed.at_age(later, at, holds), State::Unknown);
}
