#![cfg_attr(fuzzing, no_main)]
undertone_fuzz::program!(discv4_packet);
