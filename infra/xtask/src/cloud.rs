//! What is deployed, and the template on an emulator of AWS with functions that cargo-lambda has built: the stories through gateway,
//! Lambda runtime, tables, streams, schedule, KMS and SES.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    run::{Failure, cargo, command, output, root, run, target},
    server::{self, Background},
    suites, tools,
};

/// Where the functions lie that are deployed, apart from those that are tried: they are for another machine.
const PACKAGED: &str = "target/package/functions";
/// Where those lie that are tried.
const BUILT: &str = "target/xtask/built";

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
    tests.env("LATCHKEY_TEST_CLOUD", path).env("LATCHKEY_TEST_CLOUD_PORT", emulator.port.to_string());
    suites::run_tests(&mut tests, 2)
}

/// Builds every function for Lambda, and writes a template beside them that `sam deploy` takes as it is.
///
/// - `architecture`: as Lambda calls it, `arm64` or `x86_64`.
pub(crate) fn package(architecture: &str) -> Result<(), Failure> {
    let flag = match architecture {
        "arm64" => "--arm64",
        "x86_64" => "--x86-64",
        other => return Err(format!("Lambda has no architecture {other}; it has arm64 and x86_64").into()),
    };
    // By zig, which links for the C library of Lambda wherever this runs.
    run(&mut cargo_lambda(&["build", "--package", "functions", "--release", flag, "--lambda-dir", PACKAGED])?)?;
    suites::hold_no_local_control(|name| root().join(PACKAGED).join(name).join("bootstrap"))?;
    let template = fs::read_to_string(root().join("infra/template.yaml"))?;
    let packaged = target().join("package/template.yaml");
    fs::create_dir_all(target().join("package"))?;
    fs::write(&packaged, packaged_template(&template, architecture)?)?;
    println!(
        "Deploy it by: sam deploy --guided --capabilities CAPABILITY_IAM --template-file target/package/template.yaml"
    );
    Ok(())
}

/// The template with the place of each function in the stead of how to build it.
fn packaged_template(template: &str, architecture: &str) -> Result<String, Failure> {
    const BUILD: &str = "    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: ";
    let (mut packaged, mut binary, mut count) = (String::new(), None, 0);
    for line in template.lines() {
        if let Some(rest) = line.strip_prefix(BUILD) {
            binary = rest.split(' ').next();
            continue;
        }
        match line {
            "    CodeUri: .." => {}
            "    Architectures: [arm64]" => packaged += &format!("    Architectures: [{architecture}]\n"),
            "    Properties:" if binary.is_some() => {
                let binary = binary.take().unwrap_or_default();
                packaged += &format!("    Properties:\n      CodeUri: functions/{binary}\n");
                count += 1;
            }
            line => packaged += &format!("{line}\n"),
        }
    }
    let functions = fs::read_dir(root().join("functions/src/bin"))?.count();
    if count == functions {
        Ok(packaged)
    } else {
        Err(format!("the template has {count} functions of {functions}").into())
    }
}

/// A command of cargo-lambda.
fn cargo_lambda(arguments: &[&str]) -> Result<Command, Failure> {
    let program = tools::cargo_lambda()?;
    let folder = program.parent().ok_or("it lies in a folder")?.display().to_string();
    let mut command = cargo(&["lambda"]);
    command.args(arguments);
    command.env("PATH", format!("{folder}:{}", std::env::var_os("PATH").unwrap_or_default().display()));
    Ok(command)
}

/// Builds every function with cargo-lambda, and strips it of what only debuggers read. The folder of them.
fn build(profile: &str) -> Result<PathBuf, Failure> {
    // The linker of this machine will do: nothing of this leaves it.
    run(&mut cargo_lambda(&[
        "build",
        "--package",
        "functions",
        "--compiler",
        "cargo",
        "--profile",
        profile,
        "--lambda-dir",
        BUILT,
    ])?)?;
    let built = root().join(BUILT);
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
    fn surround<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        environment(program, self.port)
    }
}

fn environment(program: &mut Command, port: u16) -> &mut Command {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        program.env(name, "test");
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        program.env(name, "us-east-1");
    }
    program.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).env("AWS_EC2_METADATA_DISABLED", "true")
}
