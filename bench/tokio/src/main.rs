// SPDX-License-Identifier: Apache-2.0
//! The workloads of README.md on Tokio: one subject of `versus`.

mod measure;

use measure::*;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, Mutex, Semaphore};
use tokio::task::{spawn, spawn_blocking, yield_now, JoinHandle};
use tokio::time::{sleep, timeout};

async fn value(i: u64) -> u64 {
    i
}

async fn sum_of(tasks: Vec<JoinHandle<u64>>) -> u64 {
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    total
}

async fn spawn_at_once(count: u64) {
    let tasks = (0..count).map(|i| spawn(value(i))).collect();
    expect(sum_of(tasks).await, sum_below(count));
}

async fn spawn_chunks(ops: u64) -> u64 {
    let chunks = at_least_one(ops / CHUNK);
    for _ in 0..chunks {
        spawn_at_once(CHUNK).await;
    }
    chunks * CHUNK
}

async fn gather(width: u64, ops: u64) -> u64 {
    let mut total = 0;
    for _ in 0..ops {
        let tasks = (0..width).map(|i| spawn(value(i))).collect();
        total += sum_of(tasks).await;
    }
    expect(total, ops * sum_below(width));
    ops
}

async fn yields(ops: u64) -> u64 {
    let rounds = at_least_one(ops / YIELDERS);
    let yielder = move || async move {
        let mut done = 0;
        for _ in 0..rounds {
            yield_now().await;
            done += 1;
        }
        done
    };
    let tasks = (0..YIELDERS).map(|_| spawn(yielder())).collect();
    expect(sum_of(tasks).await, YIELDERS * rounds);
    YIELDERS * rounds
}

async fn ping_pong(ops: u64) -> u64 {
    let trips = at_least_one(ops / PAIRS);
    let mut tasks = Vec::new();
    for _ in 0..PAIRS {
        let (there, mut arriving) = mpsc::channel::<u64>(1);
        let (back, mut returning) = mpsc::channel::<u64>(1);
        tasks.push(spawn(async move {
            let mut total = 0;
            for i in 0..trips {
                there.send(i).await.unwrap();
                total += returning.recv().await.unwrap();
            }
            total
        }));
        tasks.push(spawn(async move {
            for _ in 0..trips {
                let got = arriving.recv().await.unwrap();
                back.send(got + 1).await.unwrap();
            }
            0
        }));
    }
    expect(sum_of(tasks).await, PAIRS * sum_below(trips + 1));
    PAIRS * trips
}

// A recursive async function has to be boxed in Rust.
fn link(left: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if left == 1 {
            return 1;
        }
        1 + spawn(link(left - 1)).await.unwrap()
    })
}

async fn chained_spawn(ops: u64) -> u64 {
    let chains = at_least_one(ops / CHAIN);
    let mut total = 0;
    for _ in 0..chains {
        total += spawn(link(CHAIN)).await.unwrap();
    }
    expect(total, CHAIN * chains);
    CHAIN * chains
}

async fn queue(producers: u64, consumers: u64, capacity: usize, ops: u64) -> u64 {
    let share = at_least_one(ops / producers);
    let (sender, receiver) = async_channel::bounded::<u64>(capacity);
    let mut tasks = Vec::new();
    for _ in 0..consumers {
        let receiver = receiver.clone();
        tasks.push(spawn(async move {
            let mut total = 0;
            while let Ok(item) = receiver.recv().await {
                total += item;
            }
            total
        }));
    }
    for _ in 0..producers {
        let sender = sender.clone();
        tasks.push(spawn(async move {
            for i in 0..share {
                sender.send(i).await.unwrap();
            }
            0
        }));
    }
    drop(sender); // the consumers end when the last producer has
    expect(sum_of(tasks).await, producers * sum_below(share));
    producers * share
}

async fn mutex(held_over_a_yield: bool, ops: u64) -> u64 {
    let rounds = at_least_one(ops / LOCKERS);
    let counter = Arc::new(Mutex::new(0u64));
    let mut tasks = Vec::new();
    for _ in 0..LOCKERS {
        let counter = counter.clone();
        tasks.push(spawn(async move {
            for _ in 0..rounds {
                let mut guard = counter.lock().await;
                *guard += 1;
                if held_over_a_yield {
                    yield_now().await;
                }
            }
            0
        }));
    }
    sum_of(tasks).await;
    expect(*counter.lock().await, LOCKERS * rounds);
    LOCKERS * rounds
}

async fn semaphore(ops: u64) -> u64 {
    let rounds = at_least_one(ops / ACQUIRERS);
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let mut tasks = Vec::new();
    for _ in 0..ACQUIRERS {
        let semaphore = semaphore.clone();
        tasks.push(spawn(async move {
            let mut done = 0;
            for _ in 0..rounds {
                let _permit = semaphore.acquire().await.unwrap();
                yield_now().await;
                done += 1;
            }
            done
        }));
    }
    expect(sum_of(tasks).await, ACQUIRERS * rounds);
    ACQUIRERS * rounds
}

async fn timeouts(yielding: bool, ops: u64) -> u64 {
    let rounds = at_least_one(ops / TIMED);
    let operation = move |i: u64| async move {
        if yielding {
            yield_now().await;
        }
        i
    };
    let timed = move || async move {
        let mut total = 0;
        for i in 0..rounds {
            total += timeout(Duration::from_secs(10), operation(i)).await.unwrap();
        }
        total
    };
    let tasks = (0..TIMED).map(|_| spawn(timed())).collect();
    expect(sum_of(tasks).await, TIMED * sum_below(rounds));
    TIMED * rounds
}

async fn sleeps(count: u64) -> u64 {
    let sleeper = |i: u64| async move {
        sleep(sleep_time(i)).await;
        i
    };
    let tasks = (0..count).map(|i| spawn(sleeper(i))).collect();
    expect(sum_of(tasks).await, sum_below(count));
    count
}

static ASLEEP: AtomicU64 = AtomicU64::new(0);

async fn asleep(count: u64) -> u64 {
    for _ in 0..count {
        spawn(async {
            ASLEEP.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(3600)).await;
        });
    }
    while ASLEEP.load(Ordering::Relaxed) != count {
        yield_now().await;
    }
    count
}

async fn offload(in_flight: u64, ops: u64) -> u64 {
    let rounds = at_least_one(ops / in_flight);
    let caller = move || async move {
        let mut total = 0;
        for i in 0..rounds {
            total += spawn_blocking(move || i).await.unwrap();
        }
        total
    };
    let tasks = (0..in_flight).map(|_| spawn(caller())).collect();
    expect(sum_of(tasks).await, in_flight * sum_below(rounds));
    in_flight * rounds
}

/// A thread outside posts a task now and then; how long until it runs, in nanoseconds.
async fn wake_ups(ops: u64) -> Vec<u64> {
    let runtime = tokio::runtime::Handle::current();
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let late = Arc::new((0..ops).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        for i in 0..ops as usize {
            std::thread::sleep(IDLE);
            let late = late.clone();
            let posted = Instant::now();
            runtime.spawn(async move {
                late[i].store(posted.elapsed().as_nanos() as u64, Ordering::Release);
            });
        }
        std::thread::sleep(10 * IDLE);
        end.send(late.iter().map(|t| t.load(Ordering::Acquire)).collect()).unwrap();
    });
    ended.await.unwrap()
}

async fn run(name: String, ops: u64) -> u64 {
    match name.as_str() {
        "spawn" => {
            spawn_at_once(ops).await;
            ops
        }
        "spawn_10k" => spawn_chunks(ops).await,
        "gather2" => gather(2, ops).await,
        "gather10" => gather(10, ops).await,
        "gather1000" => gather(1000, ops).await,
        "yield" => yields(ops).await,
        "ping_pong" => ping_pong(ops).await,
        "chained_spawn" => chained_spawn(ops).await,
        "queue_1_3" => queue(1, 3, 10, ops).await,
        "queue_4_4" => queue(4, 4, 1024, ops).await,
        "mutex" => mutex(false, ops).await,
        "mutex_yield" => mutex(true, ops).await,
        "semaphore" => semaphore(ops).await,
        "timeout_ready" => timeouts(false, ops).await,
        "timeout_yield" => timeouts(true, ops).await,
        "sleeps" => sleeps(ops).await,
        "asleep" => asleep(ops).await,
        "to_thread" => offload(1, ops).await,
        "to_thread_64" => offload(64, ops).await,
        _ => panic!("no such workload: {name}"),
    }
}

async fn measure(given: Arguments) -> String {
    if given.workload == "wake_up" {
        return wake_up_json(wake_ups(given.ops).await);
    }
    // Not for the memory of tasks: what the warm-up leaves behind would be used again.
    if given.workload != "asleep" {
        run(given.workload.clone(), at_least_one(given.ops / 10)).await;
    }
    let watch = Stopwatch::start();
    let done = run(given.workload.clone(), given.ops).await;
    watch.stop(done).json(&given.workload)
}

fn main() {
    let given = Arguments::parse();
    let runtime = if given.current_thread {
        tokio::runtime::Builder::new_current_thread().enable_time().build()
    } else {
        let mut pool = tokio::runtime::Builder::new_multi_thread();
        pool.worker_threads(given.workers).enable_time().build()
    }
    .unwrap();
    // As a task, since the thread of block_on() is not one of the workers.
    println!("{}", runtime.block_on(async { spawn(measure(given)).await.unwrap() }));
    std::process::exit(0); // without an hour of waiting for the sleepers of `asleep`
}
