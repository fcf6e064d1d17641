//! `[admin]`: the listener of operators, and what they prove themselves with.

use std::net::SocketAddr;

use super::Layers;
use super::environment::Environment;
use super::keys::{Wanted, read_one};
use super::raw::Entry;
use super::section::{Form, at};
use crate::provider::endpoint::Secret;

/// The listener of operators.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Its address; without a token a loopback one.
    pub listen: SocketAddr,
    /// What a request must carry; `None`: whoever is on this machine may ask.
    pub token: Option<Secret>,
}

/// In place of an address: there is no listener.
const OFF: &str = "off";

const ADDRESS: Form = Form {
    allowed: r#"an address and a port, as in "127.0.0.1:9090", or "off""#,
    accepts: |text| text == OFF || text.parse::<SocketAddr>().is_ok(),
};

const TOKEN: Wanted = Wanted {
    noun: "token",
    allowed: r#"{ env = "NAME" } or { file = "PATH" }"#,
    chars_min: 16,
};

impl Layers {
    /// The listener; `None`: it is off, or there is a problem.
    pub(super) fn read_admin(&mut self, environment: &Environment) -> Option<Admin> {
        let mut section = self.section("admin");
        let listen = section.text("listen", ADDRESS);
        let entry = section.take("token");
        let has_token = entry.is_some();
        let token = entry.and_then(|Entry { origin, value }| {
            let token = read_one(&value, &origin, environment, TOKEN);
            let problem = |what: String| {
                let key = section.full("token");
                section.problems.without_value(&at(&origin, &key), &what);
            };
            token.map_err(problem).ok().map(|token| Secret::new(&token))
        });
        let listen: Option<SocketAddr> = listen.parse().ok();
        if let Some(listen) = listen
            && !has_token
            && !listen.ip().is_loopback()
        {
            section.wrong_now(
                "listen",
                &format!("\"{listen}\""),
                "would let anybody in, since there is no admin.token",
                "a loopback address, as in \"127.0.0.1:9090\", or any with a token",
            );
        }
        section.finish();
        Some(Admin {
            listen: listen?,
            token,
        })
    }
}
