//! The ways from region to region: proxies that swallow all that is sent while two regions are parted.
//!
//! Owns the proxies, one for each region that looks and each address in another one. Who is reached by which is said by whoever fills in
//! the nodes' files; callers' carriers, models and the witness are reached without them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::task::JoinSet;

use super::grounds::Grounds;
use crate::{
    net::{Clock, bind},
    plan::HousePlan,
    proxy::{self, Control},
};

/// All ways of a house; at most one for each node and each Redis in each of the other regions.
pub(super) struct Ways {
    /// Without it every way is the address itself.
    are_there: bool,
    regions: Vec<String>,
    clock: Clock,
    all: Vec<Way>,
    tasks: JoinSet<()>,
}

struct Way {
    from: String,
    to: String,
    /// Where it leads.
    end: SocketAddr,
    /// Where it begins.
    begin: SocketAddr,
    control: Control,
}

impl Ways {
    pub(super) fn new(plan: &HousePlan, grounds: &Grounds, clock: Clock) -> Self {
        Self {
            are_there: plan.ways && !grounds.are_apart(),
            regions: plan.regions.clone(),
            clock,
            all: Vec::new(),
            tasks: JoinSet::new(),
        }
    }

    /// By which address this region reaches that one of another.
    pub(super) fn lead(&mut self, from: &str, to: &str, end: SocketAddr) -> io::Result<SocketAddr> {
        let is_region = |name: &str| self.regions.iter().any(|region| region == name);
        if !self.are_there || from == to || !is_region(from) || !is_region(to) {
            return Ok(end);
        }
        let known = self
            .all
            .iter()
            .find(|way| way.from == from && way.end == end);
        if let Some(way) = known {
            return Ok(way.begin);
        }
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let begin = listener.local_addr()?;
        let control = Control::new(self.clock);
        let carried = proxy::run(listener, end, Vec::new(), control.clone(), 1);
        // A proxy that cannot go on is missed by whoever wants to pass.
        self.tasks.spawn(async move { drop(carried.await) });
        self.all.push(Way {
            from: from.to_owned(),
            to: to.to_owned(),
            end,
            begin,
            control,
        });
        Ok(begin)
    }

    /// From now on nothing comes through between these two.
    pub(super) fn part(&self, between: &[String; 2]) {
        self.order(between, &["black_hole"]);
    }

    /// It does again; connections that have lost something are reset, as their ends would find out.
    pub(super) fn join(&self, between: &[String; 2]) {
        self.order(between, &["clear", "reset"]);
    }

    fn order(&self, [one, other]: &[String; 2], orders: &[&str]) {
        let is_between = |way: &&Way| {
            (&way.from == one && &way.to == other) || (&way.from == other && &way.to == one)
        };
        for way in self.all.iter().filter(is_between) {
            for order in orders {
                // More orders than are kept are more than a timetable has.
                let _ordered = proxy::obey(&way.control, order);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    use super::*;

    /// Says what it is told.
    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let mut byte = [0];
                if tcp.read_exact(&mut byte).await.is_ok() {
                    tcp.write_all(&byte).await.ok();
                }
            }
        });
        (address, tasks)
    }

    async fn asks(address: SocketAddr) -> bool {
        let asking = async {
            let mut tcp = TcpStream::connect(address).await.ok()?;
            tcp.write_all(&[7]).await.ok()?;
            tcp.read_u8().await.ok()
        };
        let answer = timeout(Duration::from_millis(300), asking).await;
        answer.ok().flatten() == Some(7)
    }

    #[tokio::test]
    async fn parted_regions_hear_nothing_of_each_other_until_they_are_joined() {
        let (there, _tasks) = echo().await;
        let plan = HousePlan {
            ways: true,
            ..HousePlan::default()
        };
        let mut ways = Ways::new(&plan, &Grounds::default(), Clock::start());
        assert_eq!(ways.lead("east", "east", there).unwrap(), there);
        assert_eq!(ways.lead("elsewhere", "east", there).unwrap(), there);
        let way = ways.lead("west", "east", there).unwrap();
        assert_eq!(ways.lead("west", "east", there).unwrap(), way);
        assert!(asks(way).await);
        let between = ["east", "west"].map(str::to_owned);
        ways.part(&between);
        assert!(!asks(way).await, "nothing comes through");
        ways.join(&between);
        let joined = timeout(Duration::from_secs(20), async { while !asks(way).await {} });
        assert!(joined.await.is_ok());
    }
}
