//! The address of a model that is dead, until it is well again.

use std::sync::Arc;

use tokio::net::TcpSocket;

use crate::demo::models::{Fate, Model, Story};

/// The address of a model that is dead: it is held, and refuses whoever comes.
pub(super) struct Door {
    name: &'static str,
    socket: TcpSocket,
}

impl Door {
    /// Holds the address of a model that was killed.
    pub(super) fn shut(model: &Model) -> Result<Self, String> {
        let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
        // Whoever was inside is on the way out.
        socket
            .set_reuseaddr(true)
            .map_err(|error| error.to_string())?;
        socket
            .bind(model.address)
            .map_err(|error| error.to_string())?;
        let name = model.name;
        Ok(Self { name, socket })
    }

    /// From now on a model answers there.
    pub(super) fn open(self, fates: Vec<Fate>, story: &Arc<Story>) -> Result<Model, String> {
        let listener = self.socket.listen(64).map_err(|error| error.to_string())?;
        Model::behind(listener, self.name, fates, story)
    }
}
