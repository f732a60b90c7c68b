//! `cargo xtask bench kills`: whether what was killed stays out, asked of several servers at once.

use std::{
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    flood::Connection,
    run::{Failure, cargo, run, target},
    server::Latchkey,
    suites::now,
};

const SERVERS: usize = 4;
/// Threads that present what is about to be killed, so many to each server.
const RACERS: usize = 2;
/// Requests of each racer that begin once the kill has been answered.
const AFTERWARDS: u32 = 3;
const LATER: &str = "2099-01-01T00:00:00.000Z";
const PASSWORDS: [&str; 2] = ["Harbour-7-lamp", "Granite-4-kettle"];

/// Kills keys, users, sessions and passwords while they are presented to four servers on one store, and fails if one of
/// them opens a request that began after its kill was answered.
pub(crate) fn kills(profile: &str, count: usize) -> Result<(), Failure> {
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let first = Latchkey::start(profile, "kills", &["--dynamodb-port", "0"])?;
    let env = fs::read_to_string(first.data.join("lambda.env"))?;
    let url = env.lines().find_map(|line| line.strip_prefix("AWS_ENDPOINT_URL_DYNAMODB=")).ok_or("no store")?;
    let mut servers = Vec::new();
    for number in 1..SERVERS {
        let data = target().join("xtask").join(format!("kills-{number}"));
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data)?;
        // They are one installation: what one of them has signed the others take.
        fs::copy(first.data.join("sealing.key"), data.join("sealing.key"))?;
        let public_url = format!("http://localhost:{}", first.port);
        servers.push(Latchkey::start_on(profile, data, &["--dynamodb-url", url, "--public-url", &public_url])?);
    }
    servers.insert(0, first);
    let mut killer = Killer::new(&servers)?;
    let tally = Tally::default();
    let mut kinds = [0; 4];
    let started_at = now();
    for number in 0..count {
        let kind = number % kinds.len();
        killer.round(&servers, kind, number, &tally).map_err(|error| format!("kill {number}: {error}"))?;
        kinds[kind] += 1;
    }
    let [keys, users, sessions, passwords] = kinds;
    let of = |counter: &AtomicU32| counter.load(Ordering::SeqCst);
    println!(
        "\n{count} kills ({keys} keys, {users} users, {sessions} sessions, {passwords} passwords) on {SERVERS} servers, \
         {} s; profile {profile}\n",
        started_at.elapsed().as_secs()
    );
    println!("| requests | |\n| --- | ---: |");
    println!("| begun before the kill was answered | {} |", of(&tally.before));
    println!("| of them accepted | {} |", of(&tally.accepted_before));
    println!("| begun after it was answered | {} |", of(&tally.after));
    println!("| of them accepted | {} |", of(&tally.accepted_after));
    if of(&tally.accepted_before) == 0 {
        return Err("nothing was ever accepted, so this shows nothing".into());
    }
    if of(&tally.accepted_after) == 0 { Ok(()) } else { Err("what was killed opened the door".into()) }
}

#[derive(Default)]
struct Tally {
    before: AtomicU32,
    accepted_before: AtomicU32,
    after: AtomicU32,
    accepted_after: AtomicU32,
}

/// An admin with a connection to each server.
struct Killer {
    connections: Vec<Connection>,
    racing: Vec<Mutex<Connection>>,
    admin: String,
    email: String,
    password: String,
}

impl Killer {
    fn new(servers: &[Latchkey]) -> Result<Self, Failure> {
        let connections = servers.iter().map(|server| Connection::open(server.port)).collect::<Result<_, _>>()?;
        let racing = (0..SERVERS * RACERS)
            .map(|racer| Ok(Mutex::new(Connection::open(servers[racer % SERVERS].port)?)))
            .collect::<Result<_, Failure>>()?;
        let (email, password) = servers[0].admin()?;
        let admin = format!("apikey: {}\r\n", servers[0].exported("ADMIN_KEY")?);
        let mut killer = Self { connections, racing, admin, email, password };
        // What is revoked stays there, and counts.
        let admin = killer.admin.clone();
        let info = killer.call(0, "GET", "/v1/users/info", &admin, &Value::Null)?;
        let limits = format!("/v1/tenants/{}/resourceLimits", text(&info["tenantUid"]));
        let most = json!({ "resources": [{ "kind": "apiKey", "limit": 10_000 }] });
        killer.call(0, "PATCH", &limits, &admin, &most)?;
        Ok(killer)
    }

    fn call(&mut self, at: usize, method: &str, path: &str, headers: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.connections[at % SERVERS].call(method, path, headers, &body)?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Makes a victim of this kind and kills it while it is presented.
    fn round(&mut self, servers: &[Latchkey], kind: usize, number: usize, tally: &Tally) -> Result<(), Failure> {
        let (admin, email) = (self.admin.clone(), self.email.clone());
        // Made, exchanged and killed through another server each.
        let (made_at, exchanged_at, killed_at) = (number, number + 1, number / SERVERS + 2);
        let (credentials, kill): (Vec<String>, (&str, String, String, Value)) = match kind {
            0 | 1 => {
                let user = if kind == 1 {
                    let email = format!("tom-{number}@kills.example");
                    let person = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": email } });
                    let user = self.call(made_at, "POST", "/v1/users", &admin, &person)?["uid"].clone();
                    let token = mailed_token(&servers[made_at % SERVERS].data.join("mail"), &email)?;
                    let accept = format!("/v1/auth/password/{token}/activate");
                    self.call(made_at, "PATCH", &accept, "", &json!({ "password": PASSWORDS[0] }))?;
                    user
                } else {
                    Value::Null
                };
                let key = json!({
                    "metadata": { "name": format!("key-{number}") }, "spec": { "expiry": LATER, "userUid": user },
                });
                let made = self.call(made_at, "POST", "/v1/apiKeys", &admin, &key)?;
                let key = format!("apikey: {}\r\n", text(&made["apiKey"]));
                let token = self.call(exchanged_at, "POST", "/v1/auth/authenticate", &key, &Value::Null)?;
                let token = format!("authorization: {}\r\n", text(&token["Authorization"]));
                let path = format!("/v1/apiKeys/{}", text(&made["uid"]));
                let kill = match (kind, number / 4 % 2) {
                    (1, _) => ("DELETE", format!("/v1/users/{}", text(&user)), admin, Value::Null),
                    (_, 0) => ("PATCH", path, admin, json!({ "isActive": false })),
                    _ => ("DELETE", path, admin, Value::Null),
                };
                (vec![key, token], kill)
            }
            _ => {
                let sign_in = json!({ "emailId": email, "password": self.password });
                let token = text(&self.call(made_at, "POST", "/v1/auth/authenticate", "", &sign_in)?["Authorization"]);
                let header = format!("authorization: {token}\r\n");
                let carried = self.call(exchanged_at, "GET", "/v1/auth/refresh", &header, &Value::Null)?;
                let carried = format!("authorization: {}\r\n", text(&carried["Authorization"]));
                let kill = if kind == 2 {
                    let revoke = "/v1/users/auth/tokens/revoke".to_owned();
                    let token = carried.trim_start_matches("authorization: ").trim_end();
                    ("POST", revoke, header.clone(), json!({ "tokens": [token] }))
                } else {
                    let new = PASSWORDS[number / 4 % 2];
                    let change = json!({ "emailId": email, "currentPassword": self.password, "newPassword": new });
                    new.clone_into(&mut self.password);
                    ("PATCH", "/v1/users/password/change".to_owned(), header.clone(), change)
                };
                // Either ends the session, and so each token that belongs to it.
                (vec![header, carried], kill)
            }
        };
        let (method, path, header, body) = kill;
        let is_dead = AtomicBool::new(false);
        let ready = AtomicU32::new(0);
        let connections = std::mem::take(&mut self.racing);
        let raced = std::thread::scope(|scope| {
            let racers: Vec<_> = connections
                .iter()
                .enumerate()
                .map(|(racer, connection)| {
                    let credential = &credentials[racer / SERVERS % credentials.len()];
                    let (is_dead, ready) = (&is_dead, &ready);
                    scope.spawn(move || {
                        let mut connection = connection.lock().map_err(|_| "a racer panicked".to_owned())?;
                        race(&mut connection, credential, is_dead, ready, tally).map_err(|error| error.to_string())
                    })
                })
                .collect();
            while ready.load(Ordering::SeqCst) < u32::try_from(racers.len())?
                && !racers.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                std::thread::yield_now();
            }
            let killed = self.call(killed_at, method, &path, &header, &body);
            is_dead.store(true, Ordering::SeqCst);
            for racer in racers {
                racer.join().map_err(|_| "a racer panicked")??;
            }
            killed
        });
        self.racing = connections;
        if kind == 3 {
            // A session ends with the password of its user.
            let after = &credentials[0];
            let at = Connection::open(servers[number % SERVERS].port)?.status_of("GET", "/v1/users/me", after)?;
            if at != 401 {
                return Err(format!("a session of the old password was answered {at}").into());
            }
        }
        raced.map(drop)
    }
}

/// What the link of a mail to this address carries.
fn mailed_token(folder: &Path, email: &str) -> Result<String, Failure> {
    for _ in 0..100 {
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            // Whoever is being written is no JSON yet.
            let mail: Value = serde_json::from_slice(&fs::read(&path)?).unwrap_or_default();
            if mail["to"] == email {
                let link = mail["links"].as_array().into_iter().flatten().find_map(|it| it.as_str()?.split_once('#'));
                fs::remove_file(path)?;
                return Ok(link.ok_or("the mail has no link")?.1.to_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("no mail came to {email}").into())
}

/// Presents a credential until it has been dead for a while.
fn race(
    connection: &mut Connection,
    credential: &str,
    is_dead: &AtomicBool,
    ready: &AtomicU32,
    tally: &Tally,
) -> Result<(), Failure> {
    let mut is_first = true;
    let mut afterwards = 0;
    while afterwards < AFTERWARDS {
        let was_dead = is_dead.load(Ordering::SeqCst);
        let status = connection.status_of("GET", "/v1/users/me", credential)?;
        let (begun, accepted) = if was_dead {
            afterwards += 1;
            (&tally.after, &tally.accepted_after)
        } else {
            (&tally.before, &tally.accepted_before)
        };
        begun.fetch_add(1, Ordering::SeqCst);
        match status {
            200 => accepted.fetch_add(1, Ordering::SeqCst),
            401 => 0,
            other => return Err(format!("a check was answered {other}").into()),
        };
        if std::mem::take(&mut is_first) {
            ready.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
