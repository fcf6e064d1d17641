//! What a drill does to a server, and who calls meanwhile.

use serde::Deserialize;

/// A plan's `[drill]` table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// So many calls, or promises that were heard, and no more.
    pub calls: u32,
    /// Whether it is promises that are counted: callers come until so many have heard one.
    #[serde(default)]
    pub until_promised: bool,
    /// Callers come for so long at most.
    pub calls_max_ms: u64,
    /// The process is killed with -9, and started again.
    pub kills: Option<Kills>,
    /// Who calls.
    #[serde(default)]
    pub mix: Mix,
    /// After the last call the models are back, and everybody who was promised something is to be reached within this.
    pub settle_max_ms: u64,
    /// Then it is watched for so long whether something comes twice.
    pub linger_ms: u64,
}

/// How often the server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kills {
    /// Least and most time from its being ready to its end.
    pub every_ms: [u64; 2],
    /// Least and most time until it is started again.
    pub down_ms: [u64; 2],
    /// For so long after the last call.
    #[serde(default)]
    pub beyond_ms: u64,
}

/// Who calls: shares of all callers. Default: people with a number of their own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// They withhold their number.
    pub withheld_share: f64,
    /// Their number is somebody else's, and the network says that it is doubtful.
    pub spoofed_share: f64,
    /// Their number is somebody else's, and the network believes it.
    pub believed_share: f64,
    /// Whose, and which numbers are keyed in where one is asked for: those that begin like this. Empty: their own.
    pub targets: Vec<String>,
    /// How many different numbers of each there are.
    pub numbers_each: u32,
}

impl Drill {
    pub(super) fn validate(&self) -> Result<(), String> {
        const DAY_MS: u64 = 86_400_000;
        if self.calls == 0 || self.calls > 100_000 {
            return Err(format!("calls = {}: allowed are 1 to 100000", self.calls));
        }
        for (key, value) in [
            ("calls_max_ms", self.calls_max_ms),
            ("settle_max_ms", self.settle_max_ms),
            ("linger_ms", self.linger_ms),
            (
                "kills.beyond_ms",
                self.kills.map_or(0, |kills| kills.beyond_ms),
            ),
        ] {
            if value > DAY_MS {
                return Err(format!("{key} = {value}: allowed are 0 to {DAY_MS}"));
            }
        }
        if let Some(kills) = self.kills {
            for (key, [least, most]) in [("every_ms", kills.every_ms), ("down_ms", kills.down_ms)] {
                if least > most || most > DAY_MS {
                    return Err(format!(
                        "kills.{key} = [{least}, {most}]: allowed are [least, most]"
                    ));
                }
            }
        }
        let mix = &self.mix;
        let all = mix.withheld_share + mix.spoofed_share + mix.believed_share;
        let shares = [mix.withheld_share, mix.spoofed_share, mix.believed_share];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || all > 1.000_001 {
            return Err(format!("mix: shares of {all} in all; allowed are 0 to 1"));
        }
        let is_prefix = |target: &&String| {
            let digits = target.strip_prefix('+').unwrap_or_default();
            (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        if let Some(wrong) = mix.targets.iter().find(|target| !is_prefix(target)) {
            return Err(format!(
                "mix.targets: {wrong:?}; allowed are + and up to 15 digits"
            ));
        }
        Ok(())
    }
}
