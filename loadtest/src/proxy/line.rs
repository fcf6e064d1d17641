//! One connection through the proxy.

use std::{collections::VecDeque, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::weather::{Road, Weather};

/// What is read at once.
const PIECE_BYTES: usize = 4 * 1024;
/// What is on its way in one direction; when it is that much, no more is read. A long latency thus bounds the throughput too.
const ON_THE_WAY_BYTES_MAX: usize = 256 * 1024;
/// A narrow road lets pieces through that take this long.
const SLICES_PER_SECOND: u32 = 50;

/// What happens to a whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Reset,
    Close,
    /// The far side is closed, the near one is not told.
    HalfUp,
    /// The near side is closed, the far one is not told.
    HalfDown,
}

/// Carries a connection to its end.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    weather: watch::Receiver<Weather>,
    mut rng: fastrand::Rng,
) {
    // Without it everything works as well, only later.
    let _delayed = (client.set_nodelay(true), server.set_nodelay(true));
    let (up, down) = (rng.fork(), rng.fork());
    let blow = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pass(from_client, to_server, weather.clone(), |it| it.up, up);
        let down = pass(from_server, to_client, weather.clone(), |it| it.down, down);
        tokio::select! {
            // A side that breaks breaks the other one.
            ended = async { tokio::try_join!(up, down) } => match ended {
                Ok(_) => Blow::Close,
                Err(_) => Blow::Reset,
            },
            blow = struck(weather) => blow,
        }
    };
    match blow {
        Blow::Close => {}
        Blow::Reset => {
            reset(&client);
            reset(&server);
        }
        Blow::HalfUp => {
            drop(server);
            swallow(client).await;
        }
        Blow::HalfDown => {
            drop(client);
            swallow(server).await;
        }
    }
}

/// Resets a connection when it is dropped.
pub(super) fn reset(stream: &TcpStream) {
    // If it cannot be reset it is closed: it is gone either way.
    let _closed = stream.set_zero_linger();
}

/// Waits for something that happens to all connections that are there.
async fn struck(mut weather: watch::Receiver<Weather>) -> Blow {
    let then = *weather.borrow_and_update();
    loop {
        if weather.changed().await.is_err() {
            return Blow::Close; // The proxy is gone.
        }
        let now = *weather.borrow_and_update();
        let blows = [
            (now.resets > then.resets, Blow::Reset),
            (now.closes > then.closes, Blow::Close),
            (now.half_up > then.half_up, Blow::HalfUp),
            (now.half_down > then.half_down, Blow::HalfDown),
        ];
        if let Some((_, blow)) = blows.into_iter().find(|(falls, _)| *falls) {
            return blow;
        }
    }
}

/// Takes what comes until its sender has enough.
async fn swallow(mut stream: TcpStream) {
    let mut piece = vec![0; PIECE_BYTES];
    while matches!(stream.read(&mut piece).await, Ok(1..)) {}
}

/// One direction of a connection, to its end.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    road: impl Fn(&Weather) -> Road,
    mut rng: fastrand::Rng,
) -> io::Result<()> {
    let mut way = OnTheWay::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let now = road(&weather.borrow_and_update());
        let due = way.due();
        tokio::select! {
            came = from.read(&mut piece), if way.has_room() => {
                let bytes = piece.get(..came?).unwrap_or_default();
                // The road as it is now, not as it was when we began to wait.
                let now = road(&weather.borrow());
                way.take(bytes, now, &mut rng);
            }
            () = wait(due), if due.is_some() => {
                let Some(slice) = way.next(now) else {
                    return to.shutdown().await;
                };
                to.write_all(&slice).await?;
            }
            changed = weather.changed() => {
                if changed.is_err() {
                    return Ok(()); // The proxy is gone.
                }
            }
        }
    }
}

async fn wait(until: Option<Instant>) {
    if let Some(until) = until {
        sleep_until(until).await;
    }
}

/// What is on its way in one direction, in order.
#[derive(Default)]
struct OnTheWay {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    end: End,
    /// The last piece is due then: none overtakes it.
    last: Option<Instant>,
    /// A narrow road is busy until then.
    busy: Option<Instant>,
}

/// Whether the sender has said its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// Not yet.
    #[default]
    NotSaid,
    /// It arrives then.
    Due(Instant),
    /// It was swallowed.
    Swallowed,
}

impl OnTheWay {
    fn has_room(&self) -> bool {
        self.end == End::NotSaid && self.bytes < ON_THE_WAY_BYTES_MAX
    }

    /// Takes what was read; nothing is the end.
    fn take(&mut self, bytes: &[u8], road: Road, rng: &mut fastrand::Rng) {
        let micros = u64::try_from(road.jitter.as_micros()).unwrap_or(u64::MAX);
        let delay = road.latency + Duration::from_micros(rng.u64(0..=micros));
        let due = Instant::now() + delay;
        let due = self.last.map_or(due, |last| due.max(last));
        self.last = Some(due);
        if bytes.is_empty() {
            self.end = if road.black_hole {
                End::Swallowed
            } else {
                End::Due(due)
            };
        } else if !road.black_hole {
            self.bytes += bytes.len();
            self.pieces.push_back((due, bytes.to_vec()));
        }
    }

    /// When the next piece, or the end, is to leave.
    fn due(&self) -> Option<Instant> {
        let next = self.pieces.front().map(|&(due, _)| due);
        let due = match (next, self.end) {
            (Some(due), _) | (None, End::Due(due)) => due,
            (None, End::NotSaid | End::Swallowed) => return None,
        };
        Some(self.busy.map_or(due, |busy| due.max(busy)))
    }

    /// What leaves now; `None` is the end.
    fn next(&mut self, road: Road) -> Option<Vec<u8>> {
        let (due, mut piece) = self.pieces.pop_front()?;
        if let Some(bytes_per_second) = road.bytes_per_second {
            let slice = (bytes_per_second / SLICES_PER_SECOND).max(1);
            let rest = piece.split_off(piece.len().min(slice as usize));
            if !rest.is_empty() {
                self.pieces.push_front((due, rest));
            }
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let takes = Duration::from_secs(1) * bytes / bytes_per_second.max(1);
            self.busy = Some(Instant::now() + takes);
        }
        self.bytes -= piece.len();
        Some(piece)
    }
}
