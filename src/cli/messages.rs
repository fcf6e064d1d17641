//! `ringback messages`: what callers left, for whoever runs the machine. Reads the folder itself, beside a running server or without.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use ringback::audio::voice::VoiceFile;
use ringback::config::Config;
use ringback::store::messages::{Archive, MessageFault, MessageId, MessageRecord, MessageState};

use super::{EXIT_WRONG, Settings, say};

#[derive(Debug, Subcommand)]
pub(crate) enum MessagesCommand {
    /// List the messages that are kept, the oldest first: name, when, how long, how far, who called whom.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print what was said in a message, where a provider has written it down.
    Transcript {
        #[command(flatten)]
        settings: Settings,
        /// The message's name, as listed.
        #[arg(value_name = "ID", value_parser = message_id)]
        id: MessageId,
    },
    /// Write the sound of a message to a file: Ogg Opus where this build has it, else WAV.
    Export {
        #[command(flatten)]
        settings: Settings,
        /// The message's name, as listed.
        #[arg(value_name = "ID", value_parser = message_id)]
        id: MessageId,
        /// The file, which must not be there. Without it: the name and the kind of sound, in this folder.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Exits with 0 if it did it, with 2 if there is no such message or no place for messages, else with 1.
pub(crate) fn run(command: MessagesCommand) -> ExitCode {
    let done = match command {
        MessagesCommand::List { settings } => archive(&settings).and_then(|archive| list(&archive)),
        MessagesCommand::Transcript { settings, id } => {
            archive(&settings).and_then(|archive| transcript(&archive, id))
        }
        MessagesCommand::Export { settings, id, out } => {
            archive(&settings).and_then(|archive| export(&archive, id, out))
        }
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// What `check` tells of messages.
pub(crate) fn summary(config: &Config) -> Option<String> {
    let messages = &config.messages;
    let folder = messages.place.as_ref()?.folder.display();
    let days = messages.retention.as_secs() / 86_400;
    let posted = match messages.delivery {
        Some(_) => "posted as messages.url says",
        None => "posted to nobody",
    };
    Some(format!(
        "messages after the tone: in {folder}, for {days} day(s), {posted}"
    ))
}

fn archive(settings: &Settings) -> Result<Archive, ExitCode> {
    let place = settings.load()?.messages.place;
    place.map(Archive::new).ok_or_else(|| {
        say("no messages are kept with these settings; allowed: a file in store.path");
        ExitCode::from(EXIT_WRONG)
    })
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn list(archive: &Archive) -> Result<(), ExitCode> {
    let kept = archive.list().map_err(|fault| failed(&fault))?;
    let mut messages: Vec<_> = kept.messages.into_values().collect();
    messages.sort_by_key(|(record, _)| (record.at, record.id));
    println!(
        "{:<32} {:<24} {:>7}  {:<11}  {:<16} called",
        "id", "at", "seconds", "state", "caller"
    );
    for (record, state) in &messages {
        println!("{}", row(record, *state));
    }
    for sentence in &kept.unreadable {
        say(&format!("warning: {sentence}"));
    }
    Ok(())
}

fn row(record: &MessageRecord, state: MessageState) -> String {
    let (at, seconds) = (record.date(), record.duration().as_secs_f64());
    let from = record.caller.as_deref().unwrap_or("-");
    let to = record.called.as_deref().unwrap_or("-");
    let (id, state) = (record.id, state.name());
    format!("{id:<32} {at:<24} {seconds:>7.1}  {state:<11}  {from:<16} {to}")
}

#[expect(clippy::print_stdout, reason = "the words are what was asked for")]
fn transcript(archive: &Archive, id: MessageId) -> Result<(), ExitCode> {
    let known = archive.transcript(id).map_err(|fault| failed(&fault))?;
    let Some(known) = known.filter(|known| known.state.is_written()) else {
        say(&format!(
            "nobody has written down message {id}; ringback messages export has its sound"
        ));
        return Err(ExitCode::from(EXIT_WRONG));
    };
    println!("{}", known.words);
    Ok(())
}

fn export(archive: &Archive, id: MessageId, out: Option<PathBuf>) -> Result<(), ExitCode> {
    let found = archive.read(id).map_err(|fault| failed(&fault))?;
    let Some((_, _, audio)) = found else {
        say(&format!(
            "there is no message {id}; ringback messages list tells which there are"
        ));
        return Err(ExitCode::from(EXIT_WRONG));
    };
    let voice = VoiceFile::of_mulaw(&audio);
    let out = out.unwrap_or_else(|| format!("{id}.{}", voice.extension).into());
    write(&out, &voice.bytes).map_err(|error| {
        say(&format!("{}: {error}", out.display()));
        ExitCode::FAILURE
    })?;
    say(&format!("{} ({})", out.display(), voice.media_type));
    Ok(())
}

/// Nobody else may hear it.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn failed(fault: &MessageFault) -> ExitCode {
    say(&fault.to_string());
    ExitCode::FAILURE
}

fn message_id(text: &str) -> Result<MessageId, &'static str> {
    MessageId::parse(text)
        .ok_or("allowed: the 32 hexadecimal digits of a message's name, as listed")
}
