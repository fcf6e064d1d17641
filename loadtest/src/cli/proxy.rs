//! `loadtest proxy`: a bad network between two parties, until it is stopped.

use std::{
    io::BufRead as _,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    process::ExitCode,
};

use loadtest::{
    net::Clock,
    proxy::{self, Control, plan::Plan},
};
use tokio::net::TcpListener;

use super::serve;

/// Arguments of `loadtest proxy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// Where it leads: HOST:PORT.
    #[arg(long)]
    to: String,
    /// What goes wrong, and when: a TOML file.
    #[arg(long, value_name = "FILE.toml")]
    plan: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let plan = match args.plan.as_deref().map(serve::settings_of::<Plan>) {
        None => Plan::default(),
        Some(Ok(plan)) => plan,
        Some(Err(error)) => return serve::wrong(&error),
    };
    let resolved = args.to.to_socket_addrs();
    let Some(to) = resolved.ok().and_then(|mut addresses| addresses.next()) else {
        return serve::wrong(&format!("to = {}: allowed: HOST:PORT", args.to));
    };
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return serve::failed(&format!("{}: {error}", args.listen)),
    };
    let control = Control::new(Clock::start());
    println!("{} leads to {to}; orders come from stdin", args.listen);
    let orders = control.clone();
    // Of its own: a read of stdin cannot be taken back, and nobody waits for it.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match proxy::obey(&orders, &line) {
                Ok(()) => println!("ok"),
                Err(error) => println!("{error}"),
            }
        }
    });
    match proxy::run(listener, to, plan.faults, control, plan.seed).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => serve::failed(&error),
    }
}
