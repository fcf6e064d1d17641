//! Network namespaces for a drill: one for each region, and one for the world, where carriers, models and witnesses are.
//!
//! Owns the namespaces and what joins them: a bridge in the world, a cable to each region. Between two regions that are parted the bridge
//! passes nothing, and says nothing: that is what a proxy cannot do. [`Spaces`] makes them and takes them away again, with whatever runs in
//! them; [`Place`] is how a program that runs in the world finds its way. Addresses are loopback ones, which inside lead from namespace to
//! namespace, so that nobody takes the house for a public one. It needs root, and `ip`.

use std::{
    fs,
    net::Ipv4Addr,
    process::{Command, Stdio},
};

/// How the names of namespaces begin; our own process id follows, and the region.
const NAME: &str = "loadtest";
/// The world's name.
const WORLD: &str = "world";
/// The program.
const IP: &str = "ip";

/// Why there are no namespaces.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The program is not there.
    #[error("--netns needs the program `ip` (Debian's package iproute2): {0}")]
    NoProgram(std::io::Error),
    /// It does not do what it is told.
    #[error(
        "--netns needs root, and a kernel with network namespaces: `ip {command}` said: {said}"
    )]
    Refused {
        /// What it was told.
        command: String,
        /// What it said.
        said: String,
    },
}

/// Namespaces while they are there: dropping them ends whatever runs in them, and takes them away.
#[derive(Debug)]
pub struct Spaces {
    place: Place,
}

impl Spaces {
    /// Makes one for each of these regions, and the world. Those of a drill that was killed before are taken away first.
    pub fn create(regions: &[String]) -> Result<Self, NetnsError> {
        sweep()?;
        let prefix = format!("{NAME}-{}", std::process::id());
        // From here on what is made is taken away, also if not all can be.
        let spaces = Self {
            place: Place::find(&prefix, regions),
        };
        let world = spaces.place.world();
        ip(&["netns", "add", &world])?;
        own_loopback(&world)?;
        let host = spaces.place.host(WORLD);
        ip_in(&world, &["link", "add", "br0", "type", "bridge"])?;
        ip_in(&world, &["link", "set", "br0", "up"])?;
        ip_in(
            &world,
            &["addr", "add", &format!("{host}/16"), "dev", "br0"],
        )?;
        ip(&["netns", "exec", &world, "sysctl", "-qw", &localnet("br0")])?;
        for region in regions {
            let (space, cable) = (spaces.place.space(region), spaces.place.cable(region));
            ip(&["netns", "add", &space])?;
            own_loopback(&space)?;
            ip_in(
                &world,
                &[
                    "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &space,
                ],
            )?;
            ip_in(&world, &["link", "set", &cable, "master", "br0", "up"])?;
            let host = spaces.place.host(region);
            ip(&["netns", "exec", &space, "sysctl", "-qw", &localnet("eth0")])?;
            ip_in(
                &space,
                &["addr", "add", &format!("{host}/16"), "dev", "eth0"],
            )?;
            ip_in(&space, &["link", "set", "eth0", "up"])?;
        }
        Ok(spaces)
    }

    /// The command by which a program runs in the world.
    pub fn command(&self) -> Vec<String> {
        self.place.within(WORLD)
    }

    /// By this the program there finds its [`Place`].
    pub fn prefix(&self) -> &str {
        &self.place.prefix
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        let regions = self.place.regions.iter();
        let spaces = regions.map(|region| self.place.space(region));
        for space in spaces.chain([self.place.world()]) {
            remove(&space);
        }
    }
}

/// Where the processes of each region stand, as seen from the world.
#[derive(Clone, Debug)]
pub struct Place {
    prefix: String,
    regions: Vec<String>,
}

impl Place {
    /// The namespaces of this prefix.
    pub fn find(prefix: &str, regions: &[String]) -> Self {
        Self {
            prefix: prefix.to_owned(),
            regions: regions.to_vec(),
        }
    }

    /// The address of a region's processes; of anything that is none, that of the world.
    pub fn host(&self, region: &str) -> Ipv4Addr {
        let place = self.regions.iter().position(|it| it == region);
        let third = place.and_then(|place| u8::try_from(place + 1).ok());
        Ipv4Addr::new(127, 77, third.unwrap_or(0), 1)
    }

    /// What stands before a command that is to run there.
    pub fn within(&self, region: &str) -> Vec<String> {
        let is_region = self.regions.iter().any(|it| it == region);
        let space = if is_region {
            self.space(region)
        } else {
            self.world()
        };
        [IP, "netns", "exec", &space].map(str::to_owned).to_vec()
    }

    /// Nothing comes through between these regions, or does again. Others are parted from none.
    pub fn part(&self, between: &[String], are_parted: bool) -> Result<(), NetnsError> {
        let word = if are_parted { "on" } else { "off" };
        for region in between {
            let cable = self.cable(region);
            let kind = ["link", "set", "dev", &cable, "type", "bridge_slave"];
            ip_in(
                &self.world(),
                &[kind.as_slice(), &["isolated", word]].concat(),
            )?;
        }
        Ok(())
    }

    /// Nothing comes from or to a region any more, or does again.
    pub fn lose(&self, region: &str, is_lost: bool) -> Result<(), NetnsError> {
        let word = if is_lost { "down" } else { "up" };
        ip_in(&self.world(), &["link", "set", &self.cable(region), word])
    }

    fn world(&self) -> String {
        format!("{}-{WORLD}", self.prefix)
    }

    fn space(&self, region: &str) -> String {
        format!("{}-{region}", self.prefix)
    }

    /// Names of cables are short.
    fn cable(&self, region: &str) -> String {
        let place = self.regions.iter().position(|it| it == region);
        format!("to{}", place.unwrap_or_default())
    }
}

/// Of the loopback addresses only one stays here: the others lead to namespaces.
fn own_loopback(space: &str) -> Result<(), NetnsError> {
    ip_in(space, &["link", "set", "lo", "up"])?;
    ip_in(space, &["addr", "del", "127.0.0.1/8", "dev", "lo"])?;
    ip_in(space, &["addr", "add", "127.0.0.1/32", "dev", "lo"])?;
    ip(&["netns", "exec", space, "sysctl", "-qw", &localnet("all")])
}

fn localnet(device: &str) -> String {
    format!("net.ipv4.conf.{device}.route_localnet=1")
}

/// Takes away what is left of drills whose process is gone.
fn sweep() -> Result<(), NetnsError> {
    let said = output(&["netns", "list"])?;
    for line in said.lines() {
        let space = line.split_ascii_whitespace().next().unwrap_or_default();
        let Some(rest) = space.strip_prefix(NAME).and_then(|it| it.strip_prefix('-')) else {
            continue;
        };
        let id = rest.split('-').next().and_then(|id| id.parse::<u32>().ok());
        if id.is_some_and(|id| fs::metadata(format!("/proc/{id}")).is_err()) {
            remove(space);
        }
    }
    Ok(())
}

/// Ends what runs in a namespace of ours, and takes it away; one that is not there is gone.
fn remove(space: &str) {
    let inside = output(&["netns", "pids", space]).unwrap_or_default();
    for id in inside.split_ascii_whitespace() {
        // The shell's own `kill`. Whoever is gone meanwhile needs no killing.
        let kill = format!("kill -KILL {id}");
        let _killed = Command::new("sh").args(["-c", &kill]).output();
    }
    // If it stays, the next drill takes it away.
    let _removed = ip(&["netns", "del", space]);
}

fn ip_in(space: &str, arguments: &[&str]) -> Result<(), NetnsError> {
    ip(&[&["-n", space], arguments].concat())
}

fn ip(arguments: &[&str]) -> Result<(), NetnsError> {
    output(arguments).map(drop)
}

fn output(arguments: &[&str]) -> Result<String, NetnsError> {
    let mut command = Command::new(IP);
    let command = command.args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(NetnsError::NoProgram)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(NetnsError::Refused {
        command: arguments.join(" "),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_an_address_and_the_world_has_one() {
        let regions = ["east", "west"].map(str::to_owned);
        let place = Place::find("loadtest-7", &regions);
        let hosts = ["east", "west", "elsewhere"].map(|region| place.host(region).to_string());
        assert_eq!(hosts, ["127.77.1.1", "127.77.2.1", "127.77.0.1"]);
        assert!(place.host("east").is_loopback());
        assert_eq!(
            place.within("west").join(" "),
            "ip netns exec loadtest-7-west"
        );
        assert_eq!(
            place.within("elsewhere").join(" "),
            "ip netns exec loadtest-7-world"
        );
    }
}
