//! What one unit of a budget costs: the arithmetic alone, and with the map that finds the budget, contended.
//!
//! Contended means that every thread spends from budgets of its own, as clients do; only the shards are shared. The latest
//! numbers are in `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use stormdoor::clock::Timestamp;
use stormdoor::store::memory;
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

criterion_group!(benches, spend_from_window, spend_from_memory);
criterion_main!(benches);
