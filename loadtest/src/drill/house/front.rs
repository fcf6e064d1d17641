//! The address of a region: it finds a node that lives, as a load balancer does, and nobody answers there once the region is lost.
//!
//! Owns its socket and knows which nodes are ready. It reads nothing of what passes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{net::bind, process::is_ready};

/// How often a node is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A node that has not said so by then is not.
const ASK_MAX: Duration = Duration::from_millis(500);
/// A node on this machine that is not connected to by then is gone.
const CONNECT_MAX: Duration = Duration::from_millis(250);
/// More connections than this wait in the kernel.
const LINES_MAX: usize = 2_048;
/// Connections that are made to fill a queue of one place.
const FILLERS: usize = 8;

/// A region's address while the drill runs.
pub(super) struct Front {
    /// Where it is.
    pub(super) address: SocketAddr,
    state: State,
}

enum State {
    /// What comes is passed on.
    Open { tasks: JoinSet<()> },
    /// What comes waits for ever: the queue is full, and the kernel answers nobody.
    Lost {
        _queue: TcpListener,
        _fillers: Vec<TcpStream>,
    },
}

/// The nodes behind an address, in turn.
struct Nodes {
    all: Vec<Node>,
    turn: AtomicUsize,
}

struct Node {
    address: SocketAddr,
    is_ready: AtomicBool,
}

impl Front {
    /// Opens the address on this host before these nodes, which are asked at `ready_path`.
    pub(super) fn open(
        host: Ipv4Addr,
        nodes: &[SocketAddr],
        ready_path: Option<&str>,
    ) -> io::Result<Self> {
        let any = SocketAddr::from((host, 0));
        let listener = bind(any)?;
        let address = listener.local_addr()?;
        let node = |&address: &SocketAddr| Node {
            address,
            is_ready: AtomicBool::new(false),
        };
        let nodes = Arc::new(Nodes {
            all: nodes.iter().map(node).collect(),
            turn: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&nodes).watch(ready_path.map(str::to_owned)));
        tasks.spawn(nodes.serve(listener));
        Ok(Self {
            address,
            state: State::Open { tasks },
        })
    }

    /// The region is lost: whoever connects there hears nothing, as where no machine is left.
    pub(super) async fn lose(&mut self) -> io::Result<()> {
        if let State::Open { tasks } = &mut self.state {
            // The listener is gone then, and what passed through it.
            tasks.shutdown().await;
        }
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let queue = socket.listen(1)?;
        let mut fillers = Vec::new();
        while fillers.len() < FILLERS {
            let filler = timeout(CONNECT_MAX, TcpStream::connect(self.address)).await;
            let Ok(Ok(filler)) = filler else { break };
            fillers.push(filler);
        }
        self.state = State::Lost {
            _queue: queue,
            _fillers: fillers,
        };
        Ok(())
    }
}

impl Nodes {
    /// Asks the nodes whether they are ready, again and again.
    async fn watch(self: Arc<Self>, ready_path: Option<String>) {
        loop {
            for node in &self.all {
                let address = node.address.to_string();
                let asked = timeout(ASK_MAX, is_ready(&address, ready_path.as_deref())).await;
                node.is_ready
                    .store(asked.unwrap_or(false), Ordering::Relaxed);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut lines = JoinSet::new();
        loop {
            tokio::select! {
                arrived = listener.accept(), if lines.len() < LINES_MAX => {
                    // Who is gone already needs nobody.
                    if let Ok((client, _from)) = arrived {
                        lines.spawn(Arc::clone(&self).carry(client));
                    }
                }
                Some(_line) = lines.join_next() => {}
            }
        }
    }

    /// Passes a connection on to the next node that takes it; one that was not ready comes last.
    async fn carry(self: Arc<Self>, mut client: TcpStream) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.all.len();
        let all = || {
            self.all
                .iter()
                .cycle()
                .skip(turn % count.max(1))
                .take(count)
        };
        let ready = |node: &&Node| node.is_ready.load(Ordering::Relaxed);
        let last = all().filter(|node| !ready(node));
        for node in all().filter(ready).chain(last) {
            let connected = timeout(CONNECT_MAX, TcpStream::connect(node.address)).await;
            let Ok(Ok(mut server)) = connected else {
                // It is gone; it will be asked before it is tried first again.
                node.is_ready.store(false, Ordering::Relaxed);
                continue;
            };
            // How it ends is known to both ends.
            let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        // If it cannot be reset it is closed: there is nobody either way.
        let _closed = client.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A node that says its name to whoever comes.
    async fn node(name: u8) -> (SocketAddr, JoinSet<()>) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                tcp.write_all(&[name]).await.ok();
            }
        });
        (address, tasks)
    }

    async fn ask(front: &Front) -> Option<u8> {
        let connecting = timeout(Duration::from_secs(1), TcpStream::connect(front.address));
        let mut tcp = connecting.await.ok()?.ok()?;
        let mut name = [0];
        let read = timeout(Duration::from_secs(5), tcp.read_exact(&mut name)).await;
        read.ok()?.ok()?;
        Some(name[0])
    }

    #[tokio::test]
    async fn whoever_asks_a_region_finds_a_node_that_lives_and_nobody_where_it_is_lost() {
        let (first, first_tasks) = node(1).await;
        let (second, _second_tasks) = node(2).await;
        let mut front = Front::open(Ipv4Addr::LOCALHOST, &[first, second], None).unwrap();
        let mut heard = Vec::new();
        for _ in 0..8 {
            heard.extend(ask(&front).await);
        }
        assert!(heard.contains(&1) && heard.contains(&2), "{heard:?}");
        drop(first_tasks);
        tokio::task::yield_now().await;
        for _ in 0..4 {
            assert_eq!(ask(&front).await, Some(2));
        }
        front.lose().await.unwrap();
        assert_eq!(ask(&front).await, None);
    }
}
