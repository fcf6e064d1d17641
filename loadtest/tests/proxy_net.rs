//! The proxy between two real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use loadtest::{
    net::Clock,
    proxy::{Control, obey, plan::Plan, run},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(30);
/// What does not come within this does not come.
const NEVER: Duration = Duration::from_millis(300);

/// The two parties, and what stands between them.
struct Between {
    near: TcpStream,
    far: TcpStream,
    proxy: SocketAddr,
    target: TcpListener,
    control: Control,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runtime of a test ends with the test, and its tasks with it"
)]
async fn between(plan: &str) -> Between {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (to, proxy) = (target.local_addr().unwrap(), listener.local_addr().unwrap());
    let plan: Plan = toml::from_str(plan).unwrap();
    let control = Control::new(Clock::start());
    let orders = control.clone();
    tokio::spawn(async move { run(listener, to, plan.faults, orders, 1).await.unwrap() });
    let near = TcpStream::connect(proxy).await.unwrap();
    near.set_nodelay(true).unwrap();
    let (far, _) = timeout(LONG, target.accept()).await.unwrap().unwrap();
    Between {
        near,
        far,
        proxy,
        target,
        control,
    }
}

/// Says something, and tells how long it took to arrive.
async fn cross(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) -> Duration {
    let began = Instant::now();
    let said: Vec<u8> = (0..bytes).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let mut heard = vec![0; bytes];
    let crossing = async { tokio::try_join!(from.write_all(&said), to.read_exact(&mut heard)) };
    timeout(LONG, crossing).await.unwrap().unwrap();
    assert_eq!(heard, said, "what comes through comes as it was said");
    began.elapsed()
}

/// Whether nothing comes, not even an end.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(NEVER, stream.read(&mut [0; 16])).await.is_err()
}

/// How a connection ends that says nothing more.
async fn end(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut piece = [0; 16];
    let ended = timeout(LONG, stream.read(&mut piece)).await.unwrap();
    ended.map_err(|error| error.kind())
}

#[tokio::test]
async fn on_a_good_day_all_of_it_comes_through_both_ways_and_so_does_the_end() {
    let mut it = between("").await;
    cross(&mut it.near, &mut it.far, 3_000_000).await;
    cross(&mut it.far, &mut it.near, 3_000_000).await;
    it.near.shutdown().await.unwrap();
    assert_eq!(end(&mut it.far).await, Ok(0));
    cross(&mut it.far, &mut it.near, 1_000).await;
    drop(it.far);
    assert_eq!(end(&mut it.near).await, Ok(0));
}

#[tokio::test]
async fn latency_holds_in_its_direction_and_while_it_is_ordered() {
    let mut it = between("").await;
    obey(&it.control, "latency 200 50 up").unwrap();
    // An order is taken at the proxy's next turn.
    cross(&mut it.far, &mut it.near, 100).await;
    let took = cross(&mut it.near, &mut it.far, 100).await;
    assert!(took >= Duration::from_millis(200), "{took:?}");
    // Larger than a piece: none overtakes another.
    cross(&mut it.near, &mut it.far, 100_000).await;
    obey(&it.control, "clear").unwrap();
    cross(&mut it.near, &mut it.far, 100).await;
    let took = cross(&mut it.near, &mut it.far, 100).await;
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[tokio::test]
async fn a_narrow_road_takes_its_time() {
    let plan = "faults = [{ way = 'down', what = { bandwidth = { bytes_per_second = 40000 } } }]";
    let mut it = between(plan).await;
    let took = cross(&mut it.far, &mut it.near, 20_000).await;
    assert!(took >= Duration::from_millis(450), "{took:?}");
}

#[tokio::test]
async fn a_black_hole_swallows_one_direction_or_both() {
    let mut it = between("faults = [{ way = 'down', what = 'black_hole' }]").await;
    it.far.write_all(b"never").await.unwrap();
    cross(&mut it.near, &mut it.far, 1_000).await;
    assert!(is_silent(&mut it.near).await);
    obey(&it.control, "black_hole").unwrap();
    let mut ended = between("faults = [{ what = 'black_hole' }]").await;
    ended.near.write_all(b"never").await.unwrap();
    ended.near.shutdown().await.unwrap();
    assert!(is_silent(&mut ended.far).await, "the end is swallowed too");
}

#[tokio::test]
async fn a_reset_is_felt_on_both_sides_and_a_close_is_an_orderly_end() {
    let mut it = between("").await;
    cross(&mut it.near, &mut it.far, 10).await;
    obey(&it.control, "reset").unwrap();
    assert_eq!(end(&mut it.near).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end(&mut it.far).await, Err(ErrorKind::ConnectionReset));
    // Who comes later is not concerned.
    let mut near = TcpStream::connect(it.proxy).await.unwrap();
    let (mut far, _) = it.target.accept().await.unwrap();
    cross(&mut near, &mut far, 10).await;
    obey(&it.control, "close").unwrap();
    assert_eq!(end(&mut near).await, Ok(0));
    assert_eq!(end(&mut far).await, Ok(0));
}

#[tokio::test]
async fn a_half_open_connection_is_closed_on_one_side_only() {
    for (order, up) in [("half_open", true), ("half_open down", false)] {
        let mut it = between("").await;
        cross(&mut it.near, &mut it.far, 10).await;
        obey(&it.control, order).unwrap();
        let (told, not_told) = if up {
            (&mut it.far, &mut it.near)
        } else {
            (&mut it.near, &mut it.far)
        };
        assert_eq!(end(told).await, Ok(0), "{order}");
        not_told.write_all(b"is anybody there?").await.unwrap();
        assert!(is_silent(not_told).await, "{order}");
    }
}

#[tokio::test]
async fn new_connections_are_refused_and_old_ones_go_on() {
    let mut it = between("").await;
    obey(&it.control, "refuse").unwrap();
    cross(&mut it.near, &mut it.far, 10).await;
    let refused = async {
        loop {
            let Ok(mut near) = TcpStream::connect(it.proxy).await else {
                return;
            };
            if end(&mut near).await.is_err() {
                return;
            }
        }
    };
    timeout(LONG, refused).await.unwrap();
    cross(&mut it.far, &mut it.near, 10).await;
}

#[tokio::test]
async fn what_is_on_its_way_is_bounded() {
    let it = between("faults = [{ what = { latency = { ms = 3600000 } } }]").await;
    let (piece, mut taken) = (vec![0; 64 * 1024], 0);
    while timeout(NEVER, it.near.writable()).await.is_ok() {
        taken += it.near.try_write(&piece).unwrap_or(0);
        // The kernel's own buffers hold a few MiB.
        assert!(taken < 64 * 1024 * 1024, "{taken} bytes were taken");
    }
}

#[tokio::test]
async fn an_order_that_is_none_says_what_is_allowed() {
    let it = between("").await;
    let error = obey(&it.control, "burn").unwrap_err();
    assert!(
        error.contains("burn") && error.contains("bandwidth"),
        "{error}"
    );
}
