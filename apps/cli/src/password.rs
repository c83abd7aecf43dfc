//! Where passwords come from: a file, or a prompt on a terminal. Never an argument, never the environment.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use zeroize::Zeroizing;

use crate::Usage;

/// Largest password file in bytes.
const MAX_FILE: usize = 4_096;

/// The password of an existing account.
pub(crate) fn existing(file: Option<&Path>) -> Result<Zeroizing<String>> {
    existing_of("Password: ", file)
}

/// The password of something that is not the account, as the prompt says.
pub(crate) fn existing_of(label: &str, file: Option<&Path>) -> Result<Zeroizing<String>> {
    match file {
        Some(file) => from_file(file),
        None => prompt(label),
    }
}

/// A secret of another kind; stdin is a terminal.
pub(crate) fn typed_unseen(label: &str) -> Result<Zeroizing<String>> {
    rpassword::prompt_password(label).map(Zeroizing::new).context("read what is typed")
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
    typed_unseen(label)
}

/// The first line, without its end. Pipes are read as well, and have no length before their end.
fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let about = || format!("read the password file {}", path.display());
    // Never grown, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    let mut file = File::open(path).with_context(about)?.take(MAX_FILE as u64 + 1);
    file.read_to_end(&mut bytes).with_context(about)?;
    ensure!(
        bytes.len() <= MAX_FILE,
        "{} is no password file: it has more than {MAX_FILE} bytes",
        path.display()
    );
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("{} holds no UTF-8 text", path.display()))?;
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
        std::fs::write(&file, b"\xff\xfe\n").unwrap();
        assert!(existing(Some(&file)).unwrap_err().to_string().contains("no UTF-8"));
    }

    /// A pipe says that it is empty until it was read; one without end is not read to it.
    #[test]
    fn a_pipe_is_read_as_far_as_a_password_can_go() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let writer = |bytes: Vec<u8>| {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::OpenOptions::new().write(true).open(pipe)?.write_all(&bytes))
        };
        let written = writer(b"through a pipe\nignored\n".to_vec());
        assert_eq!(*existing(Some(&pipe)).unwrap(), "through a pipe");
        written.join().unwrap().unwrap();
        let endless = writer(vec![b'a'; 1 << 20]);
        assert!(existing(Some(&pipe)).unwrap_err().to_string().contains("more than 4096 bytes"));
        assert!(endless.join().unwrap().is_err(), "nobody reads on");
    }
}
