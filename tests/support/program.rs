//! The real program as an operator runs it: arguments, environment, streams, signals, exit code.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};
use tokio::task::JoinHandle;

const PATH: &str = env!("CARGO_BIN_EXE_chathub-gateway");

/// Runs the program to its end, with nothing in its environment but what is given.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(arguments, environment).output().expect("the program can be run")
}

/// The program while it serves. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where operators connect.
    pub(crate) admin_address: SocketAddr,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// What the program said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// The access log.
    pub(crate) stdout: String,
    /// The log.
    pub(crate) stderr: String,
}

impl Program {
    /// Starts the program before an upstream, on free ports.
    ///
    /// # Panics
    ///
    /// If it does not say where it listens.
    pub(crate) async fn before(upstream: &str, environment: &[(&str, &str)]) -> Self {
        Self::on("127.0.0.1:0", upstream, environment).await
    }

    /// Starts the program on an address for clients.
    ///
    /// # Panics
    ///
    /// If it does not say where it listens.
    pub(crate) async fn on(listen: &str, upstream: &str, environment: &[(&str, &str)]) -> Self {
        Self::of(command(&arguments(listen, upstream), environment)).await
    }

    /// Starts the program with a soft and a hard limit of file descriptors.
    ///
    /// # Panics
    ///
    /// If it does not say where it listens.
    pub(crate) async fn limited_to(soft: u32, hard: u32, upstream: &str) -> Self {
        let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$@\"");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script, "sh", PATH]).args(arguments("127.0.0.1:0", upstream));
        Self::of(piped(shell)).await
    }

    async fn of(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().expect("the program can be run");
        let mut stdout = child.stdout.take().expect("it is piped");
        let stdout = tokio::spawn(async move {
            let mut said = String::new();
            stdout.read_to_string(&mut said).await.map(|_| said).expect("what it says is text")
        });
        let stderr = child.stderr.take().expect("it is piped");
        let (serving, first, stderr) = first_words(BufReader::new(stderr)).await;
        let stderr = tokio::spawn(rest(stderr, first));
        let [address, admin_address] = ["listen", "admin"].map(|name| address(&serving, name));
        Self { child, address, admin_address, stdout, stderr }
    }

    /// A number of kibibytes in the system's account of the process: `VmHWM` is the most memory it ever had.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().expect("it runs"));
        let status = std::fs::read_to_string(status).expect("the process has an account");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let amount = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|amount| amount.parse().ok());
        amount.unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    /// Asks it to stop as a supervisor does, and does not wait.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Asks it to read its settings again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        Command::new("kill").args([name, &id]).status().expect("a signal can be sent");
    }

    /// Waits until a line of its metrics begins so.
    pub(crate) async fn measures(&self, line: &str) {
        let look = || async {
            let mut stream = TcpStream::connect(self.admin_address).await.expect("it listens");
            let request = b"GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.expect("it reads");
            let mut metrics = String::new();
            stream.read_to_string(&mut metrics).await.expect("what it says is text");
            metrics
        };
        super::eventually(look, |metrics| metrics.lines().any(|found| found.starts_with(line))).await;
    }

    /// Asks it to stop as a supervisor does, and waits.
    pub(crate) async fn stop(self) -> Said {
        self.terminate();
        self.ends().await
    }

    /// Waits for its end.
    pub(crate) async fn ends(mut self) -> Said {
        let status = super::soon(self.child.wait()).await.expect("it can be waited for");
        let (stdout, stderr) = (self.stdout.await, self.stderr.await);
        let said = "both streams end with the program";
        Said { code: status.code(), stdout: stdout.expect(said), stderr: stderr.expect(said) }
    }
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PATH);
    command.args(arguments).env_clear().envs(environment.iter().copied());
    piped(command)
}

fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn arguments<'a>(listen: &'a str, upstream: &'a str) -> [&'a str; 6] {
    ["--listen", listen, "--admin-listen", "127.0.0.1:0", "--upstream", upstream]
}

/// Reads up to the line that tells where it listens.
async fn first_words(mut stderr: BufReader<ChildStderr>) -> (Value, String, BufReader<ChildStderr>) {
    let mut said = String::new();
    loop {
        let start = said.len();
        let read = super::soon(stderr.read_line(&mut said)).await.expect("what it says is text");
        assert!(read > 0, "the program ended: {said}");
        match serde_json::from_str::<Value>(&said[start..]) {
            Ok(line) if line["message"] == "serving" => return (line, said, stderr),
            _ => {}
        }
    }
}

async fn rest(mut stderr: BufReader<ChildStderr>, mut said: String) -> String {
    stderr.read_to_string(&mut said).await.map(|_| said).expect("what it says is text")
}

fn address(line: &Value, name: &str) -> SocketAddr {
    line[name].as_str().and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}
