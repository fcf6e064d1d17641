//! The server under test, and what is done to it.
//!
//! Owns its process: it is killed without a warning and started again on the same port, with the same files, as often as the plan
//! says.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use super::{models::Models, story::Story};
use crate::{
    net::Clock,
    plan::{Kills, Names, Server},
    run::{
        RunError,
        subject::{Running, free_port, start_server},
    },
};

pub(super) struct Victim<'a> {
    server: &'a Server,
    harm: Option<Kills>,
    rng: fastrand::Rng,
    folder: &'a Path,
    rest_url: String,
    models: Vec<(String, String)>,
    port: u16,
    clock: Clock,
    state: State,
    /// Where it listens, whenever it does.
    pub(super) address: String,
    /// How often it was killed.
    pub(super) kills: u32,
}

enum State {
    Up {
        running: Box<Running>,
        dies_at: Option<Duration>,
    },
    Down {
        until: Duration,
    },
}

impl<'a> Victim<'a> {
    /// Starts it.
    pub(super) async fn start(
        (server, harm, seed): (&'a Server, Option<Kills>, u64),
        (models, folder, rest_url): (&Models, &'a Path, &str),
        clock: Clock,
        story: &mut Story<'_>,
    ) -> Result<Self, RunError> {
        let port = free_port().map_err(|source| RunError::Listen {
            what: "a port for the server".into(),
            source,
        })?;
        let mut victim = Self {
            server,
            harm,
            rng: fastrand::Rng::with_seed(seed),
            folder,
            rest_url: rest_url.to_owned(),
            models: models.urls(),
            port,
            clock,
            state: State::Down {
                until: Duration::ZERO,
            },
            address: format!("127.0.0.1:{port}"),
            kills: 0,
        };
        victim.be_up(story).await?;
        Ok(victim)
    }

    /// Does what is due: kills it, or starts it again.
    pub(super) async fn harm(&mut self, story: &mut Story<'_>) -> Result<(), RunError> {
        let now = self.clock.now();
        match &self.state {
            State::Up {
                dies_at: Some(at), ..
            } if *at <= now => {
                self.kill(story).await;
                Ok(())
            }
            State::Down { until } if *until <= now => self.be_up(story).await,
            State::Up { .. } | State::Down { .. } => Ok(()),
        }
    }

    async fn kill(&mut self, story: &mut Story<'_>) {
        let down = self.harm.map_or([0, 0], |kills| kills.down_ms);
        let down = Duration::from_millis(self.rng.u64(down[0]..=down[1]));
        let until = self.clock.now() + down;
        let killed = std::mem::replace(&mut self.state, State::Down { until });
        if let State::Up { running, .. } = killed
            && let Some(child) = running.child
        {
            child.kill().await;
            self.kills += 1;
            story.say(&format!(
                "the server is killed, for {} ms",
                down.as_millis()
            ));
        }
    }

    /// Starts it if it is not there.
    pub(super) async fn be_up(&mut self, story: &mut Story<'_>) -> Result<(), RunError> {
        if let State::Up { dies_at, .. } = &mut self.state {
            *dies_at = None;
            return Ok(());
        }
        let names = Names {
            host: Ipv4Addr::LOCALHOST,
            port: self.port,
            within: &[],
            models: &self.models,
            ca_file: Path::new(""),
            folder: self.folder,
            rest_url: &self.rest_url,
            node: &[],
        };
        let say = &mut |line: &str| story.say(line);
        let running = start_server(self.server, &names, self.clock, say).await?;
        let now = self.clock.now();
        let dies_at = self.harm.map(|kills| {
            let [least, most] = kills.every_ms;
            now + Duration::from_millis(self.rng.u64(least..=most))
        });
        self.state = State::Up {
            running: Box::new(running),
            dies_at,
        };
        Ok(())
    }

    /// Asks it to end.
    pub(super) async fn end(self) {
        if let State::Up { running, .. } = self.state
            && let Some(child) = running.child
        {
            child.end().await;
        }
    }
}
