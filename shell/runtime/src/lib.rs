//! The environment of a shell: clock, entropy, tasks
