//! What the checks need beside Rust, installed by name into `target/` where it is missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::run::{Failure, cargo, command, root, run, target, works};

const CARGO_DENY: &str = "0.20.2";
const CFN_LINT: &str = "cfn-lint==1.58.0";
const SAM_CLI: &str = "aws-sam-cli==1.170.0";
const CHECKOV: &str = "checkov==3.3.30";
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";
const PYJWT: &str = "pyjwt[crypto]==2.15.1";
const AWS_SDK: &str = "@aws-sdk/client-dynamodb@3.1164.0";
const MINISTACK: &str = "ministack[full]==1.5.33";
const AXE: &str = "axe-core@4.14.1";
const OIDC_PROVIDER: &str = "oidc-provider@9.13.3";
const JOSE: &str = "jose@6.2.18";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const NIMBUS: &str = "10.10";
const DYNAMODB_LOCAL: &str = "3.3.1";

/// `cargo-deny`, from the path or made.
pub(crate) fn cargo_deny() -> Result<PathBuf, Failure> {
    if works(&mut command("cargo-deny", &["--version"])) {
        return Ok("cargo-deny".into());
    }
    let root = target().join("tools");
    let program = root.join("bin/cargo-deny");
    if !program.exists() {
        let root = root.display().to_string();
        run(&mut cargo(&["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--root", &root]))?;
    }
    Ok(program)
}

/// Sees to it that a program is there, by Debian's package of it if need be.
fn debian(program: &str, version_flag: &str, package: &str) -> Result<(), Failure> {
    debian_if(!works(&mut command(program, &[version_flag])), program, package)
}

fn debian_if(is_missing: bool, program: &str, package: &str) -> Result<(), Failure> {
    if !is_missing {
        return Ok(());
    }
    let missing = |error| format!("{program} is missing, and Debian's package {package} cannot be installed ({error})");
    run(&mut command("apt-get", &["update", "-qq"])).map_err(missing)?;
    run(&mut command("apt-get", &["install", "-y", "-qq", "--no-install-recommends", package])).map_err(missing)?;
    Ok(())
}

/// A program of a Python package, in an environment of our own.
fn python(package: &str, program: &str) -> Result<PathBuf, Failure> {
    python_in("python", package, program)
}

/// The same, in an environment of this name: some packages want others of versions that no other one stands.
fn python_in(environment: &str, package: &str, program: &str) -> Result<PathBuf, Failure> {
    let environment = target().join(environment);
    let pip = environment.join("bin/pip");
    if !pip.exists() {
        debian("python3", "--version", "python3")?;
        let path = environment.display().to_string();
        let make = || command("python3", &["-m", "venv", "--clear", &path]);
        if !works(&mut make()) {
            run(&mut command("apt-get", &["install", "-y", "-qq", "--no-install-recommends", "python3-venv"]))?;
            run(&mut make())?;
        }
    }
    let marker = environment.join(format!("installed-{}", package.replace(|char: char| !char.is_alphanumeric(), "-")));
    if !marker.exists() {
        run(&mut command(&pip, &["install", "--quiet", "--disable-pip-version-check", package]))?;
        fs::write(marker, "")?;
    }
    Ok(environment.join("bin").join(program))
}

/// `cfn-lint`.
pub(crate) fn cfn_lint() -> Result<PathBuf, Failure> {
    python(CFN_LINT, "cfn-lint")
}

/// AWS's own program for templates of its kind.
pub(crate) fn sam() -> Result<PathBuf, Failure> {
    python_in("python-sam", SAM_CLI, "sam")
}

/// What looks through templates for settings that are unsafe.
pub(crate) fn checkov() -> Result<PathBuf, Failure> {
    python_in("python-checkov", CHECKOV, "checkov")
}

/// The folder of `cargo-lambda` and of the `zig` that comes along.
pub(crate) fn cargo_lambda() -> Result<PathBuf, Failure> {
    python(CARGO_LAMBDA, "cargo-lambda")
}

/// An emulator of AWS.
pub(crate) fn ministack() -> Result<PathBuf, Failure> {
    python(MINISTACK, "ministack")
}

/// A Python that has what the emulator of AWS needs: the SDK and the reader of templates.
pub(crate) fn ministack_python() -> Result<PathBuf, Failure> {
    python(MINISTACK, "python")
}

/// A Python that has PyJWT.
pub(crate) fn pyjwt() -> Result<PathBuf, Failure> {
    python(PYJWT, "python")
}

/// A folder with the AWS SDK for Node.js.
pub(crate) fn aws_sdk_for_node() -> Result<PathBuf, Failure> {
    npm(AWS_SDK)
}

/// A folder with `jose`, the usual JWT library for Node.js.
pub(crate) fn jose() -> Result<PathBuf, Failure> {
    npm(JOSE)
}

/// `schemathesis`, which makes requests of an `OpenAPI` document.
pub(crate) fn schemathesis() -> Result<PathBuf, Failure> {
    python_in("python-schemathesis", SCHEMATHESIS, "schemathesis")
}

/// The script of axe, which finds what shuts people out of a page.
pub(crate) fn axe() -> Result<PathBuf, Failure> {
    Ok(npm(AXE)?.join("node_modules/axe-core/axe.min.js"))
}

/// A folder with `oidc-provider`, a strict provider of `OpenID` Connect.
pub(crate) fn oidc_provider() -> Result<PathBuf, Failure> {
    npm(OIDC_PROVIDER)
}

/// The driver of Chromium, with Chromium.
pub(crate) fn chromedriver() -> Result<&'static str, Failure> {
    debian("chromium", "--version", "chromium")?;
    debian("chromedriver", "--version", "chromium-driver")?;
    Ok("chromedriver")
}

/// `wrk`, which asks as often as it gets answers.
pub(crate) fn wrk() -> Result<&'static str, Failure> {
    // It has no flag that ends well, so it is asked for by what it prints.
    debian_if(command("wrk", &["--version"]).output().is_err(), "wrk", "wrk")?;
    Ok("wrk")
}

/// Valgrind, which counts instructions.
pub(crate) fn valgrind() -> Result<&'static str, Failure> {
    debian("valgrind", "--version", "valgrind")?;
    Ok("valgrind")
}

/// A folder with Better Auth, its plugin of API keys and the application on it that stands in `infra/bench`.
pub(crate) fn better_auth() -> Result<PathBuf, Failure> {
    debian("node", "--version", "nodejs")?;
    debian("npm", "--version", "npm")?;
    let (source, folder) = (root().join("infra/bench/better-auth"), target().join("better-auth"));
    fs::create_dir_all(&folder)?;
    for file in ["package.json", "server.mjs"] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    // The lock file comes last, so that it stands for an installation that is complete.
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let installed = folder.join("installed-lock.json");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(folder);
    }
    fs::write(folder.join("package-lock.json"), &lock)?;
    run(command("npm", &["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    fs::write(installed, lock)?;
    Ok(folder)
}

/// A folder of our own in which a package for Node.js is installed.
fn npm(package: &str) -> Result<PathBuf, Failure> {
    debian("node", "--version", "nodejs")?;
    debian("npm", "--version", "npm")?;
    let folder = target().join("node");
    fs::create_dir_all(&folder)?;
    let marker = folder.join(format!("installed-{}", package.replace(|char: char| !char.is_alphanumeric(), "-")));
    if !marker.exists() {
        if !folder.join("package.json").exists() {
            fs::write(folder.join("package.json"), r#"{"private":true}"#)?;
        }
        let mut npm = command("npm", &["install", "--silent", "--no-audit", "--no-fund", "--save-exact", package]);
        run(npm.current_dir(&folder))
            .map_err(|error| format!("Node.js with npm is missing or npm failed ({error})"))?;
        fs::write(marker, "")?;
    }
    Ok(folder)
}

/// The class path of the real DynamoDB Local, with a launcher that binds the loopback interface only: its own binds
/// every interface.
pub(crate) fn dynamodb_local() -> Result<String, Failure> {
    let folder = target().join("dynamodb-local");
    let libraries = maven(&folder, "software.amazon.dynamodb", "DynamoDBLocal", DYNAMODB_LOCAL)?;
    let classes = folder.join("classes");
    fs::create_dir_all(&classes)?;
    fs::create_dir_all(folder.join("tmp"))?;
    if !classes.join("Loopback.class").exists() {
        fs::write(folder.join("Loopback.java"), LOOPBACK)?;
        let source = folder.join("Loopback.java").display().to_string();
        run(&mut command("javac", &["-cp", &libraries, "-d", &classes.display().to_string(), &source]))?;
    }
    Ok(format!("{}:{libraries}", classes.display()))
}

/// The class path of Nimbus, the usual JWT library for Java.
pub(crate) fn nimbus() -> Result<String, Failure> {
    maven(&target().join("nimbus"), "com.nimbusds", "nimbus-jose-jwt", NIMBUS)
}

/// The class path of a library for Java with all that it needs, which lie in the folder.
fn maven(folder: &Path, group: &str, artifact: &str, version: &str) -> Result<String, Failure> {
    debian("javac", "-version", "default-jdk-headless")?;
    debian("mvn", "--version", "maven")?;
    let lib = folder.join("lib");
    fs::create_dir_all(folder)?;
    if !lib.exists() {
        let pom = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>local</groupId><artifactId>wanted</artifactId><version>1</version>\
             <packaging>pom</packaging><dependencies><dependency><groupId>{group}</groupId>\
             <artifactId>{artifact}</artifactId><version>{version}</version></dependency></dependencies>\
             </project>"
        );
        fs::write(folder.join("pom.xml"), pom)?;
        let out = format!("-DoutputDirectory={}", folder.join("fetched").display());
        let goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
        let mut maven =
            command("mvn", &["-B", "-q", "-ntp", goal, "-DincludeScope=runtime", "-DincludeTypes=jar", &out]);
        run(maven.current_dir(folder))?;
        // Only a complete set of libraries counts.
        fs::rename(folder.join("fetched"), &lib)?;
    }
    Ok(format!("{}/*", lib.display()))
}

const LOOPBACK: &str = r#"
import java.net.*;
import org.eclipse.jetty.server.*;
import org.eclipse.jetty.server.handler.*;
import software.amazon.dynamodb.services.local.server.*;

public class Loopback {
    public static void main(String[] arguments) throws Exception {
        java.util.logging.Logger.getLogger("com.almworks.sqlite4java").setLevel(java.util.logging.Level.OFF);
        var requests = new LocalDynamoDBRequestHandler(0, true, null, true, false);
        var server = new Server(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0));
        server.setHandler(new ContextHandlerCollection(new ContextHandler(new LocalDynamoDBServerHandler(requests, null))));
        server.start();
        System.out.println("LISTENING " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
        while (System.in.read() >= 0) { }
        System.exit(0);
    }
}
"#;
