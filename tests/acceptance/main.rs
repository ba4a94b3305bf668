//! The whole gateway over real sockets: what an operator, a client and an attacker see.
//!
//! `world/` gives each test a gateway of its own (ports 0, fresh data folder, real SQLite) and upstreams that behave.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "../servers/flaky.rs"]
mod flaky;
#[path = "../nextcloud/stand_in/mod.rs"]
#[expect(dead_code, reason = "what it can do beside is checked in its own tests")]
mod nextcloud_stand_in;
#[path = "../servers/redis.rs"]
mod redis_server;
#[path = "../servers/postgres.rs"]
mod server;
mod world;

mod gateway {
    mod client_address;
    mod cors;
    mod hand_over;
    mod http2;
    mod http2_floods;
    mod http2_upstream;
    mod identity_headers;
    mod jwt;
    mod memory;
    mod operations;
    mod outages;
    mod pipelining;
    mod rate_limit;
    mod raw_bytes;
    mod reload;
    mod routing;
    mod several_nodes;
    mod shared_state;
    mod shutdown;
    mod signing_keys;
    mod slow_clients;
    mod small_bodies;
    mod streaming;
    mod tls;
    mod under_fire;
    mod webdav;
    mod websocket;
}

mod nextcloud;

mod mail {
    mod command;
    mod letters;
    mod tls;
}

mod portal {
    mod accounts;
    mod administration;
    mod crowds;
    mod devices;
    mod documents;
    mod matrix;
    mod notices;
    mod openid;
    mod pages;
    mod places;
    mod puzzle;
    mod second_factors;
    mod secrets;
    mod sign_in_model;
    mod story;
    mod tokens;
    mod ways_in;
}
