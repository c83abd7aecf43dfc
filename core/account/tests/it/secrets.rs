//! What Debug shows of types that hold secrets.

use undertone_account::keystore::{KeyFile, ScryptParams, seal};
use undertone_account::{ChatKey, ExtendedKey, Mnemonic, WalletKey};
use undertone_support::{assert_silent, rng};

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

/// Not a piece of any of them, in either form and as any kind of text.
#[test]
fn no_piece_of_a_secret_is_printed() {
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let phrase = Mnemonic::parse(words).unwrap();
    let seed = phrase.seed("");
    let master = ExtendedKey::master(&seed).unwrap();
    let chat = ChatKey::derive(&master).unwrap();
    let wallet = WalletKey::derive(&master, 0).unwrap();
    let xprv = master.expose_xprv();
    let secrets: [&[u8]; 7] = [
        words.as_bytes(),
        seed.secret().expose(),
        master.secret_key().secret().expose(),
        master.chain_code().expose(),
        chat.secret_key().secret().expose(),
        wallet.secret_key().secret().expose(),
        xprv.as_bytes(),
    ];
    // "word" is a piece of the words and of the type's own text; the phrase is looked for by two words.
    assert!(!format!("{phrase:#?}").contains("legal"));
    assert_silent(&seed, &secrets[1..]);
    assert_silent(&master, &secrets[1..]);
    assert_silent(&chat, &secrets[1..]);
    assert_silent(&wallet, &secrets[1..]);
    let cheap = ScryptParams::new(1024, 8, 1).unwrap();
    let text = seal(chat.secret_key(), Some(&master), "Sesame, open", cheap, &mut rng(1));
    let file = KeyFile::parse(text.as_bytes()).unwrap();
    assert_silent(&file, &[&secrets[1..], &[b"Sesame, open"]].concat());
    assert_silent(&file.open_extended("Sesame, open").unwrap(), &secrets[1..]);
    assert_silent(&file.open("wrong").unwrap_err(), &secrets[1..]);
}
