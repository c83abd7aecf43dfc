//! Makes the seeds from the test vectors: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//! Run it after adding a target; seeds that a fuzzer or a person put there stay.

use std::path::Path;

use undertone_vectors::{Value, hex, load};

/// Most seeds of one target that come from vectors: enough for the mutations to start from.
const MOST: usize = 8;

fn main() {
    from_vectors();
    from_our_own_rows();
}

fn from_vectors() {
    let identity = load("identity");
    let people = list(&identity["visual_identity"]);
    write("key_forms", people.iter().take(2).map(|p| text(&p["id"])));
    write("key_forms", people.iter().take(2).map(|p| text(&p["compressed_multibase_z"])));
    write("key_forms", list(&identity["uncompressed_key_cases"]).iter().map(|c| hex(&c["key"])));
    write("key_forms", list(&identity["path_strings"]).iter().skip(1).take(3).map(|p| text(&p["path"])));
    write("key_forms", [text(&identity["accounts"][0]["master_xprv"])]);
    write("keystore", list(&identity["keystore_files"]).iter().map(|k| k["file"].to_string().into_bytes()));
    write("mnemonic", list(&identity["bip39_languages"]).iter().step_by(6).map(|m| text(&m["mnemonic"])));
    write("mnemonic", list(&identity["mnemonic_negative"]).iter().map(|m| text(&m["mnemonic"])));

    let enr = load("enr");
    write("enode", list(&enr["enode_urls"]).iter().map(|u| text(&u["url"])));
    let rlpx = load("rlpx");
    write("hello", list(&rlpx["hello_decoding"]).iter().map(|h| hex(&h["payload"])));
    write("rlpx_handshake", list(&rlpx["negative_auth"]["cases"]).iter().take(4).map(|c| hex(&c["auth"])));
    write("rlpx_handshake", [hex(&rlpx["session_plain_nosnappy"]["handshake"]["auth"]["packet"])]);

    let crypto = load("whisper_crypto");
    write("sealed_open", list(&crypto["decrypt_negative"]).iter().step_by(4).map(|c| hex(&c["data"])));
    write("sealed_plaintext", list(&crypto["parse_plaintext"]).iter().map(|c| hex(&c["plaintext"])));

    let mvds = load("mvds");
    write("sync_payload", list(&mvds["payloads"]).iter().map(|p| hex(&p["encoded"])));
    write("sync_payload", list(&mvds["unwrap_fallback"]).iter().map(|p| hex(&p["input"])));

    let payloads = load("payloads");
    write("metadata", list(&payloads["application_metadata_edge"]).iter().map(|m| hex(&m["input"])));
}

/// The rows of the outbox are ours, so no vector has them.
fn from_our_own_rows() {
    use undertone_base::Unix;
    use undertone_crypto::SecretKey;
    use undertone_datasync::{GroupId, Pending, wrap};

    let alice = SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
    let bob = SecretKey::from_slice(&[0xb2; 32]).unwrap().public();
    let now = Unix::from_secs(1_600_000_000);
    let rows = [&b""[..], b"hello", &[0xff; 300]].map(|body| {
        let (_, message) = wrap(GroupId::of_pair(&alice, &bob), now, body.to_vec());
        Pending::new(bob, message, now).to_stored()
    });
    write("sync_stored", rows);

    // Pairs of operation and argument, see the target.
    write(
        "rlpx_session",
        [
            vec![0x30, 0, 0x31, 1, 0x0e, 0, 0x0f, 0],
            vec![0xf0, 3, 0xf2, 127, 0x06, 0, 0x06, 40, 0x0e, 0, 0x0a, 16, 0x0e, 0, 0x0f, 0],
            vec![0x50, 5, 0x48, 20, 0x0e, 0],
            vec![0x20, 9, 0x0c, 8, 0x0e, 0, 0x31, 9],
            vec![0x0a, 31, 0x30, 1, 0x0e, 0],
        ],
    );
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> Vec<u8> {
    value.as_str().expect("a text").as_bytes().to_vec()
}

/// Names a seed by what is in it, so that writing twice writes once.
fn write(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&dir).unwrap();
    for seed in seeds.into_iter().take(MOST) {
        let hash = undertone_crypto::keccak256(&seed);
        let name: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(dir.join(name), seed).unwrap();
    }
}
