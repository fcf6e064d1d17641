//! What a server finds in its file at the start: what it cannot read stops nobody else's promise, and nothing is lost without a word.

use redb::{Database, TableDefinition};

use super::*;

#[tokio::test]
async fn a_promise_that_cannot_be_read_is_left_alone_and_the_others_are_kept() {
    const PROMISES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("promises");
    let model = Model::start(Manner::Greets).await;
    let mut exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    promised(&path, 1..2).await;
    let database = Database::open(&path).unwrap();
    let txn = database.begin_write().unwrap();
    let newer = [200_u8, 1, 2, 3];
    let mut table = txn.open_table(PROMISES).unwrap();
    table.insert(1, newer.as_slice()).unwrap();
    drop(table);
    txn.commit().unwrap();
    drop(database);

    let mut server = acting(&path, &model, &exchange).await;
    let told = |line: &serde_json::Value| line["promises"] == 1;
    let words = "promises are left alone, for they cannot be read";
    server.line(words, told).await;
    let books = exchange
        .until("a ring", |books| !books.rings.is_empty())
        .await;
    assert_eq!(books.rings[0].get("To"), caller(1));
}

#[tokio::test]
async fn a_promise_that_has_long_expired_ends_with_a_word() {
    let model = Model::start(Manner::Greets).await;
    let exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    let ago = |days: u64| Utc::from_millis(now().millis() - days * 86_400_000);
    let kept = open(&path).await;
    let old = Promise {
        promised: ago(12),
        expires: ago(10),
        ..promise(1, CallId::from_bits(1))
    };
    keep(&kept, &old).await;
    kept.close().await.unwrap();

    let mut server = acting(&path, &model, &exchange).await;
    let line = |line: &serde_json::Value| line["end"] == "expired";
    server.line("a promise ended", line).await;
    stages(&server, &[]).await;
    assert!(exchange.books().rings.is_empty());
}
