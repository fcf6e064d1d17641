//! `loadtest import`: a recording out of a call as the carrier recorded it.

use std::process::ExitCode;

use loadtest::import::{ImportArgs, ImportError, import};

use super::serve;

pub(crate) fn run(args: &ImportArgs) -> ExitCode {
    match import(args) {
        Ok(imported) => {
            let (caller, agent) = (&imported.recording.caller, &imported.recording.agent);
            println!(
                "{}: {} turns of the caller, {} of the agent, {} keys taken out; texts are empty: fill in what is said",
                imported.folder.display(),
                caller.len(),
                agent.len(),
                imported.keys,
            );
            println!(
                "play it: loadtest call --url ws://HOST:PORT/media --recording {}",
                imported.folder.display()
            );
            ExitCode::SUCCESS
        }
        Err(error @ (ImportError::Wav(_) | ImportError::Mono(_) | ImportError::Silent(_))) => {
            serve::wrong(&error)
        }
        Err(error) => serve::failed(&error),
    }
}
