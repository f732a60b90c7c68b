//! `cargo xtask bench expiry`: what a million keys cost when some of them expire, and when all of them have.

use std::{fs, path::Path, process::Stdio};

use crate::{
    flood::{Connection, Quantiles},
    run::{Failure, cargo, command, output, run, target},
    server::Latchkey,
};

/// Keys of each user.
const KEYS_OF_USER: usize = 50;
/// Checks of a key on either table.
const CHECKS: usize = 4000;
const HOUR_MILLIS: i64 = 3_600_000;
/// By then every key has expired, so long ago that the sweeper does not look for it any more.
const LATER_MILLIS: i64 = 600 * 24 * HOUR_MILLIS;

/// Fills a table, sweeps it, and checks keys beside a million that have expired.
pub(crate) fn expiry(profile: &str, keys: usize, expiring: usize) -> Result<(), Failure> {
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let data = target().join("xtask/expiry");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data)?;
    let latchkey = |arguments: &[&str]| {
        let path = data.display().to_string();
        let mut command = command(target().join(profile).join("latchkey"), &["--data", &path]);
        command.args(arguments);
        command
    };
    // To the first minutes of a day, so that the day does not end in between.
    let day = 24 * HOUR_MILLIS;
    let start =
        day - output(&mut command("date", &["+%s000"]))?.trim().parse::<i64>()?.rem_euclid(day) + HOUR_MILLIS / 6;
    set_clock(&data, start)?;
    let (users, of_user, expire) = ((keys / KEYS_OF_USER).to_string(), KEYS_OF_USER.to_string(), expiring.to_string());
    output(&mut latchkey(&["seed", "--users", &users, "--keys", &of_user, "--expiring", &expire]))?;
    let sweep = || {
        let event = fs::File::open(crate::run::root().join("events/sweeper.json"))?;
        output(latchkey(&["invoke", "sweeper"]).stdin(Stdio::from(event)))
    };
    println!("\n{keys} keys, {expiring} of which expire within the hour\n\nbefore they do: {}", sweep()?.trim());
    set_clock(&data, start + HOUR_MILLIS)?;
    println!("after:          {}", sweep()?.trim());
    println!("once more:      {}", sweep()?.trim());

    set_clock(&data, start + LATER_MILLIS)?;
    let seeded = output(&mut latchkey(&["seed", "--users", "1", "--keys", "2"]))?;
    let key = seeded.split('"').find(|text| text.starts_with("lk_")).ok_or("no key was made")?.to_owned();
    let full = Latchkey::start_on(profile, data.clone(), &[])?;
    let empty = Latchkey::start(profile, "expiry-empty", &[])?;
    let other = empty.exported("USER_KEY")?;
    let (mut of_full, mut of_empty) = (Connection::open(full.port)?, Connection::open(empty.port)?);
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    for turn in 0..CHECKS + CHECKS / 10 {
        // In turns, so that whatever else the machine does strikes both.
        let (one, two) = (of_full.check(&key)?, of_empty.check(&other)?);
        if turn >= CHECKS / 10 {
            beside.push(one);
            alone.push(two);
        }
    }
    let (beside, alone) = (Quantiles::of(beside), Quantiles::of(alone));
    println!("\nchecks of a key, {CHECKS} on each of two servers in turns; profile {profile}\n");
    println!("| | p50 ms | p99 ms |\n| --- | ---: | ---: |");
    println!("| a table with a few keys | {:.3} | {:.3} |", alone.p50, alone.p99);
    println!("| a table with {keys} expired keys | {:.3} | {:.3} |", beside.p50, beside.p99);
    println!("| ratio | {:.2} | {:.2} |", beside.p50 / alone.p50, beside.p99 / alone.p99);
    Ok(())
}

/// Moves the clock of whoever runs on this data.
fn set_clock(data: &Path, offset_millis: i64) -> Result<(), Failure> {
    Ok(fs::write(data.join("clock-offset"), offset_millis.to_string())?)
}
