//! `undertone demo`, as the README shows it.

use std::path::Path;

use crate::{Ended, LONG, Running, run, undertone};

fn once(dir: &Path) -> Ended {
    run(undertone().args(["demo", "--once", "--datadir"]).arg(dir))
}

/// Twice in a kept directory, and a third time after the whole tree was killed in the middle.
#[test]
fn it_ends_well_again_and_again_also_after_kill_9_of_the_whole_tree() {
    let dir = tempfile::tempdir().unwrap();
    let first = once(dir.path()).expect(0);
    assert!(first.out.contains("exactly once"), "{}", first.out);
    assert!(!first.out.contains('\u{1b}'), "no colours where no terminal is");
    once(dir.path()).expect(0);

    let seeds = ["four real nodes", "Bob is killed", "A public chat"];
    for place in seeds {
        let demo = Running::start(undertone().args(["demo", "--once", "--datadir"]).arg(dir.path()));
        while !demo.line().contains(place) {}
        demo.kill_tree();
        // Bob is a process of his own, which nobody here can wait for: he has gone when his directory is free.
        let free = || undertone_runtime::DataDirLock::check(&dir.path().join("bob")).is_ok();
        assert!(undertone_support::until(LONG, free));
    }
    once(dir.path()).expect(0);
}
