//! What goes wrong in a simulated call, drawn from its seed.

use loadtest::model::faults::{FaultRow, Rejection, Via, What, When};
use loadtest::model::outages::{Stage, Trouble, Window, With};
use loadtest::model::settings::ModelSettings;
use ringback::core::pool::ProviderPolicy;

use crate::setup::{Setup, ladder};

/// The last rung of the ladder is always well, so that nobody need be lost.
pub(crate) fn storm(seed: u64, calm: Setup) -> Setup {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5707);
    let well = ModelSettings {
        session_length_ms: 3_600_000,
        ..calm.models[0].clone()
    };
    let mut ill = calm.models[0].clone();
    for _ in 0..rng.usize(1..=2) {
        let window = window(&mut rng);
        ill.house_faults.0.push(window);
    }
    let alone = rng.u8(..100) < 15;
    let (models, rungs) = if alone {
        // The only provider: it has trouble once, and is well again.
        let mut row = row(&mut rng);
        while is_lasting(row.what) {
            row.what = what(&mut rng);
        }
        let once = Window::new(0, Trouble::Session(row)).until(rng.u64(1..60));
        let mut once_ill = well;
        once_ill.house_faults.0 = vec![once];
        (vec![once_ill], 1)
    } else if rng.bool() {
        (vec![ill, well], 2)
    } else {
        let mut also_ill = well.clone();
        also_ill.house_faults.0.push(window(&mut rng));
        (vec![ill, also_ill, well], 3)
    };
    let mut policy = ladder(rungs);
    for provider in &mut policy.providers {
        *provider = ProviderPolicy {
            keys: rng.u8(1..=2),
            ..provider.clone()
        };
    }
    Setup {
        models,
        policy,
        ..calm
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
    let when = match rng.u8(..10) {
        0 => When::Ready,
        1 | 2 => When::AfterMs(rng.u64(200..30_000)),
        3 | 4 => When::SpeechStart(rng.u32(1..4)),
        5 | 6 => When::TurnEnd(rng.u32(1..4)),
        _ => When::MidResponse {
            response: rng.u32(1..5),
            audio_ms: rng.u64(0..3_000),
        },
    };
    FaultRow {
        when,
        what: what(rng),
        share: 1.0,
    }
}

fn what(rng: &mut fastrand::Rng) -> What {
    let times = rng.u32(1..4);
    match rng.u8(..26) {
        0 => What::Garbage,
        1 => What::HalfMessage,
        2 => What::BadBase64,
        3 => What::Binary,
        4..=6 => What::Cut,
        7 | 8 => What::Close {
            code: [1000, 1001, 1008, 1011, 1012, 1013][rng.usize(..6)],
        },
        9 => What::Expire,
        10 => What::Stall,
        11 | 12 => What::Freeze,
        13 => What::BlackHole,
        14 => What::Deaf,
        15 => What::NoAnswer,
        16 => What::Mute,
        17 => What::Noise,
        18 => What::ServerError { times },
        19 => What::ResponseFailed { times },
        20 => What::RateLimited { times },
        21 => What::Quota {
            via: Via::ResponseDone,
            close: None,
        },
        22 => What::ContentFilter { times },
        23 => What::ContextTooLong { times },
        24 => What::ErrorStorm {
            per_second: 200,
            lasts_ms: 500,
        },
        _ => What::UnknownEvents {
            per_second: 200,
            lasts_ms: 500,
        },
    }
}
