//! The arrows between crates. The table below is the law; ARCHITECTURE.md draws it.

use anyhow::{Result, bail};

use crate::cargo::{self, Dependency, Kind, Package};

/// Which crates of ours each crate may use. An arrow that is not here does not exist.
///
/// The rules that the table obeys, so that a change to it can be judged:
/// - core never sees shell, shell never sees apps, nothing but tests sees `testing/`;
/// - what `messenger` says and what `whisper` carries meet in `transport` alone: no arrow joins the two;
/// - `ratchet`, `datasync`, `payload` and `account` do not know each other;
/// - `whisper` runs as a devp2p capability without knowing `devp2p`: the shell joins them.
const ALLOWED: [(&str, &str); 28] = [
    ("undertone-base", ""),
    ("undertone-crypto", "base"),
    ("undertone-transport", "base crypto"),
    ("undertone-account", "base crypto"),
    ("undertone-devp2p", "base crypto"),
    ("undertone-peers", "base crypto devp2p"),
    ("undertone-lanes", ""),
    ("undertone-sealed", "base crypto"),
    ("undertone-whisper", "base crypto lanes sealed transport"),
    ("undertone-ratchet", "base crypto"),
    ("undertone-datasync", "base crypto"),
    ("undertone-payload", "base crypto"),
    ("undertone-messenger", "base crypto transport payload ratchet datasync"),
    ("undertone-runtime", "base"),
    ("undertone-nat", "base runtime"),
    ("undertone-discovery", "base crypto devp2p runtime"),
    ("undertone-ens", "base crypto"),
    ("undertone-net", "base crypto devp2p peers runtime"),
    ("undertone-store", "base crypto messenger runtime"),
    ("undertone-node", "base crypto devp2p discovery nat net peers sealed transport whisper runtime"),
    // The SDK configures every layer below it.
    ("undertone", "account base crypto devp2p messenger net node payload runtime store transport whisper"),
    // The program shows what each layer did, so it names types of the layers that the SDK hands out.
    (
        "undertone-cli",
        "undertone account base crypto devp2p discovery ens messenger nat node payload peers runtime transport whisper",
    ),
    ("undertone-support", "base"),
    ("undertone-vectors", ""),
    ("undertone-interop", ANY),
    ("undertone-sim", ANY),
    ("undertone-bench", ANY),
    ("xtask", ""),
];

/// Programs that look at the whole stack from outside: any crate but an app.
const ANY: &str = "*";

/// Crates that exist for tests: allowed as dev-dependencies of everything.
const TESTING: [&str; 2] = ["undertone-support", "undertone-vectors"];

/// Dev-dependencies beyond these: a suite that runs over a real implementation. They join nothing in the product.
const TEST_ARROWS: [(&str, &str); 1] = [("undertone-messenger", "undertone-whisper")];

/// What would give a core crate a clock, entropy, a thread or a file.
const OUTSIDE_WORLD: [&str; 9] = [
    "anyhow",
    "clap",
    "getrandom",
    "rand",
    "rusqlite",
    "rustix",
    "tokio",
    "tokio-util",
    "tracing-subscriber",
];

/// Checks every manifest against the table.
pub(crate) fn run() -> Result<()> {
    let packages = cargo::packages()?;
    let mut faults = Vec::new();
    let mut arrows = 0_usize;
    for package in &packages {
        let Some(allowed) = allowed(&package.name) else {
            faults.push(format!("{} is not in the table: add its row to xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            arrows += usize::from(dependency.ours);
            faults.extend(judge(&packages, package, allowed, dependency));
        }
    }
    for (name, _) in ALLOWED {
        if !packages.iter().any(|p| p.name == name) {
            faults.push(format!("the table has a row for {name}, which does not exist"));
        }
    }
    if !faults.is_empty() {
        bail!("{} arrow(s) that the layers forbid:\n  {}", faults.len(), faults.join("\n  "));
    }
    println!("layers: {} crates, {arrows} arrows, all in the table", packages.len());
    Ok(())
}

fn allowed(name: &str) -> Option<&'static str> {
    ALLOWED.iter().find(|(row, _)| *row == name).map(|(_, allowed)| *allowed)
}

fn judge(packages: &[Package], package: &Package, allowed: &str, dependency: &Dependency) -> Option<String> {
    let (from, to) = (&package.name, &dependency.name);
    if !dependency.ours {
        let core = package.dir.starts_with("core/") && dependency.kind != Kind::Dev;
        let outside = OUTSIDE_WORLD.contains(&to.as_str());
        return (core && outside).then(|| format!("{from} → {to}: the core has no outside world"));
    }
    let short = to.strip_prefix("undertone-").unwrap_or(to);
    let app = packages.iter().any(|p| p.name == *to && p.dir.starts_with("apps/"));
    let by_table = allowed.split(' ').any(|name| name == short) || (allowed == ANY && !app);
    let listed = TESTING.contains(&to.as_str()) || TEST_ARROWS.contains(&(from.as_str(), to.as_str()));
    let by_test = dependency.kind == Kind::Dev && (listed || to == from);
    (!by_table && !by_test).then(|| format!("{from} → {to} is not in the table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(from: &str, dir: &str, to: &str, kind: Kind, ours: bool) -> Option<String> {
        let package = Package { name: from.into(), dir: dir.into(), dependencies: Vec::new() };
        let cli = Package { name: "undertone-cli".into(), dir: "apps/cli".into(), dependencies: Vec::new() };
        let allowed = allowed(from).unwrap();
        judge(&[cli], &package, allowed, &Dependency { name: to.into(), kind, ours })
    }

    #[test]
    fn forbidden_arrows_are_found() {
        let forbidden = [
            ("undertone-messenger", "core/messenger", "undertone-whisper", Kind::Normal, true),
            ("undertone-whisper", "core/whisper", "undertone-messenger", Kind::Dev, true),
            ("undertone-ratchet", "core/ratchet", "undertone-payload", Kind::Normal, true),
            ("undertone-whisper", "core/whisper", "undertone-devp2p", Kind::Normal, true),
            ("undertone-base", "core/base", "undertone-runtime", Kind::Normal, true),
            ("undertone-payload", "core/payload", "undertone-vectors", Kind::Normal, true),
            ("undertone-interop", "testing/interop", "undertone-cli", Kind::Normal, true),
            ("undertone-crypto", "core/crypto", "tokio", Kind::Normal, false),
        ];
        for (from, dir, to, kind, ours) in forbidden {
            assert!(judged(from, dir, to, kind, ours).is_some(), "{from} → {to}");
        }
    }

    #[test]
    fn allowed_arrows_pass() {
        let fine = [
            ("undertone-messenger", "core/messenger", "undertone-transport", Kind::Normal, true),
            ("undertone-payload", "core/payload", "undertone-vectors", Kind::Dev, true),
            ("undertone-transport", "core/transport", "undertone-transport", Kind::Dev, true),
            ("undertone-bench", "bench", "undertone-whisper", Kind::Normal, true),
            ("undertone-crypto", "core/crypto", "secp256k1", Kind::Normal, false),
        ];
        for (from, dir, to, kind, ours) in fine {
            assert_eq!(judged(from, dir, to, kind, ours), None, "{from} → {to}");
        }
    }
}
