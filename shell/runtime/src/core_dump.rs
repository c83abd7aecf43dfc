//! What a crash leaves behind.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on a crash of this process leaves no image of its memory, and nobody but the machine's owner reads that
/// memory while it runs: no file, nothing for a collector of crashes, no debugger of the same person.
///
/// For whoever holds keys, as the first thing that it does. Children inherit the limit, and lose the rest when they
/// become another program. The owner of `/proc/PID` becomes root, as for `ssh-agent`.
///
/// # Errors
/// Whatever the system says; then less is forbidden than asked for.
pub fn forbid_core_dumps() -> io::Result<()> {
    // A limit of files alone: what a collector of crashes is handed through a pipe has none (core(5)).
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_this_process() {
        forbid_core_dumps().unwrap();
        let limit = rustix::process::getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let behaviour = rustix::process::dumpable_behavior().unwrap();
            assert_eq!(behaviour, rustix::process::DumpableBehavior::NotDumpable);
        }
        forbid_core_dumps().unwrap();
    }
}
