//! `cargo xtask bench flood`: whether those who present keys notice that hundreds of others try passwords.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    run::{Failure, cargo, run},
    server::Latchkey,
    suites::now,
};

/// Sign-ins that arrive at once.
const AT_ONCE: usize = 500;
/// Key checks before, and at least as many during the flood.
const CHECKS: usize = 3000;

/// Key checks alone and during waves of sign-ins: latencies, their ratio, memory, and what the sign-ins were answered.
pub(crate) fn flood(profile: &str) -> Result<(), Failure> {
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let server = Latchkey::start(profile, "flood", &[])?;
    let key = server.exported("USER_KEY")?;
    let mut checks = Connection::open(server.port)?;
    let check = |checks: &mut Connection| checks.check(&key);
    for _ in 0..CHECKS {
        check(&mut checks)?;
    }
    let alone = (0..CHECKS).map(|_| check(&mut checks)).collect::<Result<Vec<_>, _>>()?;
    let before_mib = server.peak_mib()?;

    let is_over = AtomicBool::new(false);
    let (during, answers) = std::thread::scope(|scope| {
        let waves = scope.spawn(|| {
            let mut answers = Vec::new();
            for wave in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                answers.extend(sign_in_at_once(server.port, wave).map_err(|error| error.to_string())?);
            }
            Ok::<_, String>(answers)
        });
        let during = (0..CHECKS).map(|_| check(&mut checks)).collect::<Result<Vec<_>, _>>();
        is_over.store(true, Ordering::SeqCst);
        Ok::<_, Failure>((during?, waves.join().map_err(|_| "the flood panicked")??))
    })?;

    let count = |wanted: u16| answers.iter().filter(|status| **status == wanted).count();
    println!("\nkey checks on one connection, {AT_ONCE} sign-ins at once, wave after wave; profile {profile}\n");
    println!("| | p50 ms | p99 ms | peak MiB |\n| --- | ---: | ---: | ---: |");
    let (alone, during) = (Quantiles::of(alone), Quantiles::of(during));
    println!("| alone | {:.2} | {:.2} | {before_mib:.0} |", alone.p50, alone.p99);
    println!("| during the flood | {:.2} | {:.2} | {:.0} |", during.p50, during.p99, server.peak_mib()?);
    println!("| ratio | {:.1} | {:.1} | |", during.p50 / alone.p50, during.p99 / alone.p99);
    let (evaluated, refused) = (count(401), count(503));
    println!("\n{} sign-ins: {evaluated} evaluated (401), {refused} told to try again (503)", answers.len());
    if evaluated + refused == answers.len() { Ok(()) } else { Err("some were answered otherwise".into()) }
}

/// All of them are sent before the first answer is read. One thread does that, so as to take little of the machine.
fn sign_in_at_once(port: u16, wave: usize) -> Result<Vec<u16>, Failure> {
    let mut connections = (0..AT_ONCE).map(|_| Connection::open(port)).collect::<Result<Vec<_>, _>>()?;
    for (number, connection) in connections.iter_mut().enumerate() {
        let body = format!(r#"{{"emailId":"{wave}-{number}@flood.example","password":"wrong"}}"#);
        let length = body.len();
        let head = "POST /v1/auth/authenticate HTTP/1.1\r\nhost: x\r\ncontent-length: ";
        connection.send(&format!("{head}{length}\r\n\r\n{body}"))?;
    }
    connections.iter_mut().map(Connection::status).collect()
}

pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Quantiles {
    pub(crate) fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort();
        let at = |percent: usize| spans[(spans.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        Self { p50: at(50), p99: at(99) }
    }
}

impl Latchkey {
    /// The most memory that the process has taken so far.
    fn peak_mib(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kib: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }
}

/// An HTTP/1.1 connection that is kept open.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// How long the check of a key takes.
    pub(crate) fn check(&mut self, key: &str) -> Result<Duration, Failure> {
        let started_at = now();
        self.send(&format!("GET /v1/users/me HTTP/1.1\r\nhost: x\r\napikey: {key}\r\n\r\n"))?;
        let status = self.status()?;
        if status == 200 { Ok(started_at.elapsed()) } else { Err(format!("a key check was answered {status}").into()) }
    }

    /// The body of the answer, which must be a success.
    ///
    /// - `headers`: lines, each with its line end.
    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Vec<u8>, Failure> {
        let length = body.len();
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"))?;
        let (status, answer) = self.answer()?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err(format!("{method} {path} was answered {status}: {}", String::from_utf8_lossy(&answer)).into())
    }

    /// The status of an answer.
    ///
    /// - `headers`: lines, each with its line end.
    pub(crate) fn status_of(&mut self, method: &str, path: &str, headers: &str) -> Result<u16, Failure> {
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"))?;
        self.status()
    }

    /// Sends a request as it stands.
    fn send(&mut self, request: &str) -> Result<(), Failure> {
        Ok(self.0.get_mut().write_all(request.as_bytes())?)
    }

    /// The status of the next answer.
    fn status(&mut self) -> Result<u16, Failure> {
        Ok(self.answer()?.0)
    }

    /// Status and body of the next answer.
    fn answer(&mut self) -> Result<(u16, Vec<u8>), Failure> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let header = line.trim_end().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, body))
    }
}
