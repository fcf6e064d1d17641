//! Promises while the process is killed again and again.

use super::*;

#[tokio::test]
async fn killed_at_any_moment_it_loses_nobody_and_does_nothing_twice() {
    const CALLERS: u32 = 40;
    let model = Model::start(Manner::Greets).await;
    let mut exchange = Exchange::start(Losing::EachSeventh).await;
    let folder = Folder::new();
    let path = store(&folder);
    promised(&path, 0..CALLERS).await;
    for texts in [3, 11, 25, 36] {
        let server = acting(&path, &model, &exchange).await;
        let far = |books: &crate::exchange::Books| books.texts.len() >= texts;
        exchange.until("texts", far).await;
        server.kill();
    }
    let server = acting(&path, &model, &exchange).await;
    // Who was to be rung when the process was killed is not rung again for six minutes, whether or not they were.
    let is_through = |promise: &serde_json::Value| {
        let stage = promise["stage"].as_str().unwrap();
        promise["rings"].as_u64() >= Some(1) && ["ringing", "due"].contains(&stage)
    };
    // What was begun and not made before the process was killed is looked for twice, half a minute apart.
    let through = timeout(DEADLINE + Duration::from_mins(1), async {
        loop {
            let view = view(&server).await;
            let promises = view["promises"].as_array().unwrap();
            if promises.len() == CALLERS as usize && promises.iter().all(is_through) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(through.await.is_ok(), "{:#}", view(&server).await);
    drop(server);
    let books = exchange.books();
    let count = |taken: &[Taken]| {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for one in taken {
            *counts.entry(one.get("To").to_owned()).or_default() += 1;
        }
        counts
    };
    let once: BTreeMap<_, _> = (0..CALLERS).map(|number| (caller(number), 1)).collect();
    assert_eq!(count(&books.texts), once);
    let rung = count(&books.rings);
    assert!(rung.values().all(|times| *times == 1), "{rung:?}");
    assert!(rung.len() >= once.len() / 2, "{rung:?}");
}
