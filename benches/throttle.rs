//! What one unit of a budget costs: the arithmetic alone; with the map that finds the budget, contended; and in a Redis on
//! this machine, when each request asks and when slices are taken.
//!
//! Contended means that every thread spends from budgets of its own, as clients do; only the shards are shared. The latest
//! numbers are in `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

#[path = "../tests/servers/redis.rs"]
mod redis_server;

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use stormdoor::clock::{Clock, SystemClock, Timestamp};
use stormdoor::config::{
    self, HostAndPort, LimitsMode, LimitsOnOutage, LockoutOnOutage, RedisServer, RedisSettings,
};
use stormdoor::observe::Metrics;
use stormdoor::store::{SharedState, Time, memory};
use stormdoor::throttle::window::Window;
use stormdoor::throttle::{ClientNetwork, Counters, Key, Quota, Who};

const START: i64 = 1_704_067_200_000;

fn spend_from_window(c: &mut Criterion) {
    let mut group = c.benchmark_group("throttle/window/spend");
    group.throughput(Throughput::Elements(1));

    for (name, limit) in [("granted", "4294967295/s"), ("exhausted", "1/day")] {
        let quota: Quota = limit.parse().expect("a quota");
        group.bench_function(name, |b| {
            let (mut window, mut at) = (Window::default(), START);
            b.iter(|| {
                at += 1;
                window.spend(black_box(quota), 1, Timestamp::from_millis(at))
            });
        });
    }
    group.finish();
}

fn spend_from_memory(c: &mut Criterion) {
    let mut group = c.benchmark_group("throttle/memory/spend");
    group.throughput(Throughput::Elements(1));

    for threads in [1, 4, 16] {
        group.bench_function(BenchmarkId::new("threads", threads), |b| {
            b.iter_custom(|times| contended(threads, times));
        });
    }
    group.finish();
}

/// How long `threads` take to spend `times` units between them.
fn contended(threads: u32, times: u64) -> Duration {
    let counters = memory::Counters::default();
    let quota: Quota = "4294967295/s".parse().expect("a quota");
    let each = times.div_ceil(u64::from(threads));
    let (ready, done) = (Barrier::new(threads as usize + 1), Barrier::new(threads as usize + 1));
    thread::scope(|scope| {
        for number in 0..threads {
            let (counters, ready, done) = (&counters, &ready, &done);
            scope.spawn(move || {
                let address = IpAddr::from((0x0A00_0000 + number).to_be_bytes());
                let who = Who::Client(ClientNetwork::from(address));
                let key = Key { policy: "default".into(), who };
                ready.wait();
                for _ in 0..each {
                    let now = Timestamp::from_millis(START);
                    // Memory never waits, so one poll is all of it.
                    let spent = counters.spend(black_box(&key), quota, 1, now).now_or_never();
                    black_box(spent.expect("an answer at once").expect("a spend"));
                }
                done.wait();
            });
        }
        ready.wait();
        let start = Instant::now();
        done.wait();
        start.elapsed()
    })
}

fn spend_from_redis(c: &mut Criterion) {
    let redis = redis_server::RedisServer::start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("throttle/redis/spend");
    group.throughput(Throughput::Elements(1));

    let address = IpAddr::from([192, 0, 2, 1]);
    let who = Who::Client(ClientNetwork::from(address));
    let key = Key { policy: "default".into(), who };
    let quota: Quota = "4294967295/day".parse().expect("a quota");
    for limits in [LimitsMode::Exact, LimitsMode::LocalShare] {
        let shared = runtime.block_on(in_redis(redis.port(), limits));
        group.bench_function(format!("{limits:?}"), |b| {
            b.to_async(&runtime).iter(|| async {
                let now = SystemClock.now();
                shared.counters.spend(black_box(&key), quota, 1, now).await.expect("an answer")
            });
        });
    }
    group.finish();
}

async fn in_redis(port: u16, limits: LimitsMode) -> SharedState {
    let settings = RedisSettings {
        server: RedisServer::Single(HostAndPort { host: "127.0.0.1".to_owned(), port }),
        tls: false,
        ca_file: None,
        user: None,
        password: None,
        database: 0,
        prefix: format!("{limits:?}:"),
        limits,
        timeout: Duration::from_secs(1),
        limits_on_outage: LimitsOnOutage::Refuse,
        lockout_on_outage: LockoutOnOutage::Refuse,
    };
    let config = config::SharedState::Redis(Box::new(settings));
    let clock = Arc::new(SystemClock);
    let shared = SharedState::open(&config, Time::OfServer, clock, Metrics::new()).await;
    shared.expect("settings that work")
}

criterion_group!(benches, spend_from_window, spend_from_memory, spend_from_redis);
criterion_main!(benches);
