//! What goes wrong in a simulated call, drawn from its seed.

use std::time::Duration;

use loadtest::carrier::CarrierSettings;
use loadtest::model::faults::{FaultRow, Rejection, Via, What, When};
use loadtest::model::outages::{Stage, Trouble, Window, With};
use loadtest::model::settings::ModelSettings;
use ringback::core::fault::{Fault, TlsFault};
use ringback::core::ids::ProviderId;
use ringback::core::pool::ProviderPolicy;

use crate::doors::BrokenWay;
use crate::setup::{Setup, ladder};

/// The last rung of the ladder is always well, so that nobody need be lost.
pub(crate) fn storm(seed: u64, calm: Setup) -> Setup {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5707);
    let well = ModelSettings {
        session_length_ms: 3_600_000,
        ..calm.models[0].clone()
    };
    let ill = |rng: &mut fastrand::Rng, trouble: &dyn Fn(&mut fastrand::Rng) -> Window| {
        let mut ill = calm.models[0].clone();
        for _ in 0..rng.usize(1..=2) {
            ill.house_faults.0.push(trouble(rng));
        }
        if ill.house_faults.0.iter().any(is_flood) {
            // Who floods says little: a call would see many sessions end and no answer.
            ill.session_length_ms = well.session_length_ms;
        }
        ill
    };
    let mut broken_ways = Vec::new();
    let thinks = calm.carrier.answer_end_ms > CarrierSettings::default().answer_end_ms;
    let models = match rng.u8(..100) {
        _ if thinks => vec![ill(&mut rng, &between_turns), well],
        0..15 => vec![once_ill(&mut rng, well)],
        // Nobody but the last answers a dial in time.
        15..22 => vec![ill(&mut rng, &hanging), ill(&mut rng, &hanging), well],
        22..30 => {
            broken_ways.push(broken_way(&mut rng));
            vec![ill(&mut rng, &window), well]
        }
        30..65 => vec![ill(&mut rng, &window), well],
        _ => {
            let mut also_ill = well.clone();
            also_ill.house_faults.0.push(window(&mut rng));
            vec![ill(&mut rng, &window), also_ill, well]
        }
    };
    let mut policy = ladder(u8::try_from(models.len()).unwrap());
    for provider in &mut policy.providers {
        *provider = ProviderPolicy {
            keys: rng.u8(1..=2),
            ..provider.clone()
        };
    }
    if rng.u8(..100) < 30 {
        // Breakers that open soon and come back within a call.
        policy.breaker.failures_in_a_row = 2;
        policy.breaker.cool_down = Duration::from_secs(3);
        policy.breaker.slow_start = Duration::from_secs(5);
    }
    let unread_max = if rng.u8(..100) < 40 {
        rng.usize(4_000..16_000)
    } else {
        calm.unread_max
    };
    let lingers = if rng.bool() { rng.u64(..1_500) } else { 0 };
    Setup {
        models,
        policy,
        broken_ways,
        unread_max,
        lingers: Duration::from_millis(lingers),
        ..calm
    }
}

/// The only provider: it has trouble once, and is well again.
fn once_ill(rng: &mut fastrand::Rng, well: ModelSettings) -> ModelSettings {
    let mut row = row(rng);
    while is_lasting(row.what) {
        row.what = what(rng);
    }
    let once = Window::new(0, Trouble::Session(row)).until(rng.u64(1..60));
    let mut once_ill = well;
    once_ill.house_faults.0 = vec![once];
    once_ill
}

fn is_flood(window: &Window) -> bool {
    match window.what() {
        Trouble::Session(row) => matches!(row.what, What::Flood { .. }),
        _ => false,
    }
}

/// At any moment of a call in which nobody speaks for most of the time.
fn between_turns(rng: &mut fastrand::Rng) -> Window {
    let what = match rng.u8(..9) {
        0 => What::Cut,
        1 => What::Close { code: 1011 },
        2 => What::Expire,
        3 => What::Garbage,
        4 => What::Oversize { bytes: 1_100_000 },
        _ => What::Freeze,
    };
    let when = When::AfterMs(rng.u64(4_000..40_000));
    let share = 1.0;
    Window::new(0, Trouble::Session(FaultRow { when, what, share }))
}

fn hanging(rng: &mut fastrand::Rng) -> Window {
    let trouble = match rng.u8(..6) {
        0 => Trouble::Hang(Stage::Connect),
        1 => Trouble::Hang(Stage::Tls),
        2 => Trouble::Hang(Stage::Upgrade),
        3 => Trouble::Hang(Stage::Session),
        _ => Trouble::Late {
            ms: rng.u32(2_000..5_000),
        },
    };
    Window::new(0, trouble)
}

fn broken_way(rng: &mut fastrand::Rng) -> BrokenWay {
    let faults = [
        Fault::DnsFailed,
        Fault::ConnectFailed,
        Fault::TlsFailed(TlsFault::Expired),
        Fault::TlsFailed(TlsFault::WrongName),
        Fault::TlsFailed(TlsFault::Untrusted),
        Fault::TlsFailed(TlsFault::Other),
        Fault::RequestRejected,
    ];
    BrokenWay {
        provider: ProviderId(0),
        until: Duration::from_millis(rng.u64(1..40_000)),
        after: Duration::from_millis(rng.u64(1..1_000)),
        fault: faults[rng.usize(..faults.len())],
    }
}

/// Faults after which the same provider is not to be asked again within a call.
fn is_lasting(what: What) -> bool {
    matches!(
        what,
        What::Quota { .. }
            | What::RateLimited { .. }
            | What::ContentFilter { .. }
            | What::ContextTooLong { .. }
    )
}

fn window(rng: &mut fastrand::Rng) -> Window {
    // Half of all troubles are those of single sessions, at any moment of the call.
    let what = match rng.u8(..24) {
        0 => Trouble::Down,
        1 => Trouble::Refuse {
            status: [401, 403, 404, 429, 500, 502, 503, 529][rng.usize(..8)],
            retry_after_ms: rng.bool().then(|| rng.u64(100..5_000)),
            code: None,
        },
        2 => Trouble::Hang(
            [Stage::Connect, Stage::Tls, Stage::Upgrade, Stage::Session][rng.usize(..4)],
        ),
        3 => Trouble::Late {
            ms: rng.u32(200..4_000),
        },
        4 => Trouble::Slow {
            factor: 1.0 + rng.f64() * 6.0,
        },
        5 => Trouble::BlackHole,
        6 => Trouble::Throttle {
            starts_per_second: 0.1,
            burst: 1,
        },
        7 => Trouble::Quota {
            via: Via::Error,
            close: None,
        },
        8 => Trouble::Quota {
            via: Via::ResponseDone,
            close: Some(1008),
        },
        9 => Trouble::Reject {
            code: [
                Rejection::InvalidApiKey,
                Rejection::AccountDeactivated,
                Rejection::ModelNotFound,
                Rejection::BetaApiShapeDisabled,
            ][rng.usize(..4)],
        },
        10 => {
            let from = rng.u64(500..30_000);
            return Window::new(
                from,
                Trouble::Kill {
                    with: with(rng),
                    spread_ms: 0,
                },
            );
        }
        _ => Trouble::Session(row(rng)),
    };
    let window = Window::new(0, what);
    match rng.u8(..4) {
        0 => window.until(rng.u64(1_000..20_000)),
        1 => window
            .until(rng.u64(500..4_000))
            .every(rng.u64(4_500..15_000)),
        _ => window,
    }
}

fn with(rng: &mut fastrand::Rng) -> With {
    if rng.bool() {
        With::Cut
    } else {
        With::Close([1000, 1001, 1008, 1011, 1012, 1013][rng.usize(..6)])
    }
}

fn row(rng: &mut fastrand::Rng) -> FaultRow {
    if rng.u8(..100) < 15 {
        return seldom(rng);
    }
    let when = match rng.u8(..12) {
        0 => When::Ready,
        1 | 2 | 10 | 11 => When::AfterMs(rng.u64(200..30_000)),
        3 | 4 => When::SpeechStart(rng.u32(1..4)),
        5 | 6 => When::TurnEnd(rng.u32(1..4)),
        _ => When::MidResponse {
            response: rng.u32(1..5),
            audio_ms: rng.u64(300..4_000),
        },
    };
    FaultRow {
        when,
        what: what(rng),
        share: 1.0,
    }
}

/// What chance alone would hardly bring about: a fault in a phase in which it is rare.
fn seldom(rng: &mut fastrand::Rng) -> FaultRow {
    let nth = rng.u32(1..4);
    let mid_response = When::MidResponse {
        response: nth,
        audio_ms: rng.u64(300..3_000),
    };
    let (when, what) = match rng.u8(..14) {
        0 | 1 => (mid_response, What::RateLimited { times: 1 }),
        2 | 3 => (mid_response, What::ContentFilter { times: 1 }),
        4 | 5 => (mid_response, What::ContextTooLong { times: 1 }),
        6 => (mid_response, What::Freeze),
        7 => (When::TurnEnd(nth), What::Freeze),
        8 | 9 => (When::SpeechStart(nth), What::Freeze),
        10 => {
            let via = Via::ResponseDone;
            (mid_response, What::Quota { via, close: None })
        }
        11 | 12 => {
            let flood = What::Flood {
                speed: 200_000,
                lasts_ms: 12,
            };
            (When::TurnEnd(nth), flood)
        }
        _ => (When::Ready, What::Close { code: 1011 }),
    };
    let share = 1.0;
    FaultRow { when, what, share }
}

fn what(rng: &mut fastrand::Rng) -> What {
    let times = rng.u32(1..4);
    match rng.u8(..44) {
        0..=2 => What::Garbage,
        3 => What::HalfMessage,
        4 => What::BadBase64,
        5 => What::Binary,
        6..=8 => What::Cut,
        9..=10 => What::Close {
            code: [1000, 1001, 1008, 1011, 1012, 1013][rng.usize(..6)],
        },
        11..=13 => What::Expire,
        14 | 41 => What::Stall,
        15..=17 => What::Freeze,
        18 => What::BlackHole,
        19 => What::Deaf,
        20 => What::NoAnswer,
        21 => What::Mute,
        22 => What::Noise,
        23 | 39 => What::ServerError { times },
        24 => What::ResponseFailed { times },
        25 | 26 => What::RateLimited { times },
        27 => What::Quota {
            via: Via::ResponseDone,
            close: None,
        },
        28 | 29 | 40 => What::ContentFilter { times },
        30 | 31 => What::ContextTooLong { times },
        32 => What::ErrorStorm {
            per_second: 200,
            lasts_ms: 500,
        },
        33 | 34 => What::Oversize { bytes: 1_100_000 },
        35..=37 => What::Flood {
            speed: 200_000,
            lasts_ms: 12,
        },
        38 => What::Flood {
            speed: 60,
            lasts_ms: 2_500,
        },
        _ => What::UnknownEvents {
            per_second: 200,
            lasts_ms: 500,
        },
    }
}
