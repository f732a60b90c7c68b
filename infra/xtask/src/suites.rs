//! The suites of `cargo xtask test`.

use std::{
    fs,
    io::Write as _,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    cloud, console,
    flood::Connection,
    run::{Failure, cargo, command, output, root, run, target},
    server::{self, Latchkey},
    tools,
};

type Suite = (&'static str, fn() -> Result<(), Failure>);

/// The quick ones first.
const SUITES: [Suite; 14] = [
    ("format", format),
    ("lint", lint),
    ("deny", deny),
    ("tests", tests),
    ("binaries", binaries),
    ("readme", readme),
    ("interop", interop),
    ("openapi", openapi),
    ("template", template),
    ("console", console::suite),
    ("dynamodb-local", dynamodb_local),
    ("ses", ses),
    ("lambda-watch", lambda_watch),
    ("e2e", || cloud::e2e("dev")),
];

/// Words that only the controls of the local server have.
const LOCAL_ONLY: [&str; 6] =
    ["clock-offset", "dynamodb.sqlite", "dynamodb.embedded", "dynoxide", "made a demo organization", "--dynamodb-port"];

/// Runs the suites and tells how each ended. Whether all ended well.
pub(crate) fn test(skip: &[String], only: &[String]) -> Result<bool, Failure> {
    for name in skip.iter().chain(only) {
        if !SUITES.iter().any(|(suite, _)| suite == name) {
            let names: Vec<_> = SUITES.iter().map(|(suite, _)| *suite).collect();
            return Err(format!("there is no suite {name}; there are {}", names.join(", ")).into());
        }
    }
    let mut results = Vec::new();
    for (name, suite) in SUITES {
        if skip.iter().any(|it| it == name) || !only.is_empty() && !only.iter().any(|it| it == name) {
            results.push((name, None, Duration::ZERO));
            continue;
        }
        println!("\n==== {name}");
        let started_at = now();
        let result = suite();
        if let Err(error) = &result {
            println!("{name}: {error}");
        }
        results.push((name, Some(result.is_ok()), started_at.elapsed()));
    }
    println!("\n==== summary");
    for (name, passed, took) in &results {
        let how = match passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "skipped",
        };
        println!("{name:16} {how:8} {:6.1} s", took.as_secs_f32());
    }
    let count = |wanted| results.iter().filter(|(_, passed, _)| *passed == wanted).count();
    println!("{} passed, {} failed, {} skipped", count(Some(true)), count(Some(false)), count(None));
    Ok(count(Some(false)) == 0)
}

#[allow(clippy::disallowed_methods, reason = "how long a suite took")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn format() -> Result<(), Failure> {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lint() -> Result<(), Failure> {
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn deny() -> Result<(), Failure> {
    let deny = tools::cargo_deny()?;
    let check = |what: &[&str]| command(&deny, &[&["--workspace", "check", "--hide-inclusion-graph"], what].concat());
    run(&mut check(&["bans", "licenses", "sources"]))?;
    // The advisories come from a database on the network, which not every machine reaches.
    let fetched = command(&deny, &["fetch", "db"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if fetched.success() {
        run(&mut check(&["advisories"]))
    } else {
        println!("NOT CHECKED: the database of advisories cannot be reached from here");
        Ok(())
    }
}

/// All tests; then, by what they saw functions do, whether any of their permissions is without use.
fn tests() -> Result<(), Failure> {
    let notes = target().join("xtask/accesses.jsonl");
    fs::create_dir_all(target().join("xtask"))?;
    let _ = fs::remove_file(&notes);
    run(cargo(&["test", "--workspace", "--lib", "--test", "it"]).env("LATCHKEY_TEST_RECORD", &notes))?;
    let unused = ["test", "--package", "local", "--test", "it", "--", "--ignored", "--nocapture", "privileges::"];
    run_tests(cargo(&unused).env("LATCHKEY_TEST_RECORD", &notes), 1)
}

/// Runs so many tests, and shows what they print. A filter that finds none would pass too.
pub(crate) fn run_tests(command: &mut Command, count: usize) -> Result<(), Failure> {
    let printed = output(command)?;
    print!("{printed}");
    if printed.contains(&format!("test result: ok. {count} passed")) {
        Ok(())
    } else {
        Err(format!("other than {count} tests passed").into())
    }
}

/// Builds every Lambda binary, and proves that none has a control of the local server.
fn binaries() -> Result<(), Failure> {
    run(&mut cargo(&["build", "--workspace", "--bins"]))?;
    // That a word is found where it belongs shows that this looks at the right thing.
    let local = target().join("debug/latchkey");
    for word in ["clock-offset", "dynamodb.sqlite", "made a demo organization"] {
        if !holds(&local, word)? {
            return Err(format!("the local server does not have {word}: the check is blind").into());
        }
    }
    hold_no_local_control(|name| target().join("debug").join(name))
}

/// Proves that no Lambda binary has a control of the local server.
///
/// - `binary_of`: where that of a function lies.
pub(crate) fn hold_no_local_control(binary_of: impl Fn(&str) -> std::path::PathBuf) -> Result<(), Failure> {
    let mut checked = 0;
    for source in fs::read_dir(root().join("functions/src/bin"))? {
        let name = source?.path().file_stem().unwrap_or_default().display().to_string();
        for word in LOCAL_ONLY {
            if holds(&binary_of(&name), word)? {
                return Err(format!("{name} holds {word}, a control of the local server").into());
            }
        }
        checked += 1;
    }
    println!("{checked} Lambda binaries hold none of {}", LOCAL_ONLY.join(", "));
    Ok(())
}

fn holds(path: &std::path::Path, word: &str) -> Result<bool, Failure> {
    Ok(memchr::memmem::find(&fs::read(path)?, word.as_bytes()).is_some())
}

/// Runs the README's lines word for word, on another port, and compares what they print.
fn readme() -> Result<(), Failure> {
    let server = Latchkey::start("debug", "readme", &[])?;
    let readme = fs::read_to_string(root().join("README.md"))?;
    let walk =
        readme.split("## Try it").nth(1).and_then(|rest| rest.split("\n## ").next()).ok_or("no section \"Try it\"")?;
    let mut script = format!(
        "set -u\nexport ADMIN_KEY={}\nexport USER_KEY={}\n",
        server.exported("ADMIN_KEY")?,
        server.exported("USER_KEY")?
    );
    let mut expected = Vec::new();
    let mut in_code = false;
    for line in walk.lines() {
        match line {
            "```sh" => in_code = true,
            "```" => {
                in_code = false;
                script += "\n";
            }
            line if in_code => match line.strip_prefix("#> ") {
                Some(output) => {
                    expected.push(output.to_owned());
                    // An answer without a line break would run into the next one.
                    script += "echo\n";
                }
                None => {
                    script += &line.replace("localhost:9000", &format!("localhost:{}", server.port));
                    script.push('\n');
                }
            },
            _ => {}
        }
    }
    let mut bash = command("bash", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    bash.stdin.take().ok_or("the input is piped")?.write_all(script.as_bytes())?;
    let printed = String::from_utf8(bash.wait_with_output()?.stdout)?;
    let printed: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    if printed.len() != expected.len() {
        return Err(format!("{} lines where {} are promised: {printed:#?}", printed.len(), expected.len()).into());
    }
    for (printed, expected) in printed.iter().zip(&expected) {
        let matches = match expected.strip_suffix('…') {
            Some(start) => printed.starts_with(start),
            None => printed == expected,
        };
        if !matches {
            return Err(format!("the README promises {expected:?}, and it prints {printed:?}").into());
        }
    }
    println!("{} promised lines printed as promised", expected.len());
    Ok(())
}

/// The examples in other languages verify tokens from nothing but the published keys, and refuse what is none.
fn interop() -> Result<(), Failure> {
    let (python, node, nimbus) = (tools::pyjwt()?, tools::jose()?, tools::nimbus()?);
    let server = Latchkey::start("debug", "interop", &[])?;
    let url = format!("http://localhost:{}", server.port);
    let header = format!("ApiKey: {}", server.exported("USER_KEY")?);
    let answer = output(&mut command(
        "curl",
        &["-sS", "--noproxy", "*", "-X", "POST", "-H", &header, &format!("{url}/v1/auth/authenticate")],
    ))?;
    let token = answer.split('"').nth(3).ok_or("no token came")?;
    let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { return Err("no token came".into()) };
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let bad = [
        ("another signature", format!("{head}.{body}.{first}{}", &signature[1..])),
        ("other claims", format!("{head}.{}AA.{signature}", &body[..body.len() - 2])),
        ("no signature", format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{body}.")),
        ("no token", "lk_0".to_owned()),
    ];
    // A module finds what it imports beside itself.
    let examples = root().join("infra/examples");
    fs::copy(examples.join("verify.mjs"), node.join("verify.mjs"))?;
    let text = |path: std::path::PathBuf| path.display().to_string();
    let verifiers = [
        ("PyJWT", vec![text(python), text(examples.join("verify.py"))]),
        ("jose", vec!["node".to_owned(), text(node.join("verify.mjs"))]),
        ("Nimbus", ["java", "-cp", &nimbus, &text(examples.join("Verify.java"))].map(ToOwned::to_owned).to_vec()),
    ];
    for (name, words) in verifiers {
        let verify = |issuer: &str, audience: &str, token: &str| {
            let mut verify = command(&words[0], &[]);
            verify.args(&words[1..]).args([issuer, audience, token]).env("NO_PROXY", "*").env("no_proxy", "*");
            verify
        };
        let claims = output(&mut verify(&url, "latchkey", token))?;
        for wanted in ["apikey", "tid", "kuid"] {
            if !claims.contains(wanted) {
                return Err(format!("{name} printed {claims:?} without {wanted}").into());
            }
        }
        let others = [(url.as_str(), "another service", token)];
        for (issuer, audience, token) in
            others.into_iter().chain(bad.iter().map(|(_, bad)| (&*url, "latchkey", &**bad)))
        {
            let verified = verify(issuer, audience, token).output()?;
            let said = String::from_utf8_lossy(&verified.stderr).into_owned();
            if verified.status.success() || !said.contains("refused: ") {
                return Err(format!("{name} did not refuse {token} for {audience}: {said}").into());
            }
        }
        let refused: Vec<_> = bad.iter().map(|(what, _)| *what).collect();
        println!("{name} verified a token, and refused it for another service, and with {}", refused.join(", "));
    }
    Ok(())
}

fn template() -> Result<(), Failure> {
    for template in ["infra/template.yaml", "infra/examples/protected-api.yaml"] {
        run(&mut command(tools::cfn_lint()?, &[template]))?;
        let mut sam = command(tools::sam()?, &["validate", "--lint", "--template", template]);
        run(sam.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1"))?;
        let config =
            ["--config-file", "infra/.checkov.yaml", "--skip-download", "--quiet", "--compact", "--file", template];
        run(&mut command(tools::checkov()?, &config))?;
    }
    Ok(())
}

/// The same tests on the real DynamoDB Local.
fn dynamodb_local() -> Result<(), Failure> {
    let class_path = tools::dynamodb_local()?;
    let temporary = format!("-Djava.io.tmpdir={}", target().join("dynamodb-local/tmp").display());
    let mut java = command("java", &["-XX:+UseSerialGC", "-Xmx1g", &temporary, "-cp", &class_path, "Loopback"]);
    // It ends when its input does, so also when this program dies.
    java.stdin(Stdio::piped()).stderr(Stdio::null()).env("DDB_LOCAL_TELEMETRY", "0");
    let (_dynamodb, said) = server::start_until(&mut java, |line| line.starts_with("LISTENING "))?;
    let port = said.trim().rsplit(' ').next().unwrap_or_default();
    // Not the tests of the program itself, which has its own tables.
    let mut tests = cargo(&["test", "--package", "local", "--test", "it", "--", "--test-threads", "1"]);
    // These have a store of their own, or none, or would take an hour here.
    for other in ["process::", "canaries::", "asvs::", "model::", "faults::whatever"] {
        tests.args(["--skip", other]);
    }
    tests.env("LATCHKEY_TEST_OPERATIONS", "300");
    run(tests.env("LATCHKEY_TEST_DYNAMODB", format!("http://127.0.0.1:{port}")))
}

/// The `OpenAPI` document against the server, by requests that are made of it.
fn openapi() -> Result<(), Failure> {
    let schemathesis = tools::schemathesis()?;
    let server = Latchkey::start("debug", "openapi", &[])?;
    let (email, password) = server.admin()?;
    let sign_in = serde_json::json!({ "emailId": email, "password": password }).to_string();
    let mut connection = Connection::open(server.port)?;
    let answer = connection.call("POST", "/v1/auth/authenticate", "", &sign_in)?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let token = answer["Authorization"].as_str().ok_or("no token came")?;
    let (url, header) = (format!("http://127.0.0.1:{}", server.port), format!("Authorization: {token}"));
    let document = format!("{url}/v1/openapi.json");
    let mut check = command(schemathesis, &["run", &document, "--url", &url, "--header", &header, "--no-color"]);
    check.args(["--phases", "examples,coverage,fuzzing,stateful", "--checks", "all", "--max-examples", "3"]);
    check.args(["--generation-deterministic", "--generation-with-security-parameters", "false"]);
    // Rules beyond what a schema can say are refusals all the same; null means absent, as clients of other languages write
    // it; and what is not in the document is not there, whatever the method.
    check.args(["--exclude-checks", "positive_data_acceptance,negative_data_rejection,unsupported_method"]);
    // They would end the session of whoever tries them.
    check.args([
        "--exclude-path-regex",
        "^/v1/users/auth/sessions|/(logout|switch)$",
        "--continue-on-failure",
        "--warnings",
        "off",
    ]);
    run(check.current_dir(&server.data).env("NO_PROXY", "*").env("no_proxy", "*"))?;
    // The other connection has been closed for its idleness.
    let mut connection = Connection::open(server.port)?;
    let header = format!("authorization: {token}\r\n");
    connection
        .call("GET", "/v1/users/me", &header, "")
        .map_err(|error| format!("the session did not last: {error}"))?;
    Ok(())
}

/// The outbox against an emulator of SES, which is down for a minute.
fn ses() -> Result<(), Failure> {
    let ministack = tools::ministack()?;
    let port = server::free_port()?;
    let mut emulator = command(ministack, &[]);
    emulator.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("IOT_MTLS_ENABLED", "0");
    let emulator = emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let _emulator = server::Background(emulator);
    server::wait_for_port(port)?;
    let mut tests = cargo(&["test", "--package", "local", "--test", "it", "--", "--ignored", "ses::"]);
    run(tests.env("LATCHKEY_TEST_SES", format!("http://127.0.0.1:{port}")))
}

/// The Lambda binaries, run by `cargo lambda watch` on the same data.
fn lambda_watch() -> Result<(), Failure> {
    let cargo_lambda = tools::cargo_lambda()?;
    let server = Latchkey::start("debug", "watch", &["--dynamodb-port", "0"])?;
    let port = server::free_port()?;
    let env = server.data.join("lambda.env").display().to_string();
    let mut watch: Command = cargo(&[]);
    let arguments = [
        "lambda",
        "watch",
        "--ignore-changes",
        "--invoke-address",
        "127.0.0.1",
        "--invoke-port",
        &port.to_string(),
        "--env-file",
        &env,
    ]
    .map(ToOwned::to_owned);
    let path = format!(
        "{}:{}",
        cargo_lambda.parent().ok_or("it lies in a folder")?.display(),
        std::env::var_os("PATH").unwrap_or_default().display()
    );
    watch.args(arguments).env("PATH", &path).stdout(Stdio::null()).stderr(Stdio::null());
    let _watching = Group(watch.process_group(0).spawn()?.id());
    server::wait_for_port(port)?;

    let url = format!("http://127.0.0.1:{port}");
    let key = server.exported("USER_KEY")?;
    let header = format!("ApiKey: {key}");
    let curl = |arguments: &[&str]| {
        output(command("curl", &["-sS", "--noproxy", "*", "--max-time", "300", "-H", &header]).args(arguments))
    };
    let expect = |what: &str, printed: String, wanted: &str| -> Result<(), Failure> {
        if !printed.contains(wanted) {
            return Err(format!("{what} printed {printed:?} without {wanted:?}").into());
        }
        println!("{what}: {wanted}");
        Ok(())
    };
    expect("GET /v1/users/me", curl(&[&format!("{url}/v1/users/me")])?, "\"firstName\":\"Tom\"")?;
    expect("GET /v1/users/info", curl(&[&format!("{url}/v1/users/info")])?, "\"orgName\":\"northwind\"")?;
    let token = curl(&["-X", "POST", &format!("{url}/v1/auth/authenticate")])?;
    expect("POST /v1/auth/authenticate", token.clone(), "\"Authorization\":\"eyJ")?;
    let token = token.split('"').nth(3).unwrap_or_default().to_owned();
    expect(
        "GET /v1/auth/refresh/{token}",
        curl(&[&format!("{url}/v1/auth/refresh/{token}")])?,
        "\"Authorization\":\"eyJ",
    )?;
    let body = r#"{"metadata":{"name":"watched"},"spec":{"expiry":"2099-01-01T00:00:00Z"}}"#;
    let created = curl(&["-X", "POST", "-d", body, &format!("{url}/v1/apiKeys")])?;
    expect("POST /v1/apiKeys", created.clone(), "\"apiKey\":\"lk_")?;
    let uid = created.split('"').nth(7).unwrap_or_default().to_owned();
    let one = format!("{url}/v1/apiKeys/{uid}");
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    expect("GET /v1/apiKeys", curl(&[&format!("{url}/v1/apiKeys")])?, "\"watched\"")?;
    expect("GET /v1/apiKeys/{uid}", curl(&[&one])?, "\"watched\"")?;
    expect("PUT /v1/apiKeys/{uid}", curl(&[&status[..], &["-X", "PUT", "-d", "{}", &one]].concat())?, "204")?;
    expect("PUT …/state", curl(&[&status[..], &["-X", "PUT", "-d", "{}", &format!("{one}/state")]].concat())?, "204")?;
    expect(
        "PATCH /v1/apiKeys/{uid}",
        curl(&[&status[..], &["-X", "PATCH", "-d", "{\"isActive\":true}", &one]].concat())?,
        "204",
    )?;
    expect("DELETE /v1/apiKeys/{uid}", curl(&[&status[..], &["-X", "DELETE", &one]].concat())?, "204")?;
    expect("DELETE again", curl(&[&status[..], &["-X", "DELETE", &one]].concat())?, "404")?;
    let body = format!("{{\"tokens\":[\"{token}\"]}}");
    let revoked =
        curl(&[&status[..], &["-X", "POST", "-d", &body, &format!("{url}/v1/users/auth/tokens/revoke")]].concat())?;
    expect("POST /v1/users/auth/tokens/revoke", revoked, "204")?;
    expect("the revoked token", curl(&[&status[..], &[&format!("{url}/v1/auth/refresh/{token}")]].concat())?, "401")?;
    expect("GET /.well-known/jwks.json", curl(&[&format!("{url}/.well-known/jwks.json")])?, "\"kty\":\"EC\"")?;
    let mut invoke = cargo(&[
        "lambda",
        "invoke",
        "discovery",
        "--invoke-address",
        "127.0.0.1",
        "--invoke-port",
        &port.to_string(),
        "--data-file",
        "events/discovery.json",
    ]);
    expect("cargo lambda invoke discovery", output(invoke.env("PATH", &path))?, "200")
}

/// A program and all that it started, ended with the value.
pub(crate) struct Group(pub(crate) u32);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = command("kill", &["--", &format!("-{}", self.0)]).status();
    }
}
