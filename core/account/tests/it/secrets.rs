//! What Debug shows of types that hold secrets.

use undertone_account::keystore::{KeyFile, ScryptParams, seal};
use undertone_account::{ChatKey, ExtendedKey, Mnemonic, WalletKey};
use undertone_support::rng;

#[test]
fn secrets_print_nothing() {
    let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let phrase = Mnemonic::parse(phrase).unwrap();
    let seed = phrase.seed("");
    let master = ExtendedKey::master(&seed).unwrap();
    let chat = ChatKey::derive(&master).unwrap();
    insta::assert_snapshot!(format!("{phrase:?}"), @"Mnemonic(12 words)");
    insta::assert_snapshot!(format!("{seed:?}"), @"Seed(Secret(64 bytes))");
    insta::assert_snapshot!(
        format!("{master:?}"),
        @"ExtendedKey { key: SecretKey(32 bytes), chain_code: Secret(32 bytes), depth: 0, .. }"
    );
    insta::assert_snapshot!(format!("{chat:?}"), @"ChatKey(SecretKey(32 bytes))");
    let wallet = WalletKey::derive(&master, 0).unwrap();
    insta::assert_snapshot!(format!("{wallet:?}"), @"WalletKey(SecretKey(32 bytes))");

    let cheap = ScryptParams::new(1024, 8, 1).unwrap();
    let file =
        KeyFile::parse(seal(chat.secret_key(), Some(&master), "p", cheap, &mut rng(1)).as_bytes()).unwrap();
    insta::assert_snapshot!(
        format!("{file:?}"),
        @"KeyFile { address: Some(Address(2c832eca79217c0165e63437fc1f99bb6932ce62)), has_extended_key: true, .. }"
    );
    let extended = format!("{:?}", file.open_extended("p").unwrap());
    insta::assert_snapshot!(
        extended,
        @"Some(OfAnotherKey(ExtendedKey { key: SecretKey(32 bytes), chain_code: Secret(32 bytes), depth: 0, .. }))"
    );
}
