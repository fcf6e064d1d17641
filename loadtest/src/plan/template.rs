//! Names in braces, in what a plan says of its server.

use std::path::Path;

/// What the names stand for in a run.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `{port}`: where the server is to listen.
    pub port: u16,
    /// `{model_url}`: where the model is.
    pub model_url: &'a str,
    /// `{ca_file}`: the certificate that signed the model's.
    pub ca_file: &'a Path,
    /// `{folder}`: where the plan's files are written.
    pub folder: &'a Path,
}

/// The names, for messages.
pub(super) const ALLOWED: &str = "{port}, {model_url}, {ca_file}, {folder}";

/// Puts values in the place of names.
pub fn fill(text: &str, names: &Names<'_>) -> String {
    text.replace("{port}", &names.port.to_string())
        .replace("{model_url}", names.model_url)
        .replace("{ca_file}", &names.ca_file.display().to_string())
        .replace("{folder}", &names.folder.display().to_string())
}

/// A name in braces that stands for nothing. What is between braces with anything but small letters and `_` is no name: TOML
/// and JSON have braces of their own.
pub(super) fn unknown(text: &str) -> Option<String> {
    text.split('{').skip(1).find_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        let braced = format!("{{{name}}}");
        (is_name && !ALLOWED.split(", ").any(|allowed| allowed == braced)).then_some(braced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        let names = Names {
            port: 80,
            model_url: "ws://m",
            ca_file: Path::new("/ca"),
            folder: Path::new("/f"),
        };
        let text = "{port} {model_url} {ca_file} {folder} [{ env = 'X' }] {\"a\":{}}";
        assert_eq!(
            fill(text, &names),
            "80 ws://m /ca /f [{ env = 'X' }] {\"a\":{}}"
        );
        assert_eq!(unknown(text), None);
        assert_eq!(unknown("{ports}").as_deref(), Some("{ports}"));
    }
}
