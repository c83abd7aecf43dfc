//! What the papers claim, compared with the tree.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::{cargo, tree};

/// The only states of a row in docs/status.md.
const STATES: [&str; 3] = ["works", "partly", "not yet"];

/// Folders whose crates are linked into the program.
const PRODUCT: [&str; 3] = ["core/", "shell/", "apps/"];

/// Folders whose children are crates.
const PARTS: [&str; 4] = ["core/", "shell/", "apps/", "testing/"];

/// Compares every paper with the tree.
pub(crate) fn check(root: &Path, packages: &[cargo::Package], faults: &mut Vec<String>) -> Result<()> {
    architecture(&tree::read(&root.join("ARCHITECTURE.md"))?, packages, faults);
    let tests = test_names(root)?;
    status(&tree::read(&root.join("docs/status.md"))?, &tests, faults);
    checks(&tree::read(&root.join("docs/protocol/checks.md"))?, &tests, &codes(root)?, faults);
    for chapter in CHAPTERS {
        tables(chapter, &tree::read(&root.join(chapter))?, &tests, faults);
    }
    deviations(&tree::read(&root.join("docs/protocol/deviations.md"))?, &tests, faults);
    third_parties(&tree::read(&root.join("THIRD-PARTY.md"))?, packages, faults);
    links(root, faults)
}

/// Every library that a crate of the product asks for is named, with its licence.
fn third_parties(text: &str, packages: &[cargo::Package], faults: &mut Vec<String>) {
    let named: BTreeSet<&str> = quoted(text).collect();
    let product = packages.iter().filter(|p| PRODUCT.iter().any(|part| p.dir.starts_with(part)));
    let libraries =
        product.flat_map(|p| &p.dependencies).filter(|d| !d.ours && d.kind == cargo::Kind::Normal);
    for name in libraries.map(|d| d.name.as_str()).collect::<BTreeSet<_>>() {
        if !named.contains(name) {
            faults.push(format!("THIRD-PARTY.md does not name `{name}`"));
        }
    }
}

/// Chapters whose tables promise what tests show.
const CHAPTERS: [&str; 3] =
    ["docs/protocol/privacy.md", "docs/protocol/security.md", "docs/protocol/backup.md"];

/// Every test that a table of a chapter names exists.
fn tables(chapter: &str, text: &str, tests: &BTreeSet<String>, faults: &mut Vec<String>) {
    for cell in rows(text).into_iter().flatten() {
        missing(chapter, cell, tests, faults);
    }
}

/// Each deviation names a test that pins it.
fn deviations(text: &str, tests: &BTreeSet<String>, faults: &mut Vec<String>) {
    for item in text.lines().filter_map(|line| line.strip_prefix("- ")) {
        if !quoted(item).any(|name| tests.contains(name)) {
            faults.push(format!("a DEVIATION names no test that exists: {item}"));
        }
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

/// The name of every test of the tree, whether an attribute or a list of cases makes it one.
fn test_names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in tree::files(root, &["rs"])? {
        names.extend(tests_of(&tree::read(&file)?));
    }
    Ok(names)
}

/// The functions of a file that an attribute with `test` in it stands above, and the names in the lists of cases
/// that the interop program and the suites hand to a macro.
fn tests_of(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        names.extend(cases(line).map(str::to_owned));
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(rest[..end].to_owned());
            marked = false;
        } else if line.starts_with("#[") {
            marked |= line.contains("test");
        } else if !line.starts_with("//") && !line.is_empty() {
            marked &= line.starts_with(')') || line.starts_with('"');
        }
    }
    names
}

/// The names of a line that holds names and commas alone, but for what begins or ends the list; or the name that a line
/// of a table of cases begins with, in quotes.
fn cases(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.trim_start_matches('(').strip_prefix('"').and_then(|rest| rest.split_once("\","));
    let listed = line.split_once(": ").map(|(_, rest)| rest);
    let names = quoted.map(|(name, _)| name).or(listed).unwrap_or(line);
    let names = names.trim_end_matches([';', ')', '}', ' ']);
    let list = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_, ".contains(c);
    let is_list = quoted.is_some() || listed.is_some() && line.ends_with([';', ',']) || names.contains(',');
    let names = if is_list && names.chars().all(list) { names } else { "" };
    names.split(',').map(str::trim).filter(|name| name.contains('_') && !name.contains(' '))
}

/// Every quoted word of core and shell with the form of an error code.
fn codes(root: &Path) -> Result<BTreeSet<String>> {
    let mut codes = BTreeSet::new();
    for part in ["core", "shell"] {
        for file in tree::files(&root.join(part), &["rs"])? {
            let text = tree::read(&file)?;
            let dotted = |word: &&str| {
                word.contains('.') && word.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
            };
            codes.extend(text.split('"').filter(dotted).map(str::to_owned));
        }
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
    fn a_library_that_is_not_named_is_found() {
        let library = |name: &str, kind| cargo::Dependency { name: name.into(), kind, ours: false };
        let dependencies = vec![
            library("named", cargo::Kind::Normal),
            library("new", cargo::Kind::Normal),
            library("t", cargo::Kind::Dev),
        ];
        let packages = [cargo::Package { dependencies, ..package("core/base") }];
        let mut faults = Vec::new();
        third_parties("| MIT | `named` |", &packages, &mut faults);
        assert_eq!(faults, ["THIRD-PARTY.md does not name `new`"]);
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

    #[test]
    fn tests_are_told_from_other_functions() {
        let text = "
            #[tokio::test]
            #[ignore = \"long\"]
            async fn a_real_test() {}
            fn no_test() {}
            cases! {
                Geth links: we_dial_geth, geth_dials_us,
                one_more_case);
                Geth bad: a_single_one;
            ((\"in_a_table\", || ()), &[]),
            #[derive(Clone)]
            fn neither() {}
        ";
        let names: Vec<_> = tests_of(text).into_iter().collect();
        assert_eq!(names, ["a_real_test", "a_single_one", "geth_dials_us", "in_a_table", "we_dial_geth"]);
    }

    #[test]
    fn a_deviation_without_a_test_is_found() {
        let tests = BTreeSet::from(["real_test".to_owned()]);
        let mut faults = Vec::new();
        deviations("- pinned by `real_test`.\n- just so.\n- see `made_up`.", &tests, &mut faults);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
