//! Golden messages both ways, agreement of fast and full paths, and bytes that nobody expects.

#[cfg(test)]
mod twilio;
#[cfg(test)]
mod twilio_paths;
