//! How long the gate needs to decide, by kind of caller and number of routes of one host.
//!
//! `new token` pays for everything but the signature, which `benches/token.rs` measures. The latest numbers are in
//! `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stormdoor::gate::Dress;
use tokio::runtime::Builder;

mod support;

fn decide(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut group = c.benchmark_group("gate/decide");
    group.throughput(Throughput::Elements(1));

    for routes in [10, 100, 1_000] {
        let gate = support::gate_with(routes);
        for caller in support::callers(routes) {
            let id = BenchmarkId::new(caller.name, routes);
            group.bench_with_input(id, &caller, |b, caller| {
                b.to_async(&runtime).iter(async || {
                    let mut dress = Dress::default();
                    let (arrival, headers) = black_box((&caller.arrival, &caller.headers));
                    gate.decide(arrival, headers, &mut dress).await.expect("an admission")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
