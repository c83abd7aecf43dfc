//! Small rules of the house that no lint knows.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{cargo, papers, tree};

/// Longest source file in lines, tests excluded.
const MAX_LINES: usize = 1_000;

/// Above this a file is named in the output, so that somebody looks at it.
const LONG_LINES: usize = 600;

/// Where a path of one machine would begin. Spelled in halves so that this file passes its own check.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Runs every rule and names every breach at once.
pub(crate) fn run() -> Result<()> {
    let root = tree::root()?;
    let packages = cargo::packages()?;
    let mut faults = Vec::new();
    file_lengths(&root, &mut faults)?;
    machine_paths(&root, &mut faults)?;
    core_heads(&root, &packages, &mut faults)?;
    toolchain(&root, &mut faults)?;
    papers::check(&root, &packages, &mut faults)?;
    if !faults.is_empty() {
        bail!("{} rule(s) of the house broken:\n  {}", faults.len(), faults.join("\n  "));
    }
    println!("house: lengths, paths, crate heads, toolchain and papers are in order");
    Ok(())
}

fn file_lengths(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    for file in tree::files(root, &["rs"])? {
        let name = tree::relative(root, &file);
        if is_test(&name) || name.contains("/src/proto/") {
            continue;
        }
        let lines = lines_without_tests(&tree::read(&file)?);
        if lines > MAX_LINES {
            faults.push(format!(
                "{name} has {lines} lines without tests, over {MAX_LINES}: split it by concern"
            ));
        } else if lines > LONG_LINES {
            println!(
                "house: {name} has {lines} lines without tests; over {LONG_LINES} wants a written reason"
            );
        }
    }
    Ok(())
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

/// Lines before the test module at the bottom.
fn lines_without_tests(text: &str) -> usize {
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let module = lines.peek().is_some_and(|(_, next)| next.starts_with("mod tests {"));
        if line == "#[cfg(test)]" && module {
            return number;
        }
    }
    text.lines().count()
}

fn machine_paths(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let mut files = tree::files(root, &["rs", "toml", "md", "proto", "json", "yml", "svg"])?;
    files.push(root.join(".ci/run"));
    for file in files {
        for (number, line) in tree::read(&file)?.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
                let name = tree::relative(root, &file);
                faults.push(format!("{name}:{} names a path of one machine", number + 1));
            }
        }
    }
    Ok(())
}

/// The one crate of the core with unsafe code (docs/decisions/010): each block says why it is sound.
const VECTORS: &str = "core/lanes";

fn core_heads(root: &Path, packages: &[cargo::Package], faults: &mut Vec<String>) -> Result<()> {
    for package in packages.iter().filter(|p| p.dir.starts_with("core/")) {
        let head = root.join(&package.dir).join("src/lib.rs");
        let says = match package.dir.as_str() {
            VECTORS => "#![deny(clippy::undocumented_unsafe_blocks)]",
            _ => "#![forbid(unsafe_code)]",
        };
        if !tree::read(&head)?.contains(says) {
            faults.push(format!("{}/src/lib.rs does not say {says}", package.dir));
        }
    }
    Ok(())
}

/// The minimum Rust is the pinned one: written twice because two tools read it, so compared here.
fn toolchain(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let manifest: toml::Table = tree::read(&root.join("Cargo.toml"))?.parse()?;
    let pinned: toml::Table = tree::read(&root.join("rust-toolchain.toml"))?.parse()?;
    let minimum = string(&manifest, &["workspace", "package", "rust-version"])?;
    let channel = string(&pinned, &["toolchain", "channel"])?;
    if channel != minimum && !channel.starts_with(&format!("{minimum}.")) {
        faults.push(format!("rust-version is {minimum} but rust-toolchain.toml pins {channel}"));
    }
    Ok(())
}

fn string<'a>(table: &'a toml::Table, keys: &[&str]) -> Result<&'a str> {
    let (last, path) = keys.split_last().context("a key")?;
    let mut table = table;
    for key in path {
        table = table.get(*key).and_then(toml::Value::as_table).with_context(|| format!("no [{key}]"))?;
    }
    table.get(*last).and_then(toml::Value::as_str).with_context(|| format!("no {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_is_not_counted() {
        assert_eq!(lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_without_tests("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
        assert_eq!(lines_without_tests("#[cfg(test)]\nuse x;\nb"), 3);
    }

    #[test]
    fn tests_are_known_by_their_place() {
        assert!(is_test("core/x/tests/it/main.rs") && is_test("core/x/src/pool/tests.rs"));
        assert!(!is_test("core/x/src/pool.rs"));
    }
}
