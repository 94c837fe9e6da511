//! A flood of credentials that never come again, through the real program: what the table of quotas costs it in memory,
//! and whether finding one's quota takes as long at the end as in the beginning.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::figures::Sorted;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::support::client::Client;
use crate::support::connection::Connection;
use crate::support::emulator::Random;
use crate::support::metrics::Exposition;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// How many requests are under way, each on a connection of its own.
const CONNECTIONS: usize = 16;

/// How many tokens the long form sends for each second that it was given.
const TOKENS_A_SECOND: u64 = 1_000_000 / 60;

/// How many the short form sends at the most, and for how long: it is not built for speed, nor alone on its machine.
const SHORT: (u64, Duration) = (20_000, Duration::from_secs(5));

/// The settings' default.
const MOST_CREDENTIALS: u64 = 100_000;

/// So few that the short form sends several times as many.
const FEW_CREDENTIALS: u64 = 2_000;

/// How often the program is asked how many credentials it tells apart.
const GLANCE: Duration = Duration::from_millis(100);

/// How long after the flood the memory is looked at again.
const A_MINUTE: Duration = Duration::from_secs(60);

const LIST: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n{\"total\":0,\"items\":[]}";

/// What there is to send.
#[derive(Debug)]
struct Flood {
    seed: u64,
    tokens: u64,
    next: AtomicU64,
    until: Instant,
}

/// What became of it.
#[derive(Debug, Default)]
struct Seen {
    /// The number of each token whose request was answered with 200, and how long that took.
    served: Vec<(u64, Duration)>,
    /// Other answers.
    refused: usize,
    /// No answer.
    failed: usize,
}

/// What the program told, in kibibytes.
#[derive(Debug)]
struct Memory {
    before: u64,
    peak: u64,
    after: u64,
    later: Option<u64>,
}

pub(crate) async fn run(settings: &Settings, rules: &mut Rules) {
    let bound = settings.pick(FEW_CREDENTIALS, MOST_CREDENTIALS);
    let upstream = Scripted::forgetting(LIST).await;
    let program = start(&upstream, bound).await;
    let before = program.memory_kib("VmRSS");
    let most = Arc::new(AtomicU64::new(0));
    let watching = tokio::spawn(watch_credentials(program.admin_address, most.clone()));
    let flood = Arc::new(Flood::new(settings));
    let began = Instant::now();
    let seen = send_all(&flood, program.address).await;
    let took = began.elapsed();
    let (after, peak) = (program.memory_kib("VmRSS"), program.memory_kib("VmHWM"));
    let later = if settings.is_long() { Some(memory_later(&program).await) } else { None };
    watching.abort();
    let (memory, most) = (Memory { before, peak, after, later }, most.load(Relaxed));
    println!("\ntokens: {} distinct ones, of which {bound} may be told apart", seen.sent());
    print(&seen, took, &memory, most);
    check(settings, &flood, &seen, (most, bound), rules);
}

async fn start(upstream: &Scripted, bound: u64) -> Program {
    let bound = bound.to_string();
    let environment =
        [("CHATHUB_GATEWAY__LOG__ACCESS", "false"), ("CHATHUB_GATEWAY__THROTTLE__MAX_CREDENTIALS", bound.as_str())];
    Program::before(&upstream.url(), &environment).await
}

/// Keeps the most credentials with a quota of their own that were ever told.
async fn watch_credentials(operators: SocketAddr, most: Arc<AtomicU64>) {
    let operators = Client::of(operators);
    loop {
        let metrics = Exposition::parse(operators.ask("GET /metrics").send().await.text());
        let told = metrics.find(r#"throttle_credentials{class="other"}"#).unwrap_or_default();
        most.fetch_max(told as u64, Relaxed);
        sleep(GLANCE).await;
    }
}

async fn memory_later(program: &Program) -> u64 {
    sleep(A_MINUTE).await;
    program.memory_kib("VmRSS")
}

// === the flood ===

impl Flood {
    fn new(settings: &Settings) -> Self {
        let long = settings.window(1, 60);
        // Four times what it is meant to take: a slow machine sends them all the same, only later.
        let (tokens, length) = settings.pick(SHORT, (TOKENS_A_SECOND * long.as_secs(), long * 4));
        let until = Instant::now() + length;
        Self { seed: settings.chance(0).number(), tokens, next: AtomicU64::new(0), until }
    }

    /// The number of the next token, if there is one and there is time.
    fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Relaxed);
        (number < self.tokens && Instant::now() < self.until).then_some(number)
    }

    fn token(&self, number: u64) -> String {
        let mut random = Random::seeded(self.seed ^ number.rotate_left(32));
        format!("{:016x}{:016x}", random.number(), random.number())
    }

    fn request(&self, number: u64) -> String {
        let token = self.token(number);
        format!("GET /api/chat/chats HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\r\n")
    }
}

async fn send_all(flood: &Arc<Flood>, address: SocketAddr) -> Seen {
    let workers: JoinSet<Seen> = (0..CONNECTIONS).map(|_| send_some(flood.clone(), address)).collect();
    let mut all = Seen::default();
    for seen in workers.join_all().await {
        all.served.extend(seen.served);
        all.refused += seen.refused;
        all.failed += seen.failed;
    }
    all
}

async fn send_some(flood: Arc<Flood>, address: SocketAddr) -> Seen {
    let mut connection = Connection::open(address).await;
    let mut seen = Seen::default();
    while let Some(number) = flood.take() {
        let sent = Instant::now();
        match exchange(&mut connection, &flood.request(number)).await {
            Ok(200) => seen.served.push((number, sent.elapsed())),
            Ok(_) => seen.refused += 1,
            Err(_) => {
                seen.failed += 1;
                connection = Connection::open(address).await;
            }
        }
    }
    seen
}

async fn exchange(connection: &mut Connection, request: &str) -> std::io::Result<u16> {
    connection.try_send(request).await?;
    connection.try_answer().await.map(|answer| answer.status)
}

// === the figures ===

impl Seen {
    /// How many tokens were sent.
    fn sent(&self) -> u64 {
        (self.served.len() + self.refused + self.failed) as u64
    }

    /// How long it took in milliseconds, for the tokens of one tenth of those that were sent: 0 is the first.
    fn tenth(&self, tenth: u64) -> Sorted {
        let sent = self.sent();
        let of_tenth = self.served.iter().filter(|(number, _)| number * 10 / sent == tenth);
        Sorted::millis(of_tenth.map(|(_, took)| *took))
    }
}

fn print(seen: &Seen, took: Duration, memory: &Memory, most: u64) {
    let Memory { before, peak, after, later } = memory;
    let later = later.map_or_else(|| "not looked at".to_owned(), |later| format!("{later} KiB"));
    let rate = seen.served.len() as f64 / took.as_secs_f64();
    println!(
        "  {} served in {:.1} s, {rate:.0}/s; {} refused, {} failed",
        seen.served.len(),
        took.as_secs_f64(),
        seen.refused,
        seen.failed
    );
    println!("  memory: {before} KiB before, {peak} KiB at the peak, {after} KiB after, a minute later {later}");
    println!("  credentials told apart: {most} at the most");
    for (name, tenth) in [("first", 0), ("last", 9)] {
        let took = seen.tenth(tenth);
        println!("  {name} tenth: p50 {:.3} ms, p99 {:.3} ms", took.percentile(50), took.percentile(99));
    }
}

fn check(settings: &Settings, flood: &Flood, seen: &Seen, (most, bound): (u64, u64), rules: &mut Rules) {
    let rule = format!("some credentials are told apart, and no more than {bound}");
    rules.check("tokens", (1..=bound).contains(&most), &rule, format!("{most} were"));
    rules.check("tokens", seen.failed == 0, "every request is answered", format!("{} were not", seen.failed));
    if settings.is_long() {
        let rule = format!("{} tokens are sent in time", flood.tokens);
        rules.check("tokens", seen.sent() == flood.tokens, &rule, format!("{} were", seen.sent()));
        let [first, last] = [0, 9].map(|tenth| seen.tenth(tenth).percentile(50));
        // A search that grew with the table would show by far more; a busy machine shows by less.
        let rule = "the median of the last tenth is no more than thrice that of the first";
        rules.check("tokens", last <= 3.0 * first, rule, format!("{first:.3} ms became {last:.3} ms"));
    }
}
