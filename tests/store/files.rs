//! Files that are not as they should be: each is refused with a sentence, and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redb::{Database, TableDefinition};
use ringback::core::ids::{CallId, PromiseId};
use ringback::store::embedded::{Embedded, EmbeddedSettings};
use ringback::store::{
    CallKey, CallRecord, KeySource, Promised, SealingKey, Store as _, StoreError, TokenId,
};

use crate::support::{Folder, LATER, NOW, at, call, close, patient, promise};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ringback");

/// A file with one call in it.
async fn with_a_call() -> Folder {
    let folder = Folder::new();
    let store = folder.open();
    store.checkpoint(call(1)).await.unwrap();
    close(store).await;
    folder
}

#[tokio::test]
async fn a_new_store_and_its_key_are_for_their_owner_alone() {
    let folder = with_a_call().await;
    for file in [folder.file(), folder.key_file()] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let names = fs::read_dir(folder.file().parent().unwrap()).unwrap();
    assert_eq!(names.count(), 2, "nothing is left over");
}

#[tokio::test]
async fn a_torn_file_is_refused_wherever_it_ends() {
    let folder = with_a_call().await;
    let whole = fs::read(folder.file()).unwrap();
    let steps = (0..16).map(|part| whole.len() * part / 16);
    for length in steps.chain([1, 4, 9, 100, whole.len() - 1]) {
        let torn = &whole[..length];
        fs::write(folder.file(), torn).unwrap();
        let refusal = folder.refusal();
        assert!(refusal.contains("was left as it is"), "{length}: {refusal}");
        assert!(
            fs::read(folder.file()).unwrap() == torn,
            "{length}: changed"
        );
    }
    fs::write(folder.file(), &whole).unwrap();
    let store = folder.open();
    let key = CallKey::Id(CallId::from_bits(1));
    assert!(store.call(key, NOW).await.unwrap().is_some());
    close(store).await;
}

#[tokio::test]
async fn no_flipped_bit_gives_other_words_than_were_kept() {
    let folder = with_a_call().await;
    let whole = fs::read(folder.file()).unwrap();
    let mut refused = 0;
    // Not a power of two, so that all places within a page come up.
    for place in (0..whole.len()).step_by(whole.len() / 97) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        fs::write(folder.file(), &flipped).unwrap();
        match folder.try_open() {
            Ok(store) => {
                let key = CallKey::Id(CallId::from_bits(1));
                let known = store.call(key, NOW).await.unwrap();
                let expected = ringback::store::KnownCall::InProgress(call(1));
                assert_eq!(known, Some(expected), "byte {place}");
                close(store).await;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "some of the bytes mean something");
}

#[tokio::test]
async fn a_foreign_file_is_refused() {
    let folder = Folder::new();
    fs::write(folder.file(), "the minutes of the last meeting").unwrap();
    fs::write(folder.key_file(), "").unwrap();
    fs::set_permissions(folder.key_file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(
        folder.refusal().contains("holds no key"),
        "{}",
        folder.refusal()
    );
    fs::remove_file(folder.key_file()).unwrap();
    let given = StoreGiven(1);
    let refusal = given.refusal(&folder);
    assert!(refusal.contains("no store of ringback"), "{refusal}");

    // A database, but somebody else's.
    fs::remove_file(folder.file()).unwrap();
    let theirs = Database::create(folder.file()).unwrap();
    let txn = theirs.begin_write().unwrap();
    let table: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");
    txn.open_table(table).unwrap().insert("a", 1).unwrap();
    txn.commit().unwrap();
    drop(theirs);
    let refusal = given.refusal(&folder);
    assert!(refusal.contains("no store of ringback"), "{refusal}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let folder = with_a_call().await;
    let database = Database::open(folder.file()).unwrap();
    let txn = database.begin_write().unwrap();
    let form = [2_u8];
    let mut meta = txn.open_table(META).unwrap();
    meta.insert("form", form.as_slice()).unwrap();
    drop(meta);
    txn.commit().unwrap();
    drop(database);
    let refusal = folder.refusal();
    assert!(
        refusal.contains("newer version of ringback wrote it (form 2"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_refused_and_the_others_are_not() {
    let folder = with_a_call().await;
    let database = Database::open(folder.file()).unwrap();
    let txn = database.begin_write().unwrap();
    let calls: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("calls");
    let newer = [200_u8, 1, 2, 3];
    let mut table = txn.open_table(calls).unwrap();
    table.insert(2, newer.as_slice()).unwrap();
    drop(table);
    txn.commit().unwrap();
    drop(database);
    let store = folder.open();
    let of = async |number| {
        let key = CallKey::Id(CallId::from_bits(number));
        store.call(key, NOW).await
    };
    assert_eq!(of(2).await, Err(StoreError::Newer("checkpoint")));
    assert!(of(1).await.unwrap().is_some());
    // Nor is it written over; who shares its transaction is not harmed.
    let (newer, other) = tokio::join!(store.checkpoint(call(2)), store.checkpoint(call(3)));
    assert_eq!(newer, Err(StoreError::Newer("checkpoint")));
    assert!(other.is_ok());
    assert!(of(3).await.unwrap().is_some());
    close(store).await;
}

#[tokio::test]
async fn promises_that_cannot_be_read_stop_no_others_and_are_left_alone() {
    let folder = with_a_call().await;
    let store = folder.open();
    for number in [1, 4] {
        let kept = store.promise(promise(&store, number), NOW).await;
        assert_eq!(kept, Ok(Promised::Kept));
    }
    let early = CallRecord {
        expires: at(5_000),
        ..call(2)
    };
    store.checkpoint(early).await.unwrap();
    close(store).await;
    let database = Database::open(folder.file()).unwrap();
    let txn = database.begin_write().unwrap();
    let promises: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("promises");
    let mut table = txn.open_table(promises).unwrap();
    for (number, row) in [(2, &[200_u8, 1, 2][..]), (3, &[1, 7])] {
        table.insert(number, row).unwrap();
    }
    drop(table);
    // Those two, and a kind of record that is not known.
    let expiry: TableDefinition<'_, (u64, u8, u128), ()> = TableDefinition::new("expiry");
    let mut table = txn.open_table(expiry).unwrap();
    for key in [(1, 200, 7), (2, 4, 2), (3, 4, 3)] {
        table.insert(key, ()).unwrap();
    }
    drop(table);
    txn.commit().unwrap();
    drop(database);

    let store = folder.open();
    let page = async |after: Option<u128>, max| {
        let after = after.map(PromiseId::from_bits);
        let found = store.promises(after, max, NOW).await.unwrap();
        let read: Vec<_> = found.records.iter().map(|one| one.id.bits()).collect();
        (read, found.unread)
    };
    let unread = vec![StoreError::Newer("promise"), StoreError::Damaged("promise")];
    assert_eq!(page(None, 10).await, (vec![1, 4], unread.clone()));
    assert_eq!(page(None, 1).await, (vec![1], vec![]));
    assert_eq!(page(Some(1), 1).await, (vec![4], unread));
    // Nor do they stop what has expired from being thrown away.
    for removed in [1, 0] {
        let step = store.collect(at(5_000)).await.unwrap();
        assert_eq!((step.removed, step.left_alone), (removed, 3));
        assert!(step.is_done);
    }
    close(store).await;
}

#[tokio::test]
async fn another_key_no_key_and_a_key_that_others_may_read_are_refused() {
    let folder = with_a_call().await;
    let refusal = StoreGiven(1).refusal(&folder);
    assert!(refusal.contains("another key"), "{refusal}");

    let set_mode = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.key_file(), mode).unwrap();
    };
    set_mode(0o644);
    let refusal = folder.refusal();
    assert!(
        refusal.contains("others may read it (mode 644)"),
        "{refusal}"
    );
    set_mode(0o600);
    assert!(folder.try_open().is_ok());
    fs::remove_file(folder.key_file()).unwrap();
    let refusal = folder.refusal();
    assert!(refusal.contains("key of the store is missing"), "{refusal}");
    assert!(!folder.key_file().exists(), "no other key is made up");
}

#[tokio::test]
async fn two_processes_do_not_share_a_file() {
    let folder = Folder::new();
    let store = folder.open();
    let refusal = folder.refusal();
    assert!(refusal.contains("another process"), "{refusal}");
    close(store).await;
    close(folder.open()).await;
}

#[tokio::test]
async fn a_store_whose_disk_is_away_says_so_and_comes_back_with_it() {
    let folder = Folder::new();
    let path = folder.file().parent().unwrap().join("mount/ringback.redb");
    let medium = ringback::store::embedded::StoreFile::new(path.clone(), KeySource::Beside);
    let fault = Embedded::open(medium.clone(), patient()).unwrap_err();
    assert!(fault.is_disk(), "{fault}");
    let store = Embedded::open_later(medium, fault, patient()).unwrap();

    let refused = store.checkpoint(call(1)).await;
    assert!(matches!(refused, Err(StoreError::Disk(_))), "{refused:?}");
    assert!(store.trouble().is_some());
    assert!(store.caller("+15550100").is_err());
    // A token is used once all the same.
    let first = store.claim_token(TokenId(1), LATER, NOW).await;
    assert!(matches!(first, Err(StoreError::Disk(_))), "{first:?}");
    assert_eq!(store.claim_token(TokenId(1), LATER, NOW).await, Ok(false));

    fs::create_dir(path.parent().unwrap()).unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while store.checkpoint(call(1)).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it never came back");
        tokio::task::yield_now().await;
    }
    assert_eq!(store.trouble(), None);
    assert_eq!(store.counts().mended, 1);
    close(store).await;
}

#[tokio::test]
async fn nothing_is_taken_after_closing_and_all_of_before_is_kept() {
    let folder = Folder::new();
    let store = folder.open();
    // Nobody waits for these.
    for number in 0..100 {
        drop(store.checkpoint(call(number)));
    }
    store.close().await.unwrap();
    assert_eq!(store.checkpoint(call(200)).await, Err(StoreError::Closed));
    assert_eq!(store.calls(None, 1, NOW).await, Err(StoreError::Closed));
    let store = folder.open();
    assert_eq!(store.calls(None, 1_000, NOW).await.unwrap().len(), 100);
    close(store).await;
}

/// The file of a folder with a key of one byte over and over.
struct StoreGiven(u8);

impl StoreGiven {
    fn refusal(&self, folder: &Folder) -> String {
        let key = KeySource::Given(SealingKey::from_bytes([self.0; 32]));
        let medium = ringback::store::embedded::StoreFile::new(folder.file(), key);
        let opened = Embedded::open(medium, EmbeddedSettings::default());
        opened.unwrap_err().to_string()
    }
}
