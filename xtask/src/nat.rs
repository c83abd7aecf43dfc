//! `cargo xtask nat`: the NATs of `shell/nat/tests/netns`, in namespaces that die with this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo;
use crate::tests_run::{self, Counts};

/// How it ended well.
#[derive(Debug)]
pub(crate) enum End {
    Ran(Counts),
    /// Not on this machine; the reason in a few words. The sentence with all of it has been printed.
    Skipped(&'static str),
}

/// Programs that it needs, and the packages of Debian that bring them.
const TOOLS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("mount", "mount"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
];

/// Namespaces for network, mounts and processes. The last ends all programs inside when `unshare` ends, however it
/// does; network, files and rules are gone with them.
const NAMESPACES: [&str; 6] = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// `cargo xtask nat`.
pub(crate) fn command() -> Result<()> {
    match run()? {
        End::Ran(counts) => println!("{counts}"),
        End::Skipped(why) => println!("nat: {why}"),
    }
    Ok(())
}

/// Runs it where namespaces are allowed; says so where they are not.
pub(crate) fn run() -> Result<End> {
    let path = search_path();
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !is_there(&path, tool)).map(|(_, p)| *p).collect();
    if !missing.is_empty() {
        println!("nat: not installed: {} (`.ci/run` installs them where it may)", missing.join(" "));
        return Ok(End::Skipped("SKIPPED: iproute2, nftables or miniupnpd-nftables is not installed"));
    }
    let mut reasons = Vec::new();
    // As root at once; else, and where root may not either, as the root of a user namespace.
    for user in [&[][..], &["--user", "--map-root-user"]] {
        let unshare = [user, &NAMESPACES].concat();
        match trial(&path, &unshare)? {
            None => return within(&path, &unshare),
            Some(reason) => reasons.push(reason),
        }
    }
    println!("nat: no network namespaces here: {}", reasons.join("; with a user namespace: "));
    Ok(End::Skipped("SKIPPED: this machine allows no network namespaces"))
}

/// Whether the kernel gives us these namespaces with what the test does in them; else what it says.
fn trial(path: &str, unshare: &[&str]) -> Result<Option<String>> {
    const SCRIPT: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip netns add try \
         && ip link add wan type bridge && ip link add eth netns try type veth peer name to-try \
         && ip netns exec try sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward' \
         && ip netns exec try nft add table inet lab \
         && ip netns exec try nft add chain inet lab out '{ type nat hook postrouting priority 100; }' \
         && ip netns exec try nft add rule inet lab out masquerade";
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", SCRIPT])
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .context("starting unshare")?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Some(said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned()))
}

fn within(path: &str, unshare: &[&str]) -> Result<End> {
    let (test, node) = built()?;
    let mut command = Command::new("unshare");
    // It ends when its stdin does: with us, even when we are killed.
    command.args(unshare).arg(test).stdin(Stdio::piped());
    command.env("PATH", path).env("UNDERTONE_NAT_LAB", "1").env("UNDERTONE_BIN", node);
    let outcome = tests_run::watch(&mut command)?;
    if !outcome.ok {
        bail!("nat: {}", outcome.failure());
    }
    if outcome.counts.passed == 0 {
        bail!("nat: no case ran");
    }
    Ok(End::Ran(outcome.counts))
}

/// Builds the test and the program `undertone`; says where cargo put them. It asks for all tests of the workspace:
/// naming two of them would resolve other features, and build every library again.
fn built() -> Result<(PathBuf, PathBuf)> {
    const ARGS: [&str; 3] = ["test", "--workspace", "--no-run"];
    let output = cargo::command(&[&ARGS[..], &["--message-format", "json-render-diagnostics"]].concat())?
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed, see above", ARGS.join(" "));
    }
    let messages: Vec<Value> = String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let program = |name: &str, test: bool| {
        messages
            .iter()
            .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some(name))
            .filter(|message| message.pointer("/profile/test").and_then(Value::as_bool) == Some(test))
            .find_map(|message| message.get("executable").and_then(Value::as_str).map(PathBuf::from))
            .with_context(|| format!("cargo built no program `{name}`"))
    };
    Ok((program("netns", true)?, program("undertone", false)?))
}

/// Users other than root often lack the directories of these programs.
fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
}

fn is_there(path: &str, tool: &str) -> bool {
    path.split(':').any(|directory| Path::new(directory).join(tool).is_file())
}
