//! What `Debug` shows of an account at work.

use undertone::{Accounts, ClientConfig};
use undertone_account::keystore::ScryptParams;
use undertone_base::Unix;
use undertone_node::NodeConfig;
use undertone_support::{assert_silent, rng};

use crate::{Person, chat, key};

#[tokio::test]
async fn debug_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (chat_key, password, said) = (key(801), "Sesame, open", "what a person wrote");
    let secret = *chat_key.secret_key().secret().expose();
    let accounts = Accounts::new(dir.path()).with_scrypt(ScryptParams::new(1024, 8, 1).unwrap());
    let account = accounts.add(&chat_key, password, Unix::from_secs(1), &mut rng(802)).unwrap();
    let unlocked = account.unlock(password).unwrap();
    let node_key = undertone_devp2p::NodeKey::random(&mut rng(803));
    let node_secret = *node_key.secret().expose();
    let secrets = [secret.as_slice(), &node_secret, password.as_bytes(), said.as_bytes()];
    assert_eq!(assert_silent(&unlocked, &secrets), "ChatKey(SecretKey(32 bytes))");
    assert_silent(&account, &secrets);
    assert_silent(&accounts, &secrets);
    assert_silent(&account.unlock("another word").unwrap_err(), &secrets);
    let node = NodeConfig::relay(node_key);
    assert!(assert_silent(&node, &secrets).contains("NodeKey(SecretKey(32 bytes))"));
    let config = ClientConfig::new(account.home().to_owned());
    assert_silent(&config, &secrets);
    let me = Person::with(unlocked, config).await;
    me.client.send_text(chat(key(804).public()), said).await.unwrap();
    assert_silent(&me.client, &secrets);
    me.stop().await;
}
