//! What a crash of the program leaves behind.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use crate::{Home, Running};

/// The image of a process that holds keys would be those keys on the disk.
#[test]
fn a_crash_leaves_no_image_of_the_memory() {
    let home = Home::new(110);
    let mut listening = Running::start(&mut home.undertone(&["listen"]));
    listening.says("listening as");
    let pid = listening.child.id();
    if let Ok(limits) = std::fs::read_to_string(format!("/proc/{pid}/limits")) {
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let values: Vec<&str> = core.split_whitespace().skip(4).collect();
        assert_eq!(values, ["0", "0", "bytes"]);
    }
    listening.signal(Signal::ABORT);
    let status = listening.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
}
