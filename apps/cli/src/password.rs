//! Where passwords come from: a file, or a prompt on a terminal. Never an argument, never the environment.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use zeroize::Zeroizing;

use crate::Usage;

/// Largest password file in bytes.
const MAX_FILE: u64 = 4_096;

/// The password of an existing account.
pub(crate) fn existing(file: Option<&Path>) -> Result<Zeroizing<String>> {
    match file {
        Some(file) => from_file(file),
        None => prompt("Password: "),
    }
}

/// A new password: typed twice, or from the file.
pub(crate) fn new(file: Option<&Path>) -> Result<Zeroizing<String>> {
    let password = match file {
        Some(file) => from_file(file)?,
        None => {
            let first = prompt("New password: ")?;
            let second = prompt("Once more: ")?;
            ensure!(*first == *second, "the two passwords differ: nothing was changed");
            first
        }
    };
    ensure!(!password.is_empty(), "an empty password protects nothing: nothing was changed");
    Ok(password)
}

fn prompt(label: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        let hint = "no terminal to ask for the password: use --password-file FILE or UNDERTONE_PASSWORD_FILE";
        return Err(Usage(hint.to_owned()).into());
    }
    rpassword::prompt_password(label).map(Zeroizing::new).context("read the password")
}

/// The first line, without its end.
fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let about = || format!("read the password file {}", path.display());
    let length = std::fs::metadata(path).with_context(about)?.len();
    ensure!(length <= MAX_FILE, "{} is no password file: it has {length} bytes", path.display());
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(about)?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_the_file_is_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "correct horse\r\nignored\n").unwrap();
        assert_eq!(*new(Some(&file)).unwrap(), "correct horse");
        std::fs::write(&file, "\n").unwrap();
        assert!(new(Some(&file)).is_err());
        assert!(existing(Some(&dir.path().join("absent"))).is_err());
    }
}
