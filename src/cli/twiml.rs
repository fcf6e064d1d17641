//! `ringback twiml`: the documents that calls are answered with, to be read by people.

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use ringback::carrier::twilio::twiml::Document;

/// Which document to print.
#[derive(Args, Debug)]
pub(crate) struct TwimlArgs {
    /// Its name; the values in it are samples.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(Document::NAMES))]
    name: String,
}

/// Prints it.
pub(crate) fn run(args: &TwimlArgs) -> ExitCode {
    let document = Document::sample(&args.name);
    print(
        &document
            .expect("the parser lets only names of documents pass")
            .render(),
    );
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn print(text: &str) {
    print!("{text}");
}
