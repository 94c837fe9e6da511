//! A flood of credentials that never come again, through the real program: what the table of quotas costs it in memory,
//! and whether finding one's quota takes as long at the end as in the beginning.
//!
//! With the default quotas a credential is idle as soon as it has been served, and forgotten; the table never fills. So the
//! flood is sent once more with quotas so slow that nobody is idle meanwhile, and then it must.

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

/// What a credential may cost in memory, and all else while the flood lasts, in kibibytes.
const MOST_EACH: f64 = 0.5;
const MOST_ELSE: f64 = 16.0 * 1024.0;

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

/// Whether credentials are idle as soon as they have been served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Quotas {
    /// The default: a cell is regained in 20 ms.
    Quick,
    /// A cell is regained in a minute. Nobody is refused: the throttle only observes.
    Slow,
}

/// What the program told of its credentials.
#[derive(Debug, Default)]
struct Told {
    /// The most that had a quota of their own.
    most: AtomicU64,
    /// Requests that had to share one.
    crowded: AtomicU64,
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
    for quotas in [Quotas::Slow, Quotas::Quick].into_iter().take(settings.pick(1, 2)) {
        play(settings, quotas, rules).await;
    }
}

async fn play(settings: &Settings, quotas: Quotas, rules: &mut Rules) {
    let bound = settings.pick(FEW_CREDENTIALS, MOST_CREDENTIALS);
    let upstream = Scripted::forgetting(LIST).await;
    let program = start(&upstream, bound, quotas).await;
    let before = program.memory_kib("VmRSS");
    let told = Arc::new(Told::default());
    let watching = tokio::spawn(watch_credentials(program.admin_address, told.clone()));
    let flood = Arc::new(Flood::new(settings));
    let began = Instant::now();
    let seen = send_all(&flood, program.address).await;
    let took = began.elapsed();
    let (after, peak) = (program.memory_kib("VmRSS"), program.memory_kib("VmHWM"));
    let later = if settings.is_long() { Some(memory_later(&program).await) } else { None };
    watching.abort();
    // Between the last look and the end of the flood there was time.
    told.look(&Client::of(program.admin_address)).await;
    let memory = Memory { before, peak, after, later };
    let name = if quotas == Quotas::Slow { "nobody idle meanwhile" } else { "idle at once" };
    println!("\ntokens, {name}: {} distinct ones, of which {bound} may be told apart", seen.sent());
    print(&seen, took, &memory, &told);
    check_answers(settings, &flood, &seen, rules);
    let most = told.most.load(Relaxed);
    rules.check("tokens", most <= bound, &format!("no more than {bound} are told apart"), format!("{most} were"));
    if quotas == Quotas::Slow {
        check_full(&told, bound, &memory, rules);
    }
}

async fn start(upstream: &Scripted, bound: u64, quotas: Quotas) -> Program {
    let bound = bound.to_string();
    let mut environment =
        vec![("CHATHUB_GATEWAY__LOG__ACCESS", "false"), ("CHATHUB_GATEWAY__THROTTLE__MAX_CREDENTIALS", bound.as_str())];
    if quotas == Quotas::Slow {
        environment.push(("CHATHUB_GATEWAY__THROTTLE__MODE", "observe"));
        environment.push(("CHATHUB_GATEWAY__THROTTLE__OTHER__RATE", "1/m"));
        environment.push(("CHATHUB_GATEWAY__THROTTLE__OTHER__BURST", "1"));
    }
    Program::before(&upstream.url(), &environment).await
}

/// Keeps the most that was ever told.
async fn watch_credentials(operators: SocketAddr, told: Arc<Told>) {
    let operators = Client::of(operators);
    loop {
        told.look(&operators).await;
        sleep(GLANCE).await;
    }
}

impl Told {
    async fn look(&self, operators: &Client) {
        let metrics = Exposition::parse(operators.ask("GET /metrics").send().await.text());
        let figure = |name: &str| metrics.find(&format!(r#"{name}{{class="other"}}"#)).unwrap_or_default() as u64;
        self.most.fetch_max(figure("throttle_credentials"), Relaxed);
        self.crowded.fetch_max(figure("throttle_crowded_total"), Relaxed);
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

fn print(seen: &Seen, took: Duration, memory: &Memory, told: &Told) {
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
    let (most, crowded) = (told.most.load(Relaxed), told.crowded.load(Relaxed));
    println!("  credentials told apart: {most} at the most; {crowded} requests shared a quota");
    for (name, tenth) in [("first", 0), ("last", 9)] {
        let took = seen.tenth(tenth);
        println!("  {name} tenth: p50 {:.3} ms, p99 {:.3} ms", took.percentile(50), took.percentile(99));
    }
}

/// The table was full, and cost what it may.
fn check_full(told: &Told, bound: u64, memory: &Memory, rules: &mut Rules) {
    let (most, crowded) = (told.most.load(Relaxed), told.crowded.load(Relaxed));
    rules.check("tokens", most == bound, &format!("{bound} are told apart"), format!("{most} were"));
    rules.check("tokens", crowded > 0, "the others share a quota", format!("{crowded} did"));
    let (cost, allowed) = ((memory.peak - memory.before) as f64, MOST_EACH * bound as f64 + MOST_ELSE);
    rules.check("tokens", cost <= allowed, &format!("they cost at most {allowed} KiB"), format!("{cost} KiB"));
}

fn check_answers(settings: &Settings, flood: &Flood, seen: &Seen, rules: &mut Rules) {
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
