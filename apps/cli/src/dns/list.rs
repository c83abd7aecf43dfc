//! `undertone dns list`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde_json::json;
use undertone_devp2p::dnsdisc::{DnsError, Link};
use undertone_discovery::{DnsResolver, TreeContent, sync_tree};

use crate::args::ListArgs;
use crate::output::{DIM, GOOD, Ui, count, paint};

pub(crate) async fn run(args: &ListArgs, ui: &Ui) -> Result<ExitCode> {
    let resolver = match args.server {
        Some(server) => DnsResolver::Servers(Arc::new(vec![server])),
        None => DnsResolver::System,
    };
    ui.note(&paint(DIM, format!("reading {} …", args.link.domain())));
    let read = tokio::time::timeout(args.timeout, sync_tree(&args.link, &resolver)).await;
    let content = match read {
        Ok(content) => content.map_err(|error| explained(error, &args.link))?,
        Err(_) => return Err(anyhow!("not read within {:?}: --timeout gives it longer", args.timeout)),
    };
    print(&content, ui);
    let (nodes, links) = (content.records.len(), content.links.len());
    let what = format!("{}, {}, seq {}", count(nodes, "node"), count(links, "link"), content.seq);
    ui.note(&format!("{} {what}; every signature is valid", paint(GOOD, "✓")));
    Ok(ExitCode::SUCCESS)
}

fn print(content: &TreeContent, ui: &Ui) {
    for record in &content.records {
        match ui.json {
            true => ui.object(&json!({
                "enr": record.to_string(),
                "enode": record.to_enode().to_string(),
                "id": record.id().to_string(),
                "seq": record.seq(),
            })),
            false => ui.line(&record.to_enode().to_string()),
        }
    }
    for link in &content.links {
        match ui.json {
            true => ui.object(&json!({ "link": link.to_string() })),
            false => ui.line(&link.to_string()),
        }
    }
}

/// What went wrong, and what to do.
fn explained(error: DnsError, link: &Link) -> anyhow::Error {
    let hint = match &error {
        DnsError::RootSignature => "another key signed it than the one that the address names",
        DnsError::Missing => "is the name right, and is the list published in full?",
        DnsError::TimedOut => "--server IP:PORT names another server to ask",
        DnsError::HashMismatch | DnsError::Replayed { .. } => {
            "somebody between here and the signer has changed it"
        }
        _ => "whoever signed the list has to publish it anew",
    };
    anyhow!("the list at {} cannot be used: {error} ({hint})", link.domain())
}
