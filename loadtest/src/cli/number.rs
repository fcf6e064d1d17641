//! Arguments that say whose number is called, shared by `call`, `twilio` and `check-number`.

use std::{path::PathBuf, sync::Arc};

use loadtest::{
    net::Clock,
    tls,
    twilio::{Account, number::Number, settings::TwilioSettings, twiml::Link},
};
use tokio_rustls::rustls::ClientConfig;

use super::serve;

/// A number and its account.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NumberArgs {
    /// "A call comes in": `https://HOST/PATH`, with connection overrides behind a #.
    #[arg(long, value_name = "URL")]
    pub(crate) voice_url: Option<String>,
    /// "Primary handler fails".
    #[arg(long, value_name = "URL", requires = "voice_url")]
    fallback_url: Option<String>,
    /// "Call status changes".
    #[arg(long, value_name = "URL", requires = "voice_url")]
    status_url: Option<String>,
    /// The account: AC and 32 digits.
    #[arg(
        long,
        value_name = "SID",
        default_value = "AC00000000000000000000000000000001"
    )]
    pub(crate) account_sid: String,
    /// The variable that holds the account's auth token, which signs.
    #[arg(long, value_name = "NAME", default_value = "TWILIO_AUTH_TOKEN")]
    auth_token_env: String,
    /// Who calls.
    #[arg(long, default_value = "+12025550199")]
    pub(crate) from: String,
    /// Who is called.
    #[arg(long, default_value = "+12025550100")]
    pub(crate) to: String,
    /// How Twilio behaves where no document says so: a TOML file with the keys of a plan's [twilio].
    #[arg(long, value_name = "FILE.toml")]
    twilio: Option<PathBuf>,
}

impl NumberArgs {
    /// The number, if there is one.
    pub(crate) fn number(&self) -> Option<Number> {
        let link = |url: &String| Link {
            url: url.clone(),
            ..Link::default()
        };
        Some(Number {
            voice: link(self.voice_url.as_ref()?),
            fallback: self.fallback_url.as_ref().map(link),
            status: self.status_url.as_ref().map(link),
        })
    }

    /// The account, with the token that the environment holds.
    pub(crate) fn account(
        &self,
        tls: Option<Arc<ClientConfig>>,
        clock: Clock,
    ) -> Result<Account, String> {
        let token = self.token()?;
        Ok(Account::new(&self.account_sid, &token, tls, clock))
    }

    /// The auth token.
    #[expect(
        clippy::disallowed_methods,
        reason = "a secret has no place among arguments, where everybody on the machine sees it"
    )]
    pub(crate) fn token(&self) -> Result<String, String> {
        let name = &self.auth_token_env;
        let token = std::env::var(name).unwrap_or_default();
        if token.is_empty() {
            return Err(format!(
                "the variable {name} is empty: it holds the auth token (--auth-token-env NAME chooses another)"
            ));
        }
        Ok(token)
    }

    /// How Twilio behaves.
    pub(crate) fn settings(&self) -> Result<Arc<TwilioSettings>, String> {
        let settings = match &self.twilio {
            Some(path) => serve::settings_of(path)?,
            None => TwilioSettings::default(),
        };
        settings.validate()?;
        Ok(Arc::new(settings))
    }
}

/// Whom to trust: a file's certificates, or those that browsers trust.
pub(crate) fn trust(ca_file: Option<&PathBuf>) -> Result<Arc<ClientConfig>, tls::TlsError> {
    match ca_file {
        Some(path) => tls::client_trusting_file(path),
        None => tls::client_trusting_the_web(),
    }
}
