//! Whether there is room for what the node keeps, and whether nobody else can read its keys.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Finding, Group, Site};

pub(super) const GROUP: Group = Group { name: "disk", look };

/// Least free space in bytes. Our choice: room for a day of messages and for the databases to be rewritten.
const MIN_FREE: u64 = 256 * 1024 * 1024;
/// Most key files that are looked at. Our choice: nobody has more accounts.
const MAX_KEYS: usize = 1_000;

fn look(site: &Site) -> Vec<Finding> {
    let dir = &site.dir;
    if !dir.exists() {
        let says = format!("{} does not exist yet; a node or an account makes it", dir.display());
        return vec![Finding::unknown("directory", says), space(existing_parent(dir))];
    }
    vec![directory(dir), space(dir), keys(dir)]
}

fn directory(dir: &Path) -> Finding {
    let about = dir.display();
    match std::fs::metadata(dir) {
        Err(error) => Finding::red("directory", format!("{about}: {error}"), "use another --datadir"),
        Ok(meta) if !meta.is_dir() => {
            Finding::red("directory", format!("{about} is no directory"), "use another --datadir")
        }
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Finding::red(
            "directory",
            format!("{about} is open to other users of this machine"),
            format!("close it: `chmod 700 {about}`"),
        ),
        Ok(_) => match tempfile::tempfile_in(dir) {
            Ok(_) => Finding::green("directory", format!("{about} is yours alone and can be written")),
            Err(error) => Finding::red(
                "directory",
                format!("nothing can be written to {about}: {error}"),
                "make it yours (`chown`), or use another --datadir",
            ),
        },
    }
}

fn space(dir: &Path) -> Finding {
    let free = match rustix::fs::statvfs(dir) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Finding::unknown("free space", format!("cannot be asked for: {error}")),
    };
    let says = format!("{} free", bytes(free));
    if free >= MIN_FREE {
        Finding::green("free space", says)
    } else {
        Finding::red("free space", says, format!("make room: at least {} are needed", bytes(MIN_FREE)))
    }
}

/// Every file that holds a key: for its owner alone.
fn keys(dir: &Path) -> Finding {
    let files: Vec<PathBuf> = key_files(dir);
    let open: Vec<&PathBuf> = files
        .iter()
        .filter(|file| std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0))
        .collect();
    match open.as_slice() {
        [] if files.is_empty() => Finding::green("key files", "none here yet"),
        [] => Finding::green("key files", format!("{} readable by you alone", files.len())),
        [first, ..] => Finding::red(
            "key files",
            format!("{} of {} can be read by other users of this machine", open.len(), files.len()),
            format!("close them: `chmod 600 {}`", first.display()),
        ),
    }
}

fn key_files(dir: &Path) -> Vec<PathBuf> {
    let inside =
        |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let accounts = inside(dir.join("accounts"));
    let names = ["nodekey", "messages.db", "messages.db.salt"];
    let of_accounts = accounts.flat_map(|account| names.map(|name| account.join(name)));
    let all = [dir.join("nodekey")].into_iter().chain(inside(dir.join("keystore"))).chain(of_accounts);
    all.filter(|file| file.is_file()).take(MAX_KEYS).collect()
}

fn existing_parent(dir: &Path) -> &Path {
    dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"))
}

/// A size in the unit that people read.
fn bytes(n: u64) -> String {
    let gib = 1024 * 1024 * 1024;
    if n >= gib { format!("{} GiB", n / gib) } else { format!("{} MiB", n / (1024 * 1024)) }
}
