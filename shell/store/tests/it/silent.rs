//! What `Debug` shows of what holds the database's key.

use undertone_base::{Secret, StoreError};
use undertone_store::{Database, DatabaseKey};
use undertone_support::{assert_silent, rng};

use crate::common::Place;

#[test]
fn debug_shows_no_secret() {
    let account = Secret::<32>::random(&mut rng(1));
    let key = DatabaseKey::derive(&account, &[2; 32]);
    let secrets = [account.expose().as_slice()];
    assert_eq!(assert_silent(&key, &secrets), "DatabaseKey(Secret(32 bytes))");
    let mut database = Database::open(&Place::new().database(), &account, &mut rng(2)).unwrap();
    assert_eq!(assert_silent(&database, &secrets), "Database");
    let inside = database.transact(|tx| Ok::<_, StoreError>(assert_silent(tx, &secrets))).unwrap();
    assert_eq!(inside, "SqlTx { failure: Cell { value: None }, .. }");
}
