//! The commands of Latchkey's developers.
//!
//! `cargo xtask test` runs every check and installs what it lacks; `cargo xtask bench cold` measures the functions as
//! Lambda starts them, `cargo xtask bench flood` whether a flood of sign-ins slows those who present keys.

mod bench;
mod cloud;
mod console;
mod expiry;
mod flood;
mod kills;
mod load;
mod plot;
mod run;
mod runtime_api;
mod server;
mod suites;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of Latchkey's developers.
#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check
    Test {
        /// Leave this suite out; may be given several times
        #[arg(long)]
        skip: Vec<String>,
        /// Run this suite alone; may be given several times
        #[arg(long)]
        only: Vec<String>,
    },
    /// Build what `sam deploy` takes
    Package {
        /// As Lambda calls it
        #[arg(long, default_value = "arm64")]
        architecture: String,
    },
    /// Deploy to an emulator of AWS, and tell the stories there
    E2e {
        /// The profile of the functions
        #[arg(long, default_value = "dev")]
        profile: String,
    },
    /// Photograph every page of the console, wide and narrow, light and dark
    Screenshots {
        /// Put those that the README shows there too
        #[arg(long)]
        for_readme: bool,
    },
    /// Measure
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// From the start of a process to its first answer, for every function, beside Node.js doing the same
    Cold {
        /// The profile of the binaries
        #[arg(long, default_value = "release")]
        profile: String,
        /// Starts of each
        #[arg(long, default_value_t = 20)]
        starts: usize,
    },
    /// The console's pages of API keys, of somebody who has many
    Page {
        /// The profile of the server
        #[arg(long, default_value = "fast")]
        profile: String,
        /// Keys of the person
        #[arg(long, default_value_t = 1000)]
        keys: usize,
    },
    /// A sweep of a table in which some keys expire, and checks beside as many that have
    Expiry {
        /// The profile of the server
        #[arg(long, default_value = "fast")]
        profile: String,
        /// Keys in the table
        #[arg(long, default_value_t = 1_000_000)]
        keys: usize,
        /// Those of them that expire
        #[arg(long, default_value_t = 10_000)]
        expiring: usize,
    },
    /// Every kind of request at 1, 16 and 64 connections, beside the API keys of Better Auth
    Load {
        /// The profile of the server
        #[arg(long, default_value = "fast")]
        profile: String,
        /// Seconds of each run
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
    /// Key checks in tables of a thousand keys to a million
    Growth {
        /// The profile of the server
        #[arg(long, default_value = "fast")]
        profile: String,
    },
    /// Instructions of the processor for one check of a key and of a token
    Instructions {
        /// The profile of the functions
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Whether what was killed stays out of four servers on one store
    Kills {
        /// The profile of the servers
        #[arg(long, default_value = "fast")]
        profile: String,
        /// Keys, users, sessions and passwords in turn
        #[arg(long, default_value_t = 2000)]
        count: usize,
    },
    /// Key checks while hundreds try passwords
    Flood {
        /// The profile of the server
        #[arg(long, default_value = "fast")]
        profile: String,
    },
}

fn main() -> ExitCode {
    let succeeded = match Arguments::parse().command {
        Command::Test { skip, only } => suites::test(&skip, &only),
        Command::Package { architecture } => cloud::package(&architecture).map(|()| true),
        Command::E2e { profile } => cloud::e2e(&profile).map(|()| true),
        Command::Screenshots { for_readme } => console::screenshots(for_readme).map(|()| true),
        Command::Bench { what: Bench::Page { profile, keys } } => console::bench(&profile, keys).map(|()| true),
        Command::Bench { what: Bench::Cold { profile, starts } } => bench::cold(&profile, starts).map(|()| true),
        Command::Bench { what: Bench::Expiry { profile, keys, expiring } } => {
            expiry::expiry(&profile, keys, expiring).map(|()| true)
        }
        Command::Bench { what: Bench::Load { profile, seconds } } => load::load(&profile, seconds).map(|()| true),
        Command::Bench { what: Bench::Growth { profile } } => load::growth(&profile).map(|()| true),
        Command::Bench { what: Bench::Instructions { profile } } => bench::instructions(&profile).map(|()| true),
        Command::Bench { what: Bench::Kills { profile, count } } => kills::kills(&profile, count).map(|()| true),
        Command::Bench { what: Bench::Flood { profile } } => flood::flood(&profile).map(|()| true),
    };
    match succeeded {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
