//! What it costs to read a target once and for all: by shape, and by profile.
//!
//! The latest numbers are in `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stormdoor::edge::Target;
use stormdoor::route::TargetProfile;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("target/parse");
    let long = format!("/remote.php/dav/files/ana/{}", "folder/".repeat(60));
    for (name, text, profile) in [
        ("short", "/api/v1/users?page=2", TargetProfile::Strict),
        ("escaped", "/files/My%20Notes/%C3%A9t%C3%A9.md", TargetProfile::Dav),
        ("long", long.as_str(), TargetProfile::Dav),
        ("refused", "/public/%2e%2e/admin", TargetProfile::Strict),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |b, text| {
            b.iter(|| Target::parse(black_box(text), profile));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
