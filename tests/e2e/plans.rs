//! The plans of providers that fail, each at a small size and with a real server: nobody is lost, left or talked to twice.
//!
//! Counts are gated; how long anything takes is for the plans themselves (`loadtest/plans`).

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use loadtest::plan::Plan;
use loadtest::report::{table, verdict};
use loadtest::run::{Progress, Watch, run};

use crate::server::provider;

/// Six callers.
const CALLS: &str = r#"
about = "Six callers whose providers fail."

[carrier]
answer = "stamped"
answer_end_ms = 2_500

[calls]
concurrent = 6
recordings = ["order_status", "reschedule"]
ramp_ms = 1_000
hang_up = true
drain_ms = 20_000
apology_counts = true
"#;

/// How long they stay: a turn or two.
const STAY: Duration = Duration::from_secs(11);

/// Callers come in through the Voice URL.
const FRONT_DOOR: &str = r#"
voice_path = "/twiml/answer"
fallback_path = "/twiml/fallback"
status_path = "/calls/status"
env = { TWILIO_ACCOUNT_SID = "{account_sid}", TWILIO_AUTH_TOKEN = "{auth_token}" }
"#;

/// What holds in all of them.
const OBJECTIVES: &str = "
[objectives]
calls_completed_min = 6
calls_failed_max = 0
calls_silent_max = 0
calls_stranded_max = 0
turns_torn_max = 0
frames_twice_max = 0
violations_max = 0
greeted_twice_max = 0
documents_failed_max = 0
callbacks_failed_max = 0
";

/// A plan: what is wrong with the first provider and with the standby, if there is one, and what holds besides.
struct Story {
    name: &'static str,
    first: &'static str,
    standby: Option<&'static str>,
    server: &'static str,
    stay: Duration,
    objectives: &'static str,
}

impl Story {
    const fn new(name: &'static str, first: &'static str, objectives: &'static str) -> Self {
        Self {
            name,
            first,
            standby: Some(""),
            server: "",
            stay: STAY,
            objectives,
        }
    }

    fn plan(&self) -> Plan {
        let mut models = format!("[models.first]\n{}\n", self.first);
        let mut providers = provider("first", "{first_url}", "tier = 1");
        if let Some(standby) = self.standby {
            models = format!("{models}[models.standby]\n{standby}\n");
            let lines = format!("tier = 2\n{}", self.server);
            providers += &provider("standby", "{standby_url}", &lines);
        }
        let program = env!("CARGO_BIN_EXE_ringback");
        let server = format!(
            "[server]\ncommand = [\"{program}\", \"serve\", \"--config\", \"{{folder}}/ringback.toml\"]\n\
             ready_path = \"/health/live\"\n{FRONT_DOOR}[server.files]\n\"ringback.toml\" = '''\n\
             [public]\nlisten = \"127.0.0.1:{{port}}\"\n[twilio]\npublic_url = \"http://127.0.0.1:{{port}}\"\n[admin]\nlisten = \"off\"\n[log]\nlevel = \"error\"\n{providers}'''\n"
        );
        let calls = format!("{CALLS}steady_ms = {}\n", self.stay.as_millis());
        let text = [&calls, &models, &server, OBJECTIVES, self.objectives].concat();
        Plan::parse(Path::new(self.name), &text).unwrap()
    }

    async fn holds(&self) {
        let plan = self.plan();
        let recordings = plan.recordings(Path::new(self.name)).unwrap();
        let columns = run(&plan, &recordings, None, &mut Silent).await.unwrap();
        let verdict = verdict(&plan.objectives(), &columns[0].figures);
        assert!(
            verdict.is_ok(),
            "{}: {verdict:?}\n{}",
            self.name,
            table(&columns)
        );
    }
}

/// Nobody watches.
pub(crate) struct Silent;

impl Watch for Silent {
    fn say(&mut self, _line: &str) {}

    fn progress(&mut self, _progress: &Progress) {}
}

#[tokio::test]
async fn whatever_becomes_of_the_first_provider_the_standby_loses_nobody() {
    let stories = [
        Story::new(
            "killed, and away",
            r#"house_faults = [
                { from_ms = 3_000, what = { kill = { spread_ms = 4_000 } } },
                { from_ms = 3_000, what = "down" },
            ]"#,
            "dials_min = 12\ncalls_apologized_max = 0",
        ),
        Story::new(
            "flapping",
            r#"house_faults = [
                { from_ms = 3_000, every_ms = 4_000, what = { kill = {} } },
                { from_ms = 3_000, to_ms = 5_000, every_ms = 4_000, what = "down" },
            ]"#,
            "dials_min = 12\ncalls_apologized_max = 0",
        ),
        Story::new(
            "slow",
            "house_faults = [{ what = { slow = { factor = 20 } } }]",
            "dials_min = 7\ncalls_apologized_max = 0",
        ),
        Story {
            standby: Some(
                "house_faults = [{ what = { throttle = { starts_per_second = 2, burst = 2 } } }]",
            ),
            server: "session_starts_per_second = 2\nburst = 1",
            ..Story::new(
                "killed, and the standby is throttled",
                r#"house_faults = [
                    { from_ms = 3_000, what = { kill = { spread_ms = 500 } } },
                    { from_ms = 3_000, what = "down" },
                ]"#,
                "dials_min = 12\novertaken_max = 0",
            )
        },
        Story {
            // To the end of a turn, and the two and a half seconds after it in which a hole is noticed.
            stay: Duration::from_secs(17),
            ..Story::new(
                "a black hole",
                r#"house_faults = [{ from_ms = 3_000, what = { kill = { with = "black_hole" } } }]"#,
                "dials_min = 12\ncalls_apologized_max = 0",
            )
        },
        Story::new(
            "a bad node",
            "house_faults = [{ from_ms = 4_000, what = { one_bad_node = {} }, share = 0.5 }]",
            "dials_min = 9\ncalls_elsewhere_max = 0\ncalls_apologized_max = 0",
        ),
    ];
    join_all(stories.iter().map(Story::holds)).await;
}

#[tokio::test]
async fn a_provider_that_is_alone_and_well_again_at_once_loses_nobody() {
    let alone = |name, first, objectives| Story {
        standby: None,
        ..Story::new(name, first, objectives)
    };
    let stories = [
        alone(
            "killed",
            "house_faults = [{ from_ms = 3_000, what = { kill = { spread_ms = 4_000 } } }]",
            "dials_min = 12\ncalls_apologized_max = 0",
        ),
        alone(
            "an error in place of an answer",
            "faults = [{ when = { turn_end = 1 }, what = { server_error = {} } }]",
            "dials_max = 6\ncalls_apologized_max = 0",
        ),
        alone(
            "a stall",
            r#"house_faults = [
                { to_ms = 2_000, what = { session = { when = { mid_response = { response = 1, audio_ms = 500 } }, what = "stall" } } },
            ]"#,
            "dials_min = 12\ncalls_apologized_max = 0",
        ),
        alone(
            "frozen",
            r#"house_faults = [
                { to_ms = 2_000, what = { session = { when = { mid_response = { response = 1, audio_ms = 500 } }, what = "freeze" } } },
            ]"#,
            "dials_min = 12\ncalls_apologized_max = 0",
        ),
    ];
    join_all(stories.iter().map(Story::holds)).await;
}
