//! The form of a message's file: a mark with a version, the length of the record's seal, that seal, and the seal of the sound.

use serde::{Deserialize, Serialize};

use super::MessageFault;
use super::record::{MessageId, MessageRecord};
use crate::core::ids::CallSid;
use crate::core::time::Utc;
use crate::store::sealer::{Place, Sealer};

/// What every version's file begins with.
const MARK: &[u8; 7] = b"RINGMSG";

/// The version that is written.
const VERSION: u8 = 1;

/// Mark, version and length.
const FRONT_BYTES: usize = 12;

/// As much of a file holds its record: numbers and tags are short.
pub(super) const HEAD_BYTES_MAX: u64 = 8 * 1024;

#[derive(Serialize, Deserialize)]
struct Row {
    call: Option<String>,
    agent: Option<String>,
    called: Option<String>,
    caller: Option<String>,
    language: Option<String>,
    at_ms: u64,
    audio_bytes: u64,
}

pub(super) fn write(sealer: &Sealer, record: &MessageRecord, audio: &[u8]) -> Vec<u8> {
    let row = Row {
        call: record.call.map(|call| call.to_string()),
        agent: record.agent.as_deref().map(short),
        called: record.called.as_deref().map(short),
        caller: record.caller.as_deref().map(short),
        language: record.language.as_deref().map(short),
        at_ms: record.at.millis(),
        audio_bytes: record.audio_bytes,
    };
    let row = postcard::to_allocvec(&row).expect("texts and numbers have a form");
    let head = sealer.seal(head_place(record.id), &row);
    let sound = sealer.seal(sound_place(record.id), audio);
    let length = u32::try_from(head.len()).expect("a record has a few hundred bytes");
    [MARK, &[VERSION][..], &length.to_le_bytes(), &head, &sound].concat()
}

pub(super) fn read(
    sealer: &Sealer,
    id: MessageId,
    file: &[u8],
) -> Result<(MessageRecord, Vec<u8>), MessageFault> {
    let record = read_record(sealer, id, file)?;
    let (_, sound) = parts(id, file)?;
    let audio = sealer
        .open(sound_place(id), sound)
        .map_err(|_| MessageFault::Damaged(id))?;
    Ok((record, audio))
}

/// Reads what the first [`HEAD_BYTES_MAX`] of a file say.
pub(super) fn read_record(
    sealer: &Sealer,
    id: MessageId,
    file: &[u8],
) -> Result<MessageRecord, MessageFault> {
    let damaged = || MessageFault::Damaged(id);
    let (head, _) = parts(id, file)?;
    let row = sealer.open(head_place(id), head).map_err(|_| damaged())?;
    let row: Row = postcard::from_bytes(&row).map_err(|_| damaged())?;
    Ok(MessageRecord {
        id,
        call: row.call.as_deref().and_then(CallSid::parse),
        agent: row.agent,
        called: row.called,
        caller: row.caller,
        language: row.language,
        at: Utc::from_millis(row.at_ms),
        audio_bytes: row.audio_bytes,
    })
}

/// The two seals.
fn parts(id: MessageId, file: &[u8]) -> Result<(&[u8], &[u8]), MessageFault> {
    let damaged = || MessageFault::Damaged(id);
    let (front, seals) = file
        .split_first_chunk::<FRONT_BYTES>()
        .ok_or_else(damaged)?;
    let &[ref mark @ .., version, a, b, c, d] = front;
    if mark != MARK {
        return Err(damaged());
    }
    if version != VERSION {
        return Err(MessageFault::Newer(id));
    }
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    seals.split_at_checked(length).ok_or_else(damaged)
}

/// Texts come from a carrier: a record stays within [`HEAD_BYTES_MAX`] whatever they are.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 256;
    text.chars().take(CHARS_MAX).collect()
}

const fn head_place(id: MessageId) -> Place {
    Place {
        table: "message",
        id: id.bits(),
    }
}

const fn sound_place(id: MessageId) -> Place {
    Place {
        table: "message sound",
        id: id.bits(),
    }
}
