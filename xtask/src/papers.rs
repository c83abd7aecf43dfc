//! What the papers claim, compared with the tree.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::{cargo, tree};

/// The only states of a row in docs/status.md.
const STATES: [&str; 3] = ["works", "partly", "not yet"];

/// Folders whose children are crates.
const PARTS: [&str; 4] = ["core/", "shell/", "apps/", "testing/"];

/// Compares every paper with the tree.
pub(crate) fn check(root: &Path, packages: &[cargo::Package], faults: &mut Vec<String>) -> Result<()> {
    architecture(&tree::read(&root.join("ARCHITECTURE.md"))?, packages, faults);
    let tests = test_names(root)?;
    status(&tree::read(&root.join("docs/status.md"))?, &tests, faults);
    checks(&tree::read(&root.join("docs/protocol/checks.md"))?, &tests, &codes(root)?, faults);
    privacy(&tree::read(&root.join("docs/protocol/privacy.md"))?, &tests, faults);
    links(root, faults)
}

/// Every test that a table of the chapter on privacy names exists.
fn privacy(text: &str, tests: &BTreeSet<String>, faults: &mut Vec<String>) {
    for cell in rows(text).into_iter().flatten() {
        missing("docs/protocol/privacy.md", cell, tests, faults);
    }
}

/// ARCHITECTURE.md names every crate by its folder, and no folder that is no crate.
fn architecture(text: &str, packages: &[cargo::Package], faults: &mut Vec<String>) {
    let named: BTreeSet<&str> = quoted(text).collect();
    for package in packages {
        if !named.contains(package.dir.as_str()) {
            faults.push(format!("ARCHITECTURE.md does not name `{}`", package.dir));
        }
    }
    for name in named {
        let place = PARTS
            .iter()
            .any(|part| name.strip_prefix(part).is_some_and(|n| !n.is_empty() && !n.contains('/')));
        if place && !packages.iter().any(|p| p.dir == name) {
            faults.push(format!("ARCHITECTURE.md names `{name}`, which is no crate"));
        }
    }
}

/// Each row says what, what shows it, and one of three states; a row that works names tests that exist.
fn status(text: &str, tests: &BTreeSet<String>, faults: &mut Vec<String>) {
    for row in rows(text) {
        let [what, shown, state] = row.as_slice() else {
            faults.push(format!("docs/status.md: a row has not three cells: {row:?}"));
            continue;
        };
        if !STATES.contains(state) {
            faults.push(format!("docs/status.md: “{what}” is “{state}”, not one of {STATES:?}"));
        }
        if *state == STATES[2] {
            continue;
        }
        if shown.is_empty() {
            faults.push(format!("docs/status.md: nothing shows “{what}”"));
        }
        missing(&format!("docs/status.md: “{what}”"), shown, tests, faults);
    }
}

/// Each row of the tables of checks has an id of its own, which is a code of the source if it has the form of one,
/// and names tests that exist.
fn checks(text: &str, tests: &BTreeSet<String>, codes: &BTreeSet<String>, faults: &mut Vec<String>) {
    let mut ids = BTreeSet::new();
    for row in rows(text) {
        let [id, _rule, _section, shown] = row.as_slice() else {
            faults.push(format!("docs/protocol/checks.md: a row has not four cells: {row:?}"));
            continue;
        };
        if !ids.insert(*id) {
            faults.push(format!("docs/protocol/checks.md: {id} stands twice"));
        }
        if id.contains('.') && !codes.contains(*id) {
            faults.push(format!("docs/protocol/checks.md: no error has the code {id}"));
        }
        missing(&format!("docs/protocol/checks.md: {id}"), shown, tests, faults);
    }
}

fn missing(place: &str, shown: &str, tests: &BTreeSet<String>, faults: &mut Vec<String>) {
    for name in quoted(shown).filter(|name| is_test_name(name)) {
        let function = name.rsplit("::").next().unwrap_or(name);
        if !tests.contains(function) {
            faults.push(format!("{place} names the test `{name}`, which does not exist"));
        }
    }
}

/// Whether a quoted word is the name of a test rather than a command, a file or a flag.
fn is_test_name(name: &str) -> bool {
    name.contains('_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
}

/// The name of every function of the tree (tests among them) and every case of the interop program.
fn test_names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in tree::files(root, &["rs"])? {
        for line in tree::read(&file)?.lines() {
            if let Some((_, rest)) = line.split_once("fn ") {
                let name =
                    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(rest);
                names.insert(name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Every quoted word of the core's source with the form of an error code.
fn codes(root: &Path) -> Result<BTreeSet<String>> {
    let mut codes = BTreeSet::new();
    for file in tree::files(&root.join("core"), &["rs"])? {
        let text = tree::read(&file)?;
        let dotted = |word: &&str| {
            word.contains('.') && word.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
        };
        codes.extend(text.split('"').filter(dotted).map(str::to_owned));
    }
    Ok(codes)
}

/// Links between our own papers lead somewhere.
fn links(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    for file in tree::files(root, &["md"])? {
        let text = tree::read(&file)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || target.contains("://") {
                continue;
            }
            if !file.parent().unwrap_or(root).join(path).exists() {
                faults
                    .push(format!("{} links to {target}, which does not exist", tree::relative(root, &file)));
            }
        }
    }
    Ok(())
}

/// The cells of every table row but the heads and rules.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let rule = |line: &str| line.starts_with("|-") || line.starts_with("| -");
    let mut rows = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let head = lines.get(number + 1).is_some_and(|next| rule(next));
        if line.starts_with('|') && !head && !rule(line) {
            rows.push(line.trim().trim_matches('|').split('|').map(str::trim).collect());
        }
    }
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(dir: &str) -> cargo::Package {
        cargo::Package { name: String::new(), dir: dir.into(), dependencies: Vec::new() }
    }

    #[test]
    fn a_crate_that_is_not_named_or_does_not_exist_is_found() {
        let mut faults = Vec::new();
        architecture(
            "`core/base` `core/ghost`",
            &[package("core/base"), package("core/crypto")],
            &mut faults,
        );
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_row_that_lies_is_found() {
        let tests = BTreeSet::from(["real_test".to_owned()]);
        let table = "| what | by | state |\n|---|---|---|\n\
            | a | `real_test` | works |\n| b | `made_up` | not yet |\n\
            | c | `x::made_up` | works |\n| d | | partly |\n| e | `cargo xtask ci` | perhaps |\n";
        let mut faults = Vec::new();
        status(table, &tests, &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn a_check_that_stands_twice_is_found() {
        let mut faults = Vec::new();
        let table = "| E1 | r | s | |\n| E1 | r | s | `no_such` |\n| made.up | r | s | |\n";
        checks(table, &BTreeSet::new(), &BTreeSet::new(), &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
