//! The template on an emulator of AWS, with functions that cargo-lambda has built: the stories through gateway, Lambda runtime,
//! tables, streams, schedule, KMS and SES.

use std::{fs, path::PathBuf, process::Stdio};

use crate::{
    run::{Failure, cargo, command, output, root, run, target},
    server::{self, Background},
    tools,
};

/// Builds with this profile, deploys, and tells the stories.
pub(crate) fn e2e(profile: &str) -> Result<(), Failure> {
    let functions = build(profile)?;
    let emulator = Emulator::start()?;
    let mut deploy =
        command(tools::ministack_python()?, &["infra/xtask/src/deploy.py", &functions.display().to_string()]);
    let deployed = output(emulator.surround(&mut deploy))?;
    println!("deployed: {}", deployed.trim());
    let path = target().join("xtask/deployed.json");
    fs::write(&path, deployed)?;
    let mut tests = cargo(&["test", "--package", "local", "--test", "it", "--", "--ignored", "--nocapture", "cloud::"]);
    run(tests.env("LATCHKEY_TEST_CLOUD", path).env("LATCHKEY_TEST_CLOUD_PORT", emulator.port.to_string()))
}

/// Builds every function with cargo-lambda, and strips it of what only debuggers read. The folder of them.
fn build(profile: &str) -> Result<PathBuf, Failure> {
    let cargo_lambda = tools::cargo_lambda()?;
    let folder = cargo_lambda.parent().ok_or("it lies in a folder")?.display().to_string();
    let path = format!("{folder}:{}", std::env::var_os("PATH").unwrap_or_default().display());
    // The linker of this machine will do: nothing of this leaves it.
    let mut build = cargo(&["lambda", "build", "--package", "functions", "--compiler", "cargo", "--profile", profile]);
    run(build.env("PATH", path))?;
    let built = target().join("lambda");
    let stripped = target().join("xtask/functions");
    let _ = fs::remove_dir_all(&stripped);
    for source in fs::read_dir(root().join("functions/src/bin"))? {
        let name = source?.path().file_stem().unwrap_or_default().to_owned();
        let into = stripped.join(&name);
        fs::create_dir_all(&into)?;
        let (from, into) = (built.join(&name).join("bootstrap"), into.join("bootstrap"));
        run_quietly(&["strip", "-o", &into.display().to_string(), &from.display().to_string()])?;
    }
    Ok(stripped)
}

fn run_quietly(words: &[&str]) -> Result<(), Failure> {
    output(&mut command(words[0], &words[1..])).map(drop)
}

/// An emulator of AWS on a free port of the loopback interface, which ends with the value.
struct Emulator {
    port: u16,
    _process: Background,
}

impl Emulator {
    fn start() -> Result<Self, Failure> {
        let port = server::free_port()?;
        // What it unpacks, it leaves behind.
        let temporary = target().join("xtask/emulator");
        let _ = fs::remove_dir_all(&temporary);
        fs::create_dir_all(&temporary)?;
        let mut emulator = command(tools::ministack()?, &[]);
        emulator.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("IOT_MTLS_ENABLED", "0");
        // It decides by the policies of the functions' roles.
        emulator.env("AUTH", "true").env("TMPDIR", temporary);
        environment(&mut emulator, port);
        let process = emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let process = Background(process);
        server::wait_for_port(port)?;
        Ok(Self { port, _process: process })
    }

    /// Makes a program take this for AWS.
    fn surround<'a>(&self, program: &'a mut std::process::Command) -> &'a mut std::process::Command {
        environment(program, self.port)
    }
}

fn environment(program: &mut std::process::Command, port: u16) -> &mut std::process::Command {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        program.env(name, "test");
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        program.env(name, "us-east-1");
    }
    program.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).env("AWS_EC2_METADATA_DISABLED", "true")
}
