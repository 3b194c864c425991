// SPDX-License-Identifier: Apache-2.0
//! What measure.hpp is for the C++ subjects: sizes, the clock, the command line and the line of JSON.

use std::time::{Duration, Instant};

pub const CHUNK: u64 = 10_000;
pub const YIELDERS: u64 = 1_000;
pub const PAIRS: u64 = 1_000;
pub const CHAIN: u64 = 1_000;
pub const LOCKERS: u64 = 16;
pub const ACQUIRERS: u64 = 20;
pub const PERMITS: usize = 5;
pub const TIMED: u64 = 100;
pub const IDLE: Duration = Duration::from_micros(500);

pub fn at_least_one(n: u64) -> u64 {
    n.max(1)
}

pub fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

pub fn expect(got: u64, wanted: u64) {
    if got != wanted {
        eprintln!("wrong result: {got}, not {wanted}");
        std::process::exit(1);
    }
}

/// 0 to 1 s, scattered, the same in every subject.
pub fn sleep_time(i: u64) -> Duration {
    Duration::from_micros(i * 7_919 % 1_000_003)
}

fn status_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn cpu_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // Safe: it writes to `t` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
    rss_kb: u64,
}

impl Stopwatch {
    pub fn start() -> Self {
        Stopwatch { rss_kb: status_kb("VmRSS:"), cpu: cpu_time(), wall: Instant::now() }
    }
    pub fn stop(&self, ops: u64) -> Measurement {
        let wall = self.wall.elapsed();
        let cpu = cpu_time().saturating_sub(self.cpu);
        let grown_kb = status_kb("VmRSS:").saturating_sub(self.rss_kb);
        Measurement { wall, cpu, ops, grown_kb }
    }
}

pub struct Measurement {
    wall: Duration,
    cpu: Duration,
    ops: u64,
    grown_kb: u64,
}

impl Measurement {
    pub fn json(&self, workload: &str) -> String {
        let per_op = |d: Duration| d.as_nanos() as f64 / self.ops as f64;
        let main = if workload == "sleeps" { self.cpu } else { self.wall };
        format!(
            "{{\"ns_per_op\": {}, \"wall_ns_per_op\": {}, \"cpu_ns_per_op\": {}, \"ops\": {}, \
             \"bytes_per_op\": {}, \"peak_rss_kb\": {}}}",
            per_op(main),
            per_op(self.wall),
            per_op(self.cpu),
            self.ops,
            self.grown_kb as f64 * 1024.0 / self.ops as f64,
            status_kb("VmHWM:")
        )
    }
}

pub fn wake_up_json(mut late: Vec<u64>) -> String {
    late.sort_unstable();
    let at = |share: f64| late[(share * (late.len() - 1) as f64) as usize];
    format!(
        "{{\"ns_per_op\": {}, \"wall_ns_per_op\": {}, \"p99_ns\": {}, \"ops\": {}, \"peak_rss_kb\": {}}}",
        at(0.5),
        IDLE.as_nanos(),
        at(0.99),
        late.len(),
        status_kb("VmHWM:")
    )
}

/// --workload NAME --ops N [--scheduler pool|loop] [--workers N]
pub struct Arguments {
    pub workload: String,
    pub ops: u64,
    pub workers: usize,
    pub current_thread: bool,
}

impl Arguments {
    pub fn parse() -> Self {
        let mut given = Arguments { workload: String::new(), ops: 1, workers: 1, current_thread: false };
        let words: Vec<String> = std::env::args().skip(1).collect();
        for pair in words.chunks(2) {
            match (pair[0].as_str(), pair[1].as_str()) {
                ("--workload", name) => given.workload = name.to_string(),
                ("--ops", n) => given.ops = n.parse().unwrap(),
                ("--workers", n) => given.workers = n.parse().unwrap(),
                ("--scheduler", kind) => given.current_thread = kind == "loop",
                (flag, _) => panic!("not understood: {flag}"),
            }
        }
        given
    }
}
