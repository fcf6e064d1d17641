//! Golden messages both ways, agreement of fast and full paths, and bytes that nobody expects.

mod twilio;
mod twilio_paths;
