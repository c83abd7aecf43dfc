//! Running cargo, and what it says of the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tree;

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its directory from the root, as `core/base`.
    pub(crate) dir: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it is a crate of this workspace.
    pub(crate) ours: bool,
}

/// Which section of the manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Build,
    Dev,
    Normal,
}

/// A command of the toolchain that runs this, in the root of the workspace, without stdin.
pub(crate) fn command(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(tree::root()?).stdin(Stdio::null());
    Ok(command)
}

/// Every crate of the workspace, from its manifests alone.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let output = command(&["metadata", "--format-version", "1", "--no-deps"])?
        .stderr(Stdio::inherit())
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed");
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let root = PathBuf::from(text(&metadata, "workspace_root")?);
    metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("packages")?
        .iter()
        .map(|p| package(&root, p))
        .collect()
}

fn package(root: &Path, value: &Value) -> Result<Package> {
    let manifest = PathBuf::from(text(value, "manifest_path")?);
    let dir = manifest.parent().context("a manifest has a directory")?;
    let dependencies = value.get("dependencies").and_then(Value::as_array).context("dependencies")?;
    Ok(Package {
        name: text(value, "name")?,
        dir: tree::relative(root, dir),
        dependencies: dependencies.iter().map(dependency).collect::<Result<_>>()?,
    })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let kind = match value.get("kind").and_then(Value::as_str) {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    };
    Ok(Dependency { name: text(value, "name")?, kind, ours: value.get("path").is_some_and(Value::is_string) })
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("cargo metadata has no {key}"))?
        .to_owned())
}
