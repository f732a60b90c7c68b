//! `cargo xtask bench load`: how many requests the local server answers and how soon, beside the API keys of Better Auth in
//! the same run. `bench growth`: checks of keys beside ever more others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    flood::{Connection, Quantiles},
    plot::{Bar, Chart},
    run::{Failure, cargo, command, output, root, run, target},
    server::{Latchkey, start_until},
    tools,
};

const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Users whose keys are presented, each with so many.
const USERS: usize = 100;
const KEYS_OF_USER: usize = 10;
/// Keys in use in each table, if it has so many users: one of each, from all over it.
const KEYS_CHECKED: usize = 2000;
/// Keys of each user in tables that grow.
const KEYS_BESIDE: usize = 50;
/// Checks of a key in each of the tables that are compared.
const CHECKS: usize = 4000;

/// What is asked for.
struct Load {
    name: &'static str,
    method: &'static str,
    url: String,
    /// The header that carries a credential, and the file with its values.
    credentials: (&'static str, PathBuf),
    /// Further header lines and the body; `%d` in it becomes another number each time.
    headers: Vec<String>,
    body: Option<&'static str>,
}

/// What came of it.
struct Measured {
    name: &'static str,
    connections: u32,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures, prints a table and draws it.
pub(crate) fn load(profile: &str, seconds: u32) -> Result<(), Failure> {
    let wrk = tools::wrk()?;
    let better_auth = tools::better_auth()?;
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let folder = target().join("xtask/load");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;

    let mut all = Vec::new();
    {
        let (server, keys) = filled(profile, folder.join("data"), USERS, KEYS_OF_USER)?;
        for load in of_latchkey(&server, &folder, &keys)? {
            measure(wrk, &load, seconds, &mut all)?;
        }
    }
    for (storage, check) in
        [("database", "Better Auth: key check"), ("memory", "Better Auth: key check, keys in its memory")]
    {
        let out = folder.join("better-auth.json");
        let (data, file) = (folder.join("better-auth").display().to_string(), out.display().to_string());
        let script = better_auth.join("server.mjs").display().to_string();
        let mut node = command("node", &[&script, "--directory", &data, "--out", &file, "--storage", storage]);
        let (_server, said) = start_until(node.current_dir(&better_auth), |line| line.starts_with("listening"))?;
        let port = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        let made: Value = serde_json::from_str(&fs::read_to_string(out)?)?;
        for load in of_better_auth(&folder, check, &port, &made, storage == "database")? {
            measure(wrk, &load, seconds, &mut all)?;
        }
    }

    println!("\n{seconds} s each, wrk and server on the same two cores; profile {profile}\n");
    println!("| request | connections | per second | p50 ms | p99 ms |\n| --- | ---: | ---: | ---: | ---: |");
    for it in &all {
        println!("| {} | {} | {:.0} | {:.2} | {:.2} |", it.name, it.connections, it.per_second, it.p50_ms, it.p99_ms);
    }
    let at_64 =
        |name: &str| all.iter().find(|it| it.name == name && it.connections == 64).ok_or("nothing was measured");
    let (ours, theirs) = (at_64("key check")?, at_64("Better Auth: key check")?);
    println!(
        "\nkey checks at 64 connections: {:.1} times those of Better Auth on SQLite, p99 {:.1} ms against {:.1} ms",
        ours.per_second / theirs.per_second,
        ours.p99_ms,
        theirs.p99_ms
    );
    draw(&all)
}

fn of_latchkey(server: &Latchkey, folder: &Path, keys: &[String]) -> Result<Vec<Load>, Failure> {
    let mut connection = Connection::open(server.port)?;
    // The first user is an admin. Whoever measures creates more keys than a user may have by default.
    let admin = format!("apikey: {}\r\n", keys[0]);
    let info: Value = serde_json::from_slice(&connection.call("GET", "/v1/users/info", &admin, "")?)?;
    let limits = format!("/v1/tenants/{}/resourceLimits", info["tenantUid"].as_str().ok_or("no tenant")?);
    connection.call("PATCH", &limits, &admin, r#"{"resources":[{"kind":"apiKey","limit":10000}]}"#)?;
    let mut tokens = Vec::new();
    for key in keys {
        let answer = connection.call("POST", "/v1/auth/authenticate", &format!("apikey: {key}\r\n"), "")?;
        let answer: Value = serde_json::from_slice(&answer)?;
        tokens.push(answer["Authorization"].as_str().ok_or("no token")?.to_owned());
    }
    let (keys, tokens) = (listed(folder, "keys", keys)?, listed(folder, "tokens", &tokens)?);
    let load = |name, method, path: &str, header, file: &PathBuf, body| Load {
        name,
        method,
        url: format!("http://127.0.0.1:{}{path}", server.port),
        credentials: (header, file.clone()),
        headers: vec!["Content-Type: application/json".to_owned()],
        body,
    };
    // The shortest answers to somebody who is let in.
    let check = "/v1/projects/alerts";
    let create = r#"{"metadata":{"name":"k%d"},"spec":{"expiry":"2099-01-01T00:00:00.000Z"}}"#;
    Ok(vec![
        load("key check", "GET", check, "ApiKey", &keys, None),
        load("token check", "GET", check, "Authorization", &tokens, None),
        load("authenticate by key", "POST", "/v1/auth/authenticate", "ApiKey", &keys, None),
        load("refresh", "GET", "/v1/auth/refresh", "Authorization", &tokens, None),
        load("list of 10 keys", "GET", "/v1/apiKeys", "ApiKey", &keys, None),
        load("create a key", "POST", "/v1/apiKeys", "ApiKey", &keys, Some(create)),
    ])
}

fn of_better_auth(
    folder: &Path,
    check: &'static str,
    port: &str,
    made: &Value,
    with_others: bool,
) -> Result<Vec<Load>, Failure> {
    let keys: Vec<String> = serde_json::from_value(made["keys"].clone())?;
    let cookie = made["cookie"].as_str().ok_or("no cookie")?.to_owned();
    let (keys, cookie) = (listed(folder, "their-keys", &keys)?, listed(folder, "their-cookie", &[cookie])?);
    let load = |name, method, path: &str, header, file: &PathBuf, body| Load {
        name,
        method,
        url: format!("http://127.0.0.1:{port}{path}"),
        credentials: (header, file.clone()),
        headers: vec![format!("Origin: http://127.0.0.1:{port}"), "Content-Type: application/json".to_owned()],
        body,
    };
    let mut loads = vec![load(check, "GET", "/check", "x-api-key", &keys, None)];
    if with_others {
        loads.push(load("Better Auth: session check", "GET", "/api/auth/get-session", "Cookie", &cookie, None));
        loads.push(load("Better Auth: list of 10 keys", "GET", "/api/auth/api-key/list", "Cookie", &cookie, None));
        let (path, body) = ("/api/auth/api-key/create", r#"{"name":"k%d"}"#);
        loads.push(load("Better Auth: create a key", "POST", path, "Cookie", &cookie, Some(body)));
    }
    Ok(loads)
}

fn measure(wrk: &str, load: &Load, seconds: u32, all: &mut Vec<Measured>) -> Result<(), Failure> {
    let script = root().join("infra/bench/keys.lua").display().to_string();
    for connections in CONNECTIONS {
        // Whoever creates ends with more than the others may have: once is enough to show the time it takes.
        let seconds = if load.body.is_some() { 2 } else { seconds };
        let threads = connections.min(2);
        let arguments = [format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s")];
        let mut command = command(wrk, &[]);
        // A slow answer is one too.
        command.args(arguments).args(["--timeout", "20s", "-s", &script]);
        for header in &load.headers {
            command.args(["-H", header]);
        }
        command
            .arg(&load.url)
            .env("BENCH_METHOD", load.method)
            .env("BENCH_HEADER", load.credentials.0)
            .env("BENCH_KEYS", &load.credentials.1);
        if let Some(body) = load.body {
            command.env("BENCH_BODY", body);
        }
        let printed = output(&mut command)?;
        let line = printed.lines().find(|line| line.starts_with('{')).ok_or("wrk printed no figures")?;
        let figures: Value = serde_json::from_str(line)?;
        let number = |name: &str| figures[name].as_f64().ok_or_else(|| format!("wrk printed no {name}"));
        let (failed, requests) = (number("errors")? + number("non_2xx")?, number("requests")?);
        if failed > 0.0 || requests == 0.0 {
            return Err(format!("{}: {failed} of {requests} requests failed", load.name).into());
        }
        let measured = Measured {
            name: load.name,
            connections,
            per_second: requests / number("seconds")?,
            p50_ms: number("p50_us")? / 1000.0,
            p99_ms: number("p99_us")? / 1000.0,
        };
        println!("{} at {connections}: {:.0} per second", measured.name, measured.per_second);
        all.push(measured);
    }
    Ok(())
}

/// A file of one value a line.
fn listed(folder: &Path, name: &str, values: &[String]) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    fs::write(&path, values.join("\n"))?;
    Ok(path)
}

/// A server on a table of so many keys, and one key of each user.
fn filled(profile: &str, data: PathBuf, users: usize, keys: usize) -> Result<(Latchkey, Vec<String>), Failure> {
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data)?;
    let program = target().join(profile).join("latchkey");
    let path = data.display().to_string();
    let (users, of_user) = (users.to_string(), keys.to_string());
    // None of them ends so soon that a sweep, which every server begins with, has something to do.
    let size = ["--users", &users, "--keys", &of_user, "--expiring", "0"];
    let seeded = output(command(program, &["--data", &path, "seed"]).args(size))?;
    let keys = seeded.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["apiKey"].as_str()?.to_owned())
    });
    let keys = keys.collect();
    Ok((Latchkey::start_on(profile, data, &[])?, keys))
}

/// Checks of a key beside more and more others.
pub(crate) fn growth(profile: &str) -> Result<(), Failure> {
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let mut servers = Vec::new();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let data = target().join("xtask").join(format!("growth-{count}"));
        let (server, keys) = filled(profile, data, count / KEYS_BESIDE, KEYS_BESIDE)?;
        println!("a table of {count} keys is there");
        servers.push((count, server, keys));
    }
    for (_, server, keys) in &mut servers {
        *keys = keys.iter().step_by((keys.len() / KEYS_CHECKED).max(1)).cloned().collect();
        // That a key is used is written once an hour, which would be seen where every check is the first one of its key.
        let mut connection = Connection::open(server.port)?;
        for key in keys {
            connection.check(key)?;
        }
    }
    // Not before: a server closes a connection on which nothing comes for long.
    let mut tables = Vec::new();
    for (count, server, keys) in servers {
        let connection = Connection::open(server.port)?;
        tables.push((count, server, connection, keys, Vec::new()));
    }
    for turn in 0..CHECKS {
        // In turns, so that whatever else the machine does strikes all of them.
        for (_, _, connection, keys, spans) in &mut tables {
            spans.push(connection.check(&keys[turn % keys.len()])?);
        }
    }
    println!("\nchecks of {KEYS_CHECKED} keys at most, {CHECKS} in each of the tables in turns; profile {profile}\n");
    println!("| keys in the table | p50 ms | p99 ms | p50 against 1,000 keys |\n| ---: | ---: | ---: | ---: |");
    let mut fewest = None;
    let mut groups = Vec::new();
    for (count, _, _, _, spans) in tables {
        let spans = Quantiles::of(spans);
        let fewest = *fewest.get_or_insert(spans.p50);
        println!("| {count} | {:.3} | {:.3} | {:.2} |", spans.p50, spans.p99, spans.p50 / fewest);
        let bars = [spans.p50, spans.p99].map(|millis| Bar { value: millis, text: format!("{millis:.2} ms") });
        groups.push((format!("{count} keys in the table"), bars.into()));
    }
    let title = "Milliseconds of a key check beside so many keys";
    Chart { title, series: &["p50".to_owned(), "p99".to_owned()], groups }.write("growth")
}

/// Draws the requests a second, a group for each kind of request.
fn draw(all: &[Measured]) -> Result<(), Failure> {
    let mut names: Vec<&str> = all.iter().map(|it| it.name).collect();
    names.dedup();
    let groups = names.into_iter().map(|name| {
        let bars = all
            .iter()
            .filter(|it| it.name == name)
            .map(|it| Bar { value: it.per_second, text: format!("{:.0} ({:.1} ms)", it.per_second, it.p99_ms) });
        (name.to_owned(), bars.collect())
    });
    let series = CONNECTIONS.map(|count| format!("{count} connection{}", if count == 1 { "" } else { "s" }));
    Chart {
        title: "Requests per second (p99), two cores for client and server",
        series: &series,
        groups: groups.collect(),
    }
    .write("load")
}
