//! `ringback region`: which region is active, as a running node knows it, and an operator's word on it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use ringback::server::admin::view::{RegionOrder, RegionView};

use super::operator::{Operator, OperatorError, end};

const PATH: &str = "/admin/v1/region";

/// What is asked for, and of whom.
#[derive(Args, Debug)]
pub(crate) struct RegionArgs {
    #[command(subcommand)]
    command: RegionCommand,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, Subcommand)]
enum RegionCommand {
    /// Tell whether this node's region is active, and how the other nodes are.
    Status {
        /// As JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Make this node's region the active one, whose nodes ring. Refused while another one is active and was heard of a moment ago.
    Promote {
        /// Even then: the other one gives way as soon as it hears of it.
        #[arg(long)]
        force: bool,
    },
    /// Make this node's region a standby one. It does not ask to be active by itself until another one was.
    Demote,
}

/// Exits with 0 if the server did it, with 2 if an argument is wrong, else with 1.
pub(crate) fn run(args: &RegionArgs) -> ExitCode {
    let told = match args.command {
        RegionCommand::Status { json } => view(&args.operator, None).and_then(|view| {
            if json {
                return serde_json::to_string_pretty(&view).map_err(|_| args.operator.strange());
            }
            Ok(view.to_string())
        }),
        RegionCommand::Promote { force } => order(&args.operator, RegionOrder::Promote { force }),
        RegionCommand::Demote => order(&args.operator, RegionOrder::Demote {}),
    };
    end(told)
}

fn order(operator: &Operator, order: RegionOrder) -> Result<String, OperatorError> {
    let order = serde_json::to_string(&order).map_err(|_| operator.strange())?;
    view(operator, Some(order)).map(|view| view.to_string())
}

fn view(operator: &Operator, order: Option<String>) -> Result<RegionView, OperatorError> {
    let body = operator.ask(PATH, order)?;
    serde_json::from_slice(&body).map_err(|_| operator.strange())
}
