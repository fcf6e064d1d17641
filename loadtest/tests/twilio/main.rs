//! Twilio's double against a small server of our own: real sockets on loopback, documents and streams by a script.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod check;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod fetching;
#[cfg(test)]
mod interface;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod rest_faults;
#[cfg(test)]
mod rings;
#[cfg(test)]
mod server;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod verbs;
#[cfg(test)]
mod world;
