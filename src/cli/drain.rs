//! `ringback drain`: takes a running server out of service without dropping a call, and tells how far it is.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ringback::server::admin::view::DrainView;

use super::operator::{Operator, OperatorError, failed, print};

const PATH: &str = "/admin/v1/drain";

/// How often it is asked how far it is.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Of whom it is asked.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Come back at once; the server goes on with it.
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    operator: Operator,
}

/// Exits with 0 when the server is gone, or with --no-wait, when it has begun; with 2 if an argument is wrong, else with 1.
pub(crate) fn run(args: &DrainArgs) -> ExitCode {
    match drain(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn drain(args: &DrainArgs) -> Result<(), OperatorError> {
    let mut last = view(&args.operator, Some("{}".to_owned()))?;
    print(&last.to_string());
    if args.no_wait {
        return Ok(());
    }
    loop {
        pause();
        match view(&args.operator, None) {
            Ok(view) if view == last => {}
            Ok(view) => {
                print(&view.to_string());
                last = view;
            }
            Err(error) if error.is_gone() => {
                print("the server is gone; its last log line says what became of its calls");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no runtime to block: this program does nothing else"
)]
fn pause() {
    std::thread::sleep(ASKED_EVERY);
}

fn view(operator: &Operator, order: Option<String>) -> Result<DrainView, OperatorError> {
    let body = operator.ask(PATH, order)?;
    serde_json::from_slice(&body).map_err(|_| operator.strange())
}
