//! What one unit of a budget costs, without the map that finds the budget: the arithmetic alone.
//!
//! The latest numbers are in `docs/performance.md`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stormdoor::clock::Timestamp;
use stormdoor::throttle::Quota;
use stormdoor::throttle::window::Window;

fn spend(c: &mut Criterion) {
    let mut group = c.benchmark_group("throttle/window/spend");
    group.throughput(Throughput::Elements(1));
    let start = Timestamp::from_secs(1_704_067_200).as_millis();

    for (name, limit) in [("granted", "4294967295/s"), ("exhausted", "1/day")] {
        let quota: Quota = limit.parse().expect("a quota");
        group.bench_function(name, |b| {
            let (mut window, mut at) = (Window::default(), start);
            b.iter(|| {
                at += 1;
                window.spend(black_box(quota), 1, Timestamp::from_millis(at))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, spend);
criterion_main!(benches);
