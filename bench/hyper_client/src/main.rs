// SPDX-License-Identifier: Apache-2.0
//! The HTTP client of the figures on hyper and Tokio: hyper_client WORKERS URL REQUESTS CONCURRENCY, where 0 workers are the current thread's runtime.
//! Prints requests a second. hyper's own pool keeps the connections.

use hyper::{body, client::HttpConnector, Client, StatusCode, Uri};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn get(client: &Client<HttpConnector>, url: &Uri) {
    // As every client has a limit.
    let answer = tokio::time::timeout(Duration::from_secs(30), async {
        let answer = client.get(url.clone()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        body::to_bytes(answer.into_body()).await.expect("a body")
    });
    assert!(!answer.await.expect("in time").is_empty());
}

async fn measure(client: Client<HttpConnector>, url: Uri, requests: i64, concurrency: i64) -> f64 {
    let mut rate = 0.0;
    for n in [concurrency * 2, requests] {
        // The first opens the connections.
        let left = Arc::new(AtomicI64::new(n));
        let start = Instant::now();
        let tasks: Vec<_> = (0..concurrency)
            .map(|_| {
                let (client, url, left) = (client.clone(), url.clone(), left.clone());
                tokio::spawn(async move {
                    while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                        get(&client, &url).await;
                    }
                })
            })
            .collect();
        for t in tasks {
            t.await.expect("a task");
        }
        rate = n as f64 / start.elapsed().as_secs_f64();
    }
    rate
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let workers: usize = given[1].parse().expect("WORKERS");
    let url: Uri = given[2].parse().expect("URL");
    let requests: i64 = given[3].parse().expect("REQUESTS");
    let concurrency: i64 = given[4].parse().expect("CONCURRENCY");
    let runtime = match workers {
        0 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        n => tokio::runtime::Builder::new_multi_thread().worker_threads(n).enable_all().build(),
    }
    .expect("a runtime");
    let rate = runtime.block_on(async move {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder().pool_max_idle_per_host(concurrency as usize).build(connector);
        tokio::spawn(measure(client, url, requests, concurrency)).await.expect("the measurement")
    });
    println!("{rate:.0}");
}
