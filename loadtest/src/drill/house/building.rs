//! How a house is put up: the store first, then the nodes and the witness, whose files name all the others, and the regions' addresses.
//!
//! Owns the order, and which address stands for what in whose file.

use std::net::SocketAddr;

use super::{
    front::Front,
    grounds::Grounds,
    harm::House,
    nodes::{Common, Neighbour, Node, Surroundings},
    store::{Site, Store},
    ways::Ways,
};
use crate::{
    drill::story::Story,
    plan::{HousePlan, Server},
    run::{RunError, round::Stage},
    twilio::{number::Number, twiml::Link},
};

/// The name of the witness, and where it stands: in none of the regions.
const WITNESS: (&str, &str) = ("elsewhere", "witness");

/// Starts the store, the nodes and the regions' addresses.
pub(super) async fn build(
    plan: &HousePlan,
    stage: &Stage<'_>,
    grounds: Grounds,
    common: &Common<'_>,
    story: &mut Story<'_>,
) -> Result<House, RunError> {
    let clock = stage.clock;
    let mut ways = Ways::new(plan, &grounds, clock);
    let site = Site {
        folder: &stage.folder,
        grounds: &grounds,
        clock,
    };
    let shared = Store::start(plan.store, &plan.regions, site, &mut ways).await?;
    let mut nodes = Vec::new();
    for named in plan.node_names() {
        nodes.push(Node::plan(named, plan, site)?);
    }
    if !plan.witness.is_empty() {
        let named = (WITNESS.0.to_owned(), WITNESS.1.to_owned());
        let witness = Node::plan(named, plan, site)?;
        nodes.push(witness.into_witness(&plan.witness));
    }
    let ready_path = common.server.ready_path.as_deref();
    let mut fronts = Vec::new();
    for region in &plan.regions {
        let here = nodes.iter().filter(|node| node.region == *region);
        let here: Vec<_> = here.map(|node| node.address).collect();
        let front = Front::open(grounds.world(), &here, ready_path);
        fronts.push(front.map_err(|source| refused(region, source))?);
    }
    let addresses: Vec<_> = fronts.iter().map(|front| front.address).collect();
    introduce(plan, &mut nodes, &addresses, &shared, &mut ways)?;
    for node in &mut nodes {
        node.start(common, &mut |line| story.say(line)).await?;
    }
    story.say(&format!(
        "{} nodes are up, in {}",
        plan.node_names().len(),
        plan.regions.join(" and ")
    ));
    Ok(House {
        nodes,
        fronts,
        store: shared,
        ways,
        grounds,
    })
}

/// Writes into each node's files where it finds all the others.
fn introduce(
    plan: &HousePlan,
    nodes: &mut [Node],
    fronts: &[SocketAddr],
    store: &Store,
    ways: &mut Ways,
) -> Result<(), RunError> {
    let all: Vec<_> = nodes.iter().map(Node::neighbour).collect();
    let witness = all.iter().find(|it| it.name == WITNESS.1);
    let witness_url = witness.map_or_else(String::new, |it| format!("http://{}", it.address));
    for node in nodes {
        let place = plan.regions.iter().position(|it| *it == node.region);
        let mut peers = Vec::new();
        for other in &all {
            if other.name == node.name || other.name == WITNESS.1 {
                continue;
            }
            let address = ways.lead(&node.region, &other.region, other.address);
            peers.push(Neighbour {
                address: address.map_err(|source| refused(&other.region, source))?,
                ..other.clone()
            });
        }
        let region = fronts.get(place.unwrap_or_default()).copied();
        node.fill(&Surroundings {
            region: region.unwrap_or(node.address),
            store_url: store.url(&node.region, ways)?,
            peers,
            is_first: place == Some(0),
            witness_url: witness_url.clone(),
        })?;
    }
    Ok(())
}

/// The numbers as their owner has set them up: the first region, and the last one where that fails; or one for each region, and the
/// next one where that fails.
pub(super) fn numbers(server: &Server, plan: &HousePlan, house: &House) -> Vec<Number> {
    let count = house.fronts.len();
    let pairs: Vec<_> = if plan.spread {
        (0..count).map(|nth| (nth, (nth + 1) % count)).collect()
    } else {
        vec![(0, count.saturating_sub(1))]
    };
    let number = |(first, last)| number(server, plan, house, first, last);
    pairs.into_iter().filter_map(number).collect()
}

fn number(
    server: &Server,
    plan: &HousePlan,
    house: &House,
    first: usize,
    last: usize,
) -> Option<Number> {
    let (first, last) = (house.fronts.get(first)?, house.fronts.get(last)?);
    let with = |link: Link| {
        let joint = if plan.overrides.is_empty() { "" } else { "#" };
        Link {
            url: format!("{}{joint}{}", link.url, plan.overrides),
            ..link
        }
    };
    let mut number = server.number(&first.address.to_string())?;
    let fallback = server.number(&last.address.to_string())?.fallback;
    number.voice = with(number.voice);
    number.fallback = fallback.map(with);
    Some(number)
}

fn refused(region: &str, source: std::io::Error) -> RunError {
    RunError::Listen {
        what: format!("an address of {region}"),
        source,
    }
}
