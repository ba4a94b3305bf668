//! What does a token cost: signed, verified for the first time, and seen before?
//!
//! The budget and the latest numbers are in `docs/performance.md`.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use stormdoor::clock::Timestamp;
use stormdoor::identity::token::{
    AccessTokens, Algorithm, IssuerKeys, IssuerRules, KeyRing, SigningKey, Verifier,
};
use stormdoor::identity::{AccessGrant, Issuer, Roles, SessionId, TokenIssuer, UserId};
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ISSUER: &str = "https://door.example";

fn ring(algorithm: Algorithm) -> Arc<KeyRing> {
    let key = match algorithm {
        Algorithm::Hs256 => SigningKey::from_private(algorithm, vec![7; 32], NOW),
        other => SigningKey::generate(other, NOW),
    };
    Arc::new(KeyRing::new(&[key.expect("a key")]).expect("a ring"))
}

fn verifier(ring: &Arc<KeyRing>, algorithm: Algorithm) -> Verifier {
    let rules = IssuerRules {
        name: ISSUER.into(),
        kind: Issuer::Own,
        audience: vec![ISSUER.into()],
        algorithms: vec![algorithm],
        types: vec!["at+jwt".into()],
        keys: Arc::clone(ring) as Arc<dyn IssuerKeys>,
        leeway: Duration::ZERO,
        roles_claim: vec!["roles".into()],
        default_roles: vec![],
        groups_claim: vec!["groups".into()],
        tier_claim: None,
    };
    Verifier::new([rules], Roles::default(), Arc::default())
}

fn tokens(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let grant = AccessGrant {
        user: UserId::from_uuid(uuid::Uuid::from_u128(1)),
        session: SessionId::from_uuid(uuid::Uuid::from_u128(2)),
        username: "ana".into(),
        email: "ana@example.org".into(),
        email_verified: true,
        roles: vec!["viewer".into()],
        permissions: vec![],
        until: None,
        tier: "free".into(),
        second_factor_at: None,
    };
    let mut group = c.benchmark_group("token");
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let ring = ring(algorithm);
        let life = Duration::from_mins(15);
        let issuer = AccessTokens::new(Arc::clone(&ring), ISSUER.into(), ISSUER.into(), life);
        let token = issuer.issue(&grant, NOW);
        group.bench_function(BenchmarkId::new("sign", algorithm), |b| {
            b.iter(|| issuer.issue(black_box(&grant), NOW));
        });
        group.bench_function(BenchmarkId::new("verify_new", algorithm), |b| {
            b.iter_batched(
                || verifier(&ring, algorithm),
                |verifier| runtime.block_on(verifier.verify(black_box(&token), NOW)),
                criterion::BatchSize::SmallInput,
            );
        });
        let seen = verifier(&ring, algorithm);
        runtime.block_on(seen.verify(&token, NOW)).expect("our own token");
        group.bench_function(BenchmarkId::new("verify_seen", algorithm), |b| {
            b.iter(|| seen.cached(black_box(&token), NOW));
        });
    }
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
