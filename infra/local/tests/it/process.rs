//! The program itself: started, stopped, killed.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use functions::app::Entropy;
use local::mailbox::Mailbox;
use serde_json::{Value, json};

use crate::{
    invariants,
    stack::{LATER, amount},
    story::{self, Site},
};

/// A folder that is removed with the value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = domain::TokenUid::from_bytes(Entropy::system().uid()).to_string();
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn latchkey(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn output(data: &Path, arguments: &[&str]) -> Output {
    latchkey(data, arguments).output().unwrap()
}

/// A running server, killed with the value.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    greeting: String,
}

impl Running {
    fn start(data: &Path) -> Self {
        Self::started(latchkey(data, &["--port", "0"]).stderr(Stdio::null()))
    }

    /// - `command`: one that serves.
    pub(crate) fn started(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        let port = loop {
            let line = lines.next().expect("it says when it is ready").unwrap();
            if let Some(url) = line.strip_prefix("Latchkey is ready on http://localhost:") {
                break url.split(' ').next().unwrap().parse().unwrap();
            }
            greeting += &(line + "\n");
        };
        Self { child, port, greeting }
    }

    pub(crate) fn exported(&self, name: &str) -> String {
        let line = self.greeting.lines().find_map(|line| line.trim().strip_prefix(&format!("export {name}=")));
        line.unwrap().to_owned()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap()))
    }

    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP/1.1 connection that is kept open.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// To a port of this machine.
    pub(crate) fn open(port: u16) -> Self {
        Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()))
    }

    /// Sends a request; `None` if the server went away before it had answered.
    fn send(&mut self, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, String)> {
        self.send_with(method, path, &format!("apikey: {key}\r\n"), body)
    }

    /// - `header`: lines, each with its end.
    pub(crate) fn send_with(&mut self, method: &str, path: &str, header: &str, body: &str) -> Option<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = || {
            let mut line = String::new();
            (self.0.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
        };
        let status = line()?.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            let header = line()?.to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, String::from_utf8(body).unwrap()))
    }
}

fn create_body(name: &str) -> String {
    json!({ "metadata": { "name": name }, "spec": { "expiry": LATER } }).to_string()
}

#[test]
fn a_restart_keeps_everything_and_greets_once() {
    let folder = Folder::new();
    let server = Running::start(&folder.0);
    let key = server.exported("USER_KEY");
    let (status, _) = server.connect().send("POST", "/v1/apiKeys", &key, &create_body("kept")).unwrap();
    assert_eq!(status, 201);
    assert_eq!(server.terminate().code(), Some(0), "a terminated server drains and ends well");
    let server = Running::start(&folder.0);
    assert_eq!(server.greeting, "", "the credentials are shown once");
    let (status, list) = server.connect().send("GET", "/v1/apiKeys", &key, "").unwrap();
    assert!(status == 200 && list.contains("\"kept\""));
}

/// The program on a folder, whose mails lie in files.
pub(crate) struct Local<'a> {
    folder: &'a Path,
    connection: Connection,
    clock_offset: i64,
}

impl<'a> Local<'a> {
    pub(crate) fn new(folder: &'a Path, server: &Running) -> Self {
        Self { folder, connection: server.connect(), clock_offset: 0 }
    }
}

impl Site for Local<'_> {
    fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let header = credential.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
        let body = body.map(ToString::to_string).unwrap_or_default();
        let (status, answer) = self.connection.send_with(method, path, &header, &body).unwrap();
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    fn newest_mail(&mut self, to: &str) -> String {
        let mails = Mailbox::Folder(self.folder.join("mail")).list();
        let mail = mails.into_iter().find(|mail| mail["to"] == to).expect("it is written before the answer is sent");
        mail["text"].as_str().unwrap().to_owned()
    }

    fn wait_for_the_next_mail(&mut self) {
        self.clock_offset += 60_000;
        std::fs::write(self.folder.join("clock-offset"), self.clock_offset.to_string()).unwrap();
    }
}

#[test]
fn the_story_of_a_first_day_can_be_told_on_a_fresh_start() {
    let folder = Folder::new();
    let server = Running::start(&folder.0);
    let mut site = Local::new(&folder.0, &server);
    // The demo organization has a name of the story already.
    let token = story::tell(&mut site, "-star");
    story::tell_of_a_key(&mut site, &token);
}

#[test]
fn it_listens_on_one_loopback_port_and_opens_no_table() {
    let folder = Folder::new();
    let server = Running::start(&folder.0);
    let process = Path::new("/proc").join(server.child.id().to_string());
    let sockets: BTreeSet<String> = std::fs::read_dir(process.join("fd"))
        .unwrap()
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()?.to_str().map(ToOwned::to_owned))
        .filter_map(|target| Some(target.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let mut listening = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        for line in std::fs::read_to_string(process.join(table)).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN; the tenth field is the inode.
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                listening.push(fields[1].to_owned());
            }
        }
    }
    assert_eq!(listening, [format!("0100007F:{:04X}", server.port)]);
    let answer =
        server.connect().send_with("POST", "/", "x-amz-target: DynamoDB_20120810.ListTables\r\n", "{}").unwrap();
    assert!(answer.0 == 404 && !answer.1.contains("TableNames"), "{answer:?}");
}

#[test]
fn one_process_holds_the_data() {
    let folder = Folder::new();
    let server = Running::start(&folder.0);
    let second = output(&folder.0, &["--port", "0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("is in use by another Latchkey"));
    drop(server);
    assert_eq!(output(&folder.0, &["export"]).status.code(), Some(0));
}

#[test]
fn two_first_starts_have_no_credential_in_common() {
    let credentials = || {
        let folder = Folder::new();
        let server = Running::start(&folder.0);
        let password = server.greeting.lines().find_map(|line| Some(line.split_once(", password ")?.1.to_owned()));
        [password.unwrap(), server.exported("ADMIN_KEY"), server.exported("USER_KEY")]
    };
    let (one, other) = (credentials(), credentials());
    assert_eq!(one.iter().chain(&other).collect::<BTreeSet<_>>().len(), 6, "{one:?} {other:?}");
}

#[test]
fn a_taken_port_is_said_in_words() {
    let (one, other) = (Folder::new(), Folder::new());
    let server = Running::start(&one.0);
    let second = output(&other.0, &["--port", &server.port.to_string()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("choose another with --port"));
}

#[test]
fn seed_export_and_invoke_work_without_a_server() {
    let folder = Folder::new();
    let seeded = output(&folder.0, &["seed", "--tenants", "2", "--users", "3", "--keys", "4"]);
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    let seeded: Vec<Value> =
        String::from_utf8(seeded.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seeded.len(), 6);
    let exported = String::from_utf8(output(&folder.0, &["export"]).stdout).unwrap();
    assert_eq!(invariants::check(&exported).len(), 24);
    let event = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/users.json")).unwrap();
    let event = event.replace(&format!("lk_{}", "0".repeat(65)), seeded[0]["apiKey"].as_str().unwrap());
    let mut invoked = latchkey(&folder.0, &["invoke", "users"]).stdin(Stdio::piped()).spawn().unwrap();
    invoked.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&invoked.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(answer["statusCode"], 200);
    assert!(answer["body"].as_str().unwrap().contains(seeded[0]["user"].as_str().unwrap()));
    let unknown = output(&folder.0, &["invoke", "nothing"]);
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("there is no function nothing; there are api_key_create")
    );
}

#[test]
fn the_clock_moves_while_it_runs() {
    let folder = Folder::new();
    let server = Running::start(&folder.0);
    let (key, mut connection) = (server.exported("USER_KEY"), server.connect());
    assert_eq!(connection.send("GET", "/v1/users/me", &key, "").unwrap().0, 200);
    std::fs::write(folder.0.join("clock-offset"), (91_i64 * 86_400_000).to_string()).unwrap();
    assert_eq!(connection.send("GET", "/v1/users/me", &key, "").unwrap().0, 401, "the key has expired");
    std::fs::remove_file(folder.0.join("clock-offset")).unwrap();
    assert_eq!(connection.send("GET", "/v1/users/me", &key, "").unwrap().0, 200);
}

#[test]
fn the_log_holds_no_secret() {
    let folder = Folder::new();
    let mut child = latchkey(&folder.0, &["--port", "0"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut greeting = String::new();
    while !greeting.contains("ready on") {
        assert!(stdout.read_line(&mut greeting).unwrap() > 0);
    }
    let port = greeting.split("localhost:").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    let key = greeting.split("USER_KEY=").nth(1).unwrap().lines().next().unwrap().to_owned();
    let server = Running { child, port, greeting };
    let mut connection = server.connect();
    let (_, token) = connection.send("POST", "/v1/auth/authenticate", &key, "").unwrap();
    let token = serde_json::from_str::<Value>(&token).unwrap()["Authorization"].as_str().unwrap().to_owned();
    for (method, path, body) in [
        ("GET", format!("/v1/auth/refresh/{token}"), String::new()),
        ("GET", format!("/v1/auth/refresh/{token}x"), String::new()),
        ("GET", format!("/v1/auth/refresh/{token}/more"), String::new()),
        ("GET", format!("/v1/nothing/{key}?ApiKey={key}"), String::new()),
        ("GET", format!("/v1/users/me?ApiKey={key}"), String::new()),
        ("GET", format!("/v1/apiKeys/{key}"), String::new()),
        ("POST", "/v1/users/auth/tokens/revoke".to_owned(), format!("{{\"tokens\":\"{token}\"}}")),
        ("POST", "/v1/apiKeys".to_owned(), format!("{{\"spec\":{{\"expiry\":\"{key}\"}}}}")),
        ("PUT", "/v1/apiKeys".to_owned(), format!("{{\"{key}\":{key}")),
    ] {
        let (status, answer) = connection.send(method, &path, &key, &body).unwrap();
        let shows = answer.contains(&key) || answer.contains(&token);
        assert!(status < 500 && !shows, "{method} {path}: {answer}");
    }
    let mut server = server;
    let mut stderr = server.child.stderr.take().unwrap();
    assert_eq!(server.terminate().code(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.lines().count() >= 10, "{log}");
    let signature = token.rsplit('.').next().unwrap();
    for secret in [&key[3..], signature] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// What a run of the sweeper has left behind, without what differs from run to run: uids and times of records and mails.
fn swept(export: &str, mails: &Path) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut keys, mut records) = (Vec::new(), Vec::new());
    for line in export.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["table"] == "KeysTable" {
            keys.push(line["item"].to_string());
        } else if let Some(record) = line["item"]["record"]["S"].as_str() {
            let record: Value = serde_json::from_str(record).unwrap();
            assert!(line["item"]["seq"].is_object(), "it has its place in the chain");
            records.push(format!("{} {}", record["message"], record["content"]));
        }
    }
    let mails = Mailbox::Folder(mails.to_owned()).list();
    // Up to the links, which have the port of the server in them.
    let said = |mail: &Value| mail["text"].as_str().unwrap().split("Extend or").next().unwrap().to_owned();
    let mut mails: Vec<_> = mails.iter().map(|mail| format!("{} {}", mail["to"], said(mail))).collect();
    keys.sort();
    records.sort();
    mails.sort();
    (keys, records, mails)
}

/// Sweeps of the test below; at most 32 at once.
const SWEEPS: usize = 64;

#[test]
fn duplicate_sweeps_of_many_processes_with_kills_leave_what_one_clean_run_leaves() {
    let sweeps = amount("LATCHKEY_TEST_SWEEPS", SWEEPS);
    let (clean, stormy) = (Folder::new(), Folder::new());
    assert!(output(&clean.0, &["seed", "--users", "20", "--keys", "10"]).status.success());
    // Five days later: half of the keys have expired, and for others a notice is due.
    let five_days = 5 * 86_400_000 + 3_600_000_i64;
    std::fs::write(clean.0.join("clock-offset"), five_days.to_string()).unwrap();
    std::fs::create_dir_all(&stormy.0).unwrap();
    for file in std::fs::read_dir(&clean.0).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, stormy.0.join(file.file_name().unwrap())).unwrap();
    }
    let event =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/sweeper.json")).unwrap();
    let sweep = |mut command: Command| {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Gone already, if it was killed that soon.
        let _ = child.stdin.take().unwrap().write_all(event.as_bytes());
        child
    };
    assert!(sweep(latchkey(&clean.0, &["invoke", "sweeper"])).wait().unwrap().success());

    let mut child =
        latchkey(&stormy.0, &["--port", "0", "--dynamodb-port", "0"]).stderr(Stdio::null()).spawn().unwrap();
    let mut url = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("DynamoDB answers on") {
            url = line.split([' ', ';']).find(|word| word.starts_with("http")).unwrap().to_owned();
        }
        if line.starts_with("Latchkey is ready") {
            break;
        }
    }
    let server = Running { child, port: 0, greeting: String::new() };
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::SeqCst)
                    && number < sweeps
                {
                    let mut child = sweep(latchkey(&stormy.0, &["--dynamodb-url", &url, "invoke", "sweeper"]));
                    if number % 3 == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(number as u64 * 7 % 900));
                        let _ = child.kill();
                        killed.fetch_add(1, Ordering::SeqCst);
                    }
                    let _ = child.wait();
                }
            });
        }
    });
    assert_eq!(server.terminate().code(), Some(0));
    // What the killed have left half done is done by the next.
    assert!(sweep(latchkey(&stormy.0, &["invoke", "sweeper"])).wait().unwrap().success());
    let restarted = Running::start(&stormy.0);
    assert_eq!(restarted.terminate().code(), Some(0));
    let state =
        |folder: &Path| swept(&String::from_utf8(output(folder, &["export"]).stdout).unwrap(), &folder.join("mail"));
    let (one, other) = (state(&clean.0), state(&stormy.0));
    assert_eq!(one.0, other.0, "the keys");
    assert_eq!(one.1, other.1, "the records");
    assert_eq!(one.2, other.2, "the mails");
    println!(
        "{sweeps} sweeps, {} killed: {} records and {} mails as after one clean run",
        killed.into_inner(),
        one.1.len(),
        one.2.len()
    );
    assert!(one.1.iter().filter(|record| record.contains("API key expired")).count() == 100 && one.2.len() == 20);
}

/// Rounds of the test below, and creates of each that are acknowledged before the kill.
const ROUNDS: usize = 20;
const CREATES: usize = 100;

#[test]
fn a_kill_loses_nothing_acknowledged_and_leaves_nothing_half() {
    let folder = Folder::new();
    let (rounds, creates) = (ROUNDS, amount("LATCHKEY_TEST_CREATES", CREATES));
    // Nineteen keys fit beside the first of each user; a round may start a few more than it counts.
    let users = rounds * (creates + 64) / 19 + 64;
    let seeded = output(&folder.0, &["seed", "--users", &users.to_string(), "--keys", "1"]);
    let seeded = String::from_utf8(seeded.stdout).unwrap();
    let keys: Vec<String> = seeded
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["apiKey"].as_str().unwrap().to_owned())
        .collect();
    let (next, acknowledged) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    for round in 0..rounds {
        let mut server = Running::start(&folder.0);
        let in_round = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let key = &keys[number / 19];
                        let Some((status, body)) =
                            connection.send("POST", "/v1/apiKeys", key, &create_body(&format!("k{number}")))
                        else {
                            break;
                        };
                        assert_eq!(status, 201, "{body}");
                        let uid = serde_json::from_str::<Value>(&body).unwrap()["uid"].as_str().unwrap().to_owned();
                        acknowledged.lock().unwrap().insert(uid);
                        in_round.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let enough = 1 + round * creates / rounds + creates / 2 + creates / 20;
            while in_round.load(Ordering::SeqCst) < enough {
                std::thread::yield_now();
            }
            // SIGKILL, while eight creates are under way.
            Command::new("kill").args(["-9", &server.child.id().to_string()]).status().unwrap();
        });
        server.child.wait().unwrap();
        let exported = output(&folder.0, &["export"]);
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let present = invariants::check(&String::from_utf8(exported.stdout).unwrap());
        let acknowledged = acknowledged.lock().unwrap();
        assert!(acknowledged.is_subset(&present), "lost: {:?}", acknowledged.difference(&present).collect::<Vec<_>>());
    }
    let acknowledged = acknowledged.into_inner().unwrap().len();
    println!("{rounds} kills, {acknowledged} acknowledged creates, none lost, none half");
    assert!(acknowledged >= rounds * creates, "{acknowledged}");
}
