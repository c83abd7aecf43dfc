//! Asks an Ethereum node what a name stands for.
//!
//! ```console
//! $ cargo run -p undertone-ens --example look_up -- key http://127.0.0.1:8545 alice.stateofus.eth
//! ```
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Duration;

use undertone_ens::{Ens, EnsConfig, EnsName};

/// Longer than a node takes to give a contract up.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(what), Some(url), Some(name)) = (args.next(), args.next(), args.next()) else {
        return Err("look_up key|address URL NAME".into());
    };
    let mut config = EnsConfig::new(url.parse()?);
    config.timeout = PATIENCE;
    let (ens, name) = (Ens::new(config), EnsName::typed(&name)?);
    let answer = match what.as_str() {
        "address" => ens.address(&name).await.map(|address| address.map(const_hex::encode_prefixed)),
        _ => ens.resolve(&name).await.map(|key| key.map(|key| key.to_hex())),
    };
    match answer {
        Ok(Some(answer)) => println!("{answer}"),
        Ok(None) => println!("none"),
        Err(error) => println!("{} ({error})", error.code()),
    }
    Ok(())
}
