//! How long it takes to find a route among many of one host.
//!
//! It should hardly depend on their number. The latest numbers are in `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::Method;
use stormdoor::edge::Target;
use stormdoor::route::Table;

#[expect(dead_code, reason = "the benches share their inputs; this one asks for few of them")]
mod support;

fn find(c: &mut Criterion) {
    let mut group = c.benchmark_group("route/find");
    group.throughput(Throughput::Elements(1));

    for count in [10, 100, 1_000] {
        let table = Table::new(support::routes(count));
        let targets = [
            ("late", Target::example(&support::path_of_a_late_route(count, true))),
            ("none", Target::example("/api/v2/resource-1/some/file.txt")),
        ];
        for (name, target) in targets {
            group.bench_with_input(BenchmarkId::new(name, count), &target, |b, target| {
                b.iter(|| table.find(support::HOST, black_box(target).segments(), &Method::GET));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, find);
criterion_main!(benches);
