//! Names in braces, in what a plan says of its server.

use std::{net::Ipv4Addr, path::Path};

/// `{account_sid}`: the account whose number is called.
pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
/// `{auth_token}`: what signs its requests. It opens nothing but servers of a plan.
pub const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the names stand for in a run.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `{host}`: the address at which the server is to listen.
    pub host: Ipv4Addr,
    /// `{port}`: its port there.
    pub port: u16,
    /// What stands before its command.
    pub within: &'a [String],
    /// `{NAME_url}`: where the model of that name is; a single `[model]` has the name `model`.
    pub models: &'a [(String, String)],
    /// `{ca_file}`: the certificate that signed the model's.
    pub ca_file: &'a Path,
    /// `{folder}`: where the plan's files are written.
    pub folder: &'a Path,
    /// `{rest_url}`: where Twilio's REST interface is.
    pub rest_url: &'a str,
    /// Of a node of a `[house]` those of [`NODE_NAMES`], by their names.
    pub node: &'a [(&'static str, String)],
}

/// What is different for each node of a `[house]`: its name and its region's; its own address, where streams go, and that of its region,
/// where webhooks go; where the shared store is, as the region reaches it; `active` for the first region, `standby` for the others; its peers as a list for TOML,
/// `{ node, region, url }` each; the address of its operators' listener; that of the witness.
pub const NODE_NAMES: [&str; 9] = [
    "node",
    "region",
    "node_url",
    "region_url",
    "store_url",
    "role",
    "peers",
    "admin",
    "witness_url",
];

/// The names that a plan with these models may use.
pub(super) fn allowed<'a>(models: impl Iterator<Item = &'a str>, is_house: bool) -> Vec<String> {
    let names = [
        "host",
        "port",
        "ca_file",
        "folder",
        "account_sid",
        "auth_token",
        "rest_url",
    ];
    let of_node = NODE_NAMES.into_iter().filter(|_| is_house);
    let names = names.into_iter().chain(of_node);
    let names = names.map(|name| format!("{{{name}}}"));
    let urls = models.map(|name| format!("{{{name}_url}}"));
    names.chain(urls).collect()
}

/// Puts values in the place of names.
pub fn fill(text: &str, names: &Names<'_>) -> String {
    let text = text
        .replace("{host}", &names.host.to_string())
        .replace("{port}", &names.port.to_string())
        .replace("{ca_file}", &names.ca_file.display().to_string())
        .replace("{folder}", &names.folder.display().to_string())
        .replace("{rest_url}", names.rest_url)
        .replace("{account_sid}", ACCOUNT_SID)
        .replace("{auth_token}", AUTH_TOKEN);
    let text = names.models.iter().fold(text, |text, (name, url)| {
        text.replace(&format!("{{{name}_url}}"), url)
    });
    names.node.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

/// A name in braces that stands for nothing. What is between braces with anything but small letters and `_` is no name: TOML
/// and JSON have braces of their own.
pub(super) fn unknown(text: &str, allowed: &[String]) -> Option<String> {
    text.split('{').skip(1).find_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        let braced = format!("{{{name}}}");
        (is_name && !allowed.contains(&braced)).then_some(braced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        let names = Names {
            host: Ipv4Addr::LOCALHOST,
            port: 80,
            within: &[],
            models: &[("model".to_owned(), "ws://m".to_owned())],
            ca_file: Path::new("/ca"),
            folder: Path::new("/f"),
            rest_url: "http://t",
            node: &[("node", "east-1".to_owned())],
        };
        let text = "{host} {port} {model_url} {ca_file} {folder} {node} [{ env = 'X' }] {\"a\":{}}";
        assert_eq!(
            fill(text, &names),
            "127.0.0.1 80 ws://m /ca /f east-1 [{ env = 'X' }] {\"a\":{}}"
        );
        let allowed = allowed(["model"].into_iter(), true);
        assert_eq!(unknown(text, &allowed), None);
        assert_eq!(unknown("{ports}", &allowed).as_deref(), Some("{ports}"));
        assert_eq!(
            unknown("{other_url}", &allowed).as_deref(),
            Some("{other_url}")
        );
    }
}
