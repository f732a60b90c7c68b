//! Programs that run while others are checked against them, and end with the value.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::run::{Failure, command, target};

/// A program that runs until the value is dropped.
pub(crate) struct Background(pub(crate) Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and reads its lines until the one that says it is ready.
pub(crate) fn start_until(
    command: &mut Command,
    ready: impl Fn(&str) -> bool,
) -> Result<(Background, String), Failure> {
    let child = command.stdout(Stdio::piped()).spawn()?;
    let mut background = Background(child);
    let stdout = background.0.stdout.take().ok_or("the output is piped")?;
    let mut said = String::new();
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = lines.next().ok_or("it ended before it was ready")??;
        said += &format!("{line}\n");
        if ready(&line) {
            // Whatever comes later is read, so that it never waits for a reader.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok((background, said));
        }
    }
}

/// A `latchkey` on a free port with fresh data.
pub(crate) struct Latchkey {
    pub(crate) port: u16,
    pub(crate) greeting: String,
    pub(crate) data: PathBuf,
    process: Background,
}

impl Latchkey {
    /// Starts the program that this profile built.
    pub(crate) fn start(profile: &str, name: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let data = target().join("xtask").join(name);
        let _ = std::fs::remove_dir_all(&data);
        Self::start_on(profile, data, arguments)
    }

    /// The same, on data that is there.
    pub(crate) fn start_on(profile: &str, data: PathBuf, arguments: &[&str]) -> Result<Self, Failure> {
        let path = data.display().to_string();
        let mut latchkey = command(target().join(profile).join("latchkey"), &["--port", "0", "--data", &path]);
        latchkey.args(arguments).stderr(Stdio::null());
        let (process, greeting) = start_until(&mut latchkey, |line| line.starts_with("Latchkey is ready"))?;
        let port = greeting.rsplit("localhost:").next().and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        Ok(Self { port: port.parse()?, greeting, data, process })
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.0.id()
    }

    /// E-mail and password of the admin, by the greeting.
    pub(crate) fn admin(&self) -> Result<(String, String), Failure> {
        let line =
            self.greeting.lines().find_map(|line| line.split_once(", Tenant Admin, ")?.1.split_once(", password "));
        let (email, password) = line.ok_or("the greeting names no admin")?;
        Ok((email.to_owned(), password.to_owned()))
    }

    /// What the greeting tells to export under this name.
    pub(crate) fn exported(&self, name: &str) -> Result<String, Failure> {
        let export = format!("export {name}=");
        let line = self.greeting.lines().find_map(|line| line.trim().strip_prefix(&export));
        Ok(line.ok_or_else(|| format!("the greeting exports no {name}"))?.to_owned())
    }
}

/// Waits until something answers on this port.
pub(crate) fn wait_for_port(port: u16) -> Result<(), Failure> {
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("nothing answers on port {port}").into())
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
