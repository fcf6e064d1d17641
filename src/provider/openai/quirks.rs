//! The table of dialects: how servers of the OpenAI Realtime protocol differ, one row each, as data.
//!
//! What comes in needs no row: old and new names of an event mean the same in every dialect (see [`super::wire`]).

/// A server's way to speak the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's current interface.
    Ga,
    /// OpenAI's first interface: gone there, alive in servers that copied it.
    Beta,
    /// Azure OpenAI, `/openai/v1/realtime`.
    Azure,
    /// Azure OpenAI with a dated `api-version`.
    AzurePreview,
    /// xAI's voice agents.
    Xai,
    /// Inworld.
    Inworld,
    /// The LiteLLM proxy.
    LiteLlm,
    /// LocalAI, and others that serve a part of the current interface themselves.
    LocalAi,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ga,
        Self::Beta,
        Self::Azure,
        Self::AzurePreview,
        Self::Xai,
        Self::Inworld,
        Self::LiteLlm,
        Self::LocalAi,
    ];

    /// The dialect of this name in a configuration file.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// Its name in a configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ga => "ga",
            Self::Beta => "beta",
            Self::Azure => "azure",
            Self::AzurePreview => "azure-preview",
            Self::Xai => "xai",
            Self::Inworld => "inworld",
            Self::LiteLlm => "litellm",
            Self::LocalAi => "localai",
        }
    }

    /// Its row of the table.
    pub const fn quirks(self) -> &'static Quirks {
        match self {
            Self::Ga => &GA,
            Self::Beta => &BETA,
            Self::Azure => &AZURE,
            Self::AzurePreview => &AZURE_PREVIEW,
            Self::Xai => &XAI,
            Self::Inworld => &INWORLD,
            Self::LiteLlm => &LITELLM,
            Self::LocalAi => &LOCALAI,
        }
    }
}

/// One row of the table.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a row of yes and no")]
pub struct Quirks {
    /// Where the key goes.
    pub auth: Auth,
    /// Further headers of the upgrade.
    pub headers: &'static [(&'static str, &'static str)],
    /// The URL's parameter that names the model.
    pub model_parameter: &'static str,
    /// Whether `session.update` names the model as well.
    pub model_in_session: bool,
    /// Where the fields of a session stand.
    pub layout: Layout,
    /// How transcription is asked for.
    pub transcription: Transcription,
    /// Whether `turn_detection` has `create_response` and `interrupt_response`.
    pub turn_switches: bool,
    /// The content type of the agent's words in an item.
    pub agent_text: &'static str,
    /// Whether the caller's words can be an item as audio: not every server says so, and one that does not may refuse the item.
    pub audio_items: bool,
    /// What `response.create` says about modalities, where it must.
    pub response_modalities: Option<&'static [&'static str]>,
    /// Whether a response can be made beside the conversation, of an input of its own: not every server says so.
    pub out_of_band: bool,
    /// Whether errors are told by their message where their code says nothing: servers that do not use OpenAI's codes.
    pub errors_by_message: bool,
    /// Whether the server refuses a key or a model by accepting the socket and closing it with 1008 before it is configured.
    pub refuses_by_policy_close: bool,
}

/// Where the key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`
    Basic,
    /// `api-key: …`
    ApiKey,
}

/// Where the fields of a session stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Under `audio.input` and `audio.output`, with a session type.
    Nested,
    /// All at the top, formats as one word.
    Flat,
    /// Formats nested; voice and turn detection at the top.
    Mixed,
}

/// How transcription is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transcription {
    /// By a model's name, with this default, and a language of two letters.
    Model(&'static str),
    /// By a hint at the language; the model is the server's.
    LanguageHint,
}

const GA: Quirks = Quirks {
    auth: Auth::Bearer,
    headers: &[],
    model_parameter: "model",
    model_in_session: false,
    layout: Layout::Nested,
    transcription: Transcription::Model("gpt-4o-mini-transcribe"),
    turn_switches: true,
    agent_text: "output_text",
    audio_items: true,
    response_modalities: None,
    out_of_band: true,
    errors_by_message: false,
    refuses_by_policy_close: false,
};

const BETA: Quirks = Quirks {
    headers: &[("OpenAI-Beta", "realtime=v1")],
    layout: Layout::Flat,
    transcription: Transcription::Model("whisper-1"),
    agent_text: "text",
    errors_by_message: true, // Those that still speak it are not OpenAI.
    ..GA
};

const AZURE: Quirks = Quirks {
    auth: Auth::ApiKey,
    ..GA
};

const AZURE_PREVIEW: Quirks = Quirks {
    auth: Auth::ApiKey,
    headers: &[],
    model_parameter: "deployment",
    errors_by_message: false,
    ..BETA
};

const XAI: Quirks = Quirks {
    audio_items: false,
    out_of_band: false,
    layout: Layout::Mixed,
    transcription: Transcription::LanguageHint,
    turn_switches: false,
    response_modalities: Some(&["text", "audio"]),
    errors_by_message: true,
    ..GA
};

const INWORLD: Quirks = Quirks {
    audio_items: false,
    out_of_band: false,
    auth: Auth::Basic,
    model_in_session: true,
    errors_by_message: true,
    ..GA
};

const LITELLM: Quirks = Quirks {
    audio_items: false,
    errors_by_message: true, // It passes on what very different models say.
    refuses_by_policy_close: true,
    ..GA
};

const LOCALAI: Quirks = Quirks {
    audio_items: false,
    out_of_band: false,
    transcription: Transcription::Model("whisper-1"),
    errors_by_message: true,
    ..GA
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_found_by_its_name() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::parse(dialect.name()), Some(dialect));
        }
        assert_eq!(Dialect::parse("GA"), None);
    }
}
