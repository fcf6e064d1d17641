//! One question after the other, with answers in every order.

use super::*;
use crate::core::ids::CallId;
use crate::core::region::{Life, Node, Region, Version};

const MINUTE: u64 = 60_000;
const NOW: u64 = 1_900_000_000_000;

fn peer(name: &str) -> Peer {
    Peer {
        region: Region::parse("east").unwrap(),
        node: Node::parse(name).unwrap(),
        life: Life(1),
    }
}

fn card(epoch: u32) -> Card {
    Card {
        id: CallId::from_bits(5),
        epoch,
    }
}

fn account(epoch: u32, owner: &str, turn: u32, says: &'static str) -> Account<&'static str> {
    Account {
        card: card(epoch),
        owner: peer(owner),
        fate: Fate::GoesOn,
        resumed: Resumed::default(),
        memory: Some(Remembered {
            version: Version { epoch, turn },
            is_turn_open: false,
            checkpoint: Some(says),
        }),
    }
}

fn ticket(epoch: u32) -> Question {
    Question::Ticket {
        card: card(epoch),
        home: peer("home"),
        resumed: Resumed::default(),
    }
}

fn bare(new: Card) -> Question {
    Question::Bare { new }
}

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

type Words = Heard<&'static str>;

/// Asked at 0, told the answers one millisecond apart, and then left alone until the deadline.
fn ask(
    question: Question,
    answers: impl IntoIterator<Item = Words>,
) -> (u64, Verdict<&'static str>) {
    let mut resume = Resume::new(at(0), peer("here"), question, None);
    let mut verdicts = Vec::new();
    let mut millis = 0;
    for heard in answers {
        millis += 1;
        let verdict = resume.hear(at(millis), Utc::from_millis(NOW), heard);
        verdicts.extend(verdict.map(|verdict| (millis, verdict)));
    }
    let verdict = resume.hear(at(300), Utc::from_millis(NOW), Heard::Tick);
    verdicts.extend(verdict.map(|verdict| (300, verdict)));
    assert_eq!(resume.deadline(), None);
    assert_eq!(verdicts.len(), 1, "one decision: {verdicts:?}");
    verdicts.pop().unwrap()
}

fn store(account: Account<&'static str>) -> Words {
    Heard::Store(StoreSays::Call(account))
}

fn home(account: Account<&'static str>, takes: bool) -> Words {
    Heard::Home(peer("home"), HomeSays::Own { account, takes })
}

fn dead() -> Words {
    Heard::Home(peer("home"), HomeSays::Dead)
}

fn ended(epoch: u32) -> Account<&'static str> {
    Account {
        fate: Fate::Ended,
        memory: None,
        ..account(epoch, "home", 9, "")
    }
}

fn memory(verdict: Verdict<&'static str>) -> Memory<&'static str> {
    match verdict {
        Verdict::Here { memory, .. } => memory,
        other @ (Verdict::Hangup
        | Verdict::Apologize
        | Verdict::Person(_)
        | Verdict::Back { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn store_and_home_are_asked_at_once_and_each_once() {
    let mut resume = Resume::<()>::new(at(0), peer("here"), ticket(1), None);
    let asked: Vec<_> = resume.asks().collect();
    assert_eq!(asked, [Ask::Store, Ask::Home(peer("home"))]);
    assert_eq!(resume.asks().count(), 0);
    assert_eq!(resume.deadline(), Some(at(300)));
}

#[test]
fn a_call_that_ended_is_hung_up_by_whoever_says_so_first() {
    assert_eq!(
        ask(ticket(2), [store(ended(2)), dead()]),
        (1, Verdict::Hangup)
    );
    assert_eq!(
        ask(ticket(2), [home(ended(2), false)]),
        (1, Verdict::Hangup)
    );
    // Of an older document it says nothing: a newer one was written since, and the call goes on.
    let (_, verdict) = ask(ticket(2), [store(ended(1)), dead()]);
    assert_eq!(memory(verdict), Memory::None);
}

#[test]
fn a_home_that_lives_has_its_call_back() {
    let own = account(1, "home", 3, "all of it");
    let (when, verdict) = ask(ticket(1), [home(own.clone(), true)]);
    let resumed = Resumed::default().again(Utc::from_millis(NOW));
    let back = Verdict::Back {
        home: peer("home"),
        last: card(1),
        resumed,
    };
    assert_eq!((when, &verdict), (1, &back));
    assert_eq!(verdict.card(), Some(card(2)));
    // One that has no room, or knows of an older stream only, has not; what it remembers is of use.
    let (_, verdict) = ask(ticket(1), [home(own.clone(), false)]);
    assert_eq!(memory(verdict), Memory::Whole("all of it"));
    let (when, verdict) = ask(ticket(2), [home(own, true), Heard::Store(StoreSays::Away)]);
    let without_last = Memory::LastWordsLost("all of it");
    assert_eq!((when, memory(verdict)), (2, without_last));
}

#[test]
fn a_call_whose_home_is_dead_goes_on_here_from_the_newest_checkpoint() {
    let kept = account(1, "home", 3, "three turns");
    for answers in [[store(kept.clone()), dead()], [dead(), store(kept.clone())]] {
        let (when, verdict) = ask(ticket(1), answers);
        assert_eq!((when, memory(verdict)), (2, Memory::Whole("three turns")));
    }
    // Nothing is heard of its home: at the deadline, with what there is.
    let (when, verdict) = ask(ticket(1), [store(kept.clone())]);
    assert_eq!((when, memory(verdict)), (300, Memory::Whole("three turns")));
    assert_eq!(memory(ask(ticket(1), []).1), Memory::None);
    let nothing = Heard::Store(StoreSays::Nothing);
    assert_eq!(memory(ask(ticket(1), [dead(), nothing]).1), Memory::None);

    let mut open = kept.clone();
    open.memory.as_mut().unwrap().is_turn_open = true;
    let (_, verdict) = ask(ticket(1), [store(open), dead()]);
    assert_eq!(memory(verdict), Memory::LastWordsLost("three turns"));
    let mut newer = kept;
    newer.memory.as_mut().unwrap().checkpoint = None;
    assert_eq!(
        memory(ask(ticket(1), [store(newer), dead()]).1),
        Memory::Newer
    );
}

#[test]
fn where_they_contradict_each_other_the_newest_document_counts() {
    // The store knows of a newer stream: that home is asked as well, and it lives.
    let newer = account(3, "third", 1, "newer");
    let mut resume = Resume::new(at(0), peer("here"), ticket(2), None);
    assert_eq!(resume.asks().count(), 2);
    let utc = Utc::from_millis(NOW);
    assert_eq!(resume.hear(at(1), utc, store(newer.clone())), None);
    let asked: Vec<_> = resume.asks().collect();
    assert_eq!(asked, [Ask::Home(peer("third"))]);
    let says = HomeSays::Own {
        account: newer.clone(),
        takes: true,
    };
    let verdict = resume
        .hear(at(2), utc, Heard::Home(peer("third"), says))
        .unwrap();
    assert_eq!(verdict.card(), Some(card(4)));
    assert!(matches!(verdict, Verdict::Back { home, .. } if home == peer("third")));

    // The store is behind: the home's word counts, and what has ended has.
    let (_, verdict) = ask(
        ticket(2),
        [store(account(1, "old", 5, "old")), home(ended(2), true)],
    );
    assert_eq!(verdict, Verdict::Hangup);
    // Somebody who was not asked is not heard.
    let stranger = HomeSays::Own {
        account: ended(9),
        takes: true,
    };
    let (when, verdict) = ask(ticket(2), [Heard::Home(peer("else"), stranger)]);
    assert_eq!((when, memory(verdict)), (300, Memory::None));
}

#[test]
fn after_two_crashes_in_a_minute_comes_the_apology_and_a_handover_is_no_crash() {
    let utc = |ago: u64| Utc::from_millis(NOW - ago);
    let twice = |first: u64, second: u64| Resumed::default().again(utc(first)).again(utc(second));
    let asked = |resumed| Question::Ticket {
        card: card(3),
        home: peer("home"),
        resumed,
    };
    let answers = || [store(account(3, "home", 1, "so far")), dead()];
    assert_eq!(
        ask(asked(twice(50_000, 5_000)), answers()).1,
        Verdict::Apologize
    );
    assert!(matches!(
        ask(asked(twice(MINUTE, 5_000)), answers()).1,
        Verdict::Here { .. }
    ));
    // It is known as well where the ticket does not say so.
    let mut known = account(3, "home", 1, "so far");
    known.resumed = Resumed::default().again(utc(9_000));
    let once = Resumed::default().again(utc(3_000));
    assert_eq!(
        ask(asked(once), [store(known.clone()), dead()]).1,
        Verdict::Apologize
    );
    known.fate = Fate::HandedOver;
    let Verdict::Here { resumed, .. } = ask(asked(once), [store(known), dead()]).1 else {
        panic!("a handover goes on");
    };
    assert_eq!(resumed, twice(9_000, 3_000), "and is not counted");
}

#[test]
fn who_is_asked_without_a_ticket_waits_for_all_and_takes_no_count_for_granted() {
    let new = Card {
        id: CallId::from_bits(9),
        epoch: 0,
    };
    let (when, verdict) = ask(bare(new), []);
    let seconds = u32::try_from(NOW / 1_000).unwrap();
    assert_eq!(when, 300);
    assert_eq!(
        verdict.card(),
        Some(Card {
            epoch: seconds + 1,
            ..new
        })
    );
    let (_, verdict) = ask(bare(new), [store(account(2, "home", 1, "so far"))]);
    assert_eq!(
        verdict.card(),
        Some(card(seconds + 1)),
        "the call that it is"
    );
    assert_eq!(memory(verdict), Memory::Whole("so far"));
    let over = [
        store(ended(2)),
        Heard::Home(peer("home"), HomeSays::Stranger),
    ];
    assert_eq!(ask(bare(new), over), (1, Verdict::Hangup));
    // It may not be able to open a stream where it could not get a document.
    let far = Peer {
        region: Region::parse("west").unwrap(),
        ..peer("far")
    };
    let there = Account {
        owner: far,
        ..account(2, "far", 1, "so far")
    };
    for (epoch, is_back) in [(None, false), (Some(2), true)] {
        let question = epoch.map_or(bare(new), |epoch| Question::Ticket {
            card: card(epoch),
            home: far,
            resumed: Resumed::default(),
        });
        let says = HomeSays::Own {
            account: there.clone(),
            takes: true,
        };
        let (_, verdict) = ask(question, [store(there.clone()), Heard::Home(far, says)]);
        assert_eq!(matches!(verdict, Verdict::Back { .. }), is_back);
    }
}

#[test]
fn its_own_call_goes_on_at_once_and_a_person_comes_where_one_was_wanted() {
    let mut own = account(1, "here", 4, "all of it");
    let question = Question::Ticket {
        card: card(1),
        home: peer("here"),
        resumed: Resumed::default(),
    };
    let utc = Utc::from_millis(NOW);
    let mut resume = Resume::new(at(0), peer("here"), question.clone(), Some(own.clone()));
    let verdict = resume.hear(at(0), utc, Heard::Tick).unwrap();
    assert_eq!(memory(verdict), Memory::Whole("all of it"));
    own.fate = Fate::Person;
    let mut resume = Resume::new(at(0), peer("here"), question, Some(own.clone()));
    assert_eq!(
        resume.hear(at(0), utc, Heard::Tick),
        Some(Verdict::Person(own))
    );
}
