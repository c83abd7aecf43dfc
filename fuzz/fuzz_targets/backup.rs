#![cfg_attr(fuzzing, no_main)]
undertone_fuzz::program!(backup);
