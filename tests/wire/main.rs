//! Golden messages both ways, agreement of fast and full paths, and bytes that nobody expects.

mod openai;
mod openai_dial;
mod openai_dialects;
mod openai_errors;
mod openai_paths;
mod openai_schema;
mod openai_seed;
mod openai_socket;
mod openai_spare;
mod schema;
#[cfg(test)]
mod twilio;
#[cfg(test)]
mod twilio_paths;
#[cfg(test)]
mod twilio_speed;
