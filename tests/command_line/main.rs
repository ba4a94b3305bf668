//! The command line as an operator uses it: the built program on a data folder, alone and beside a running gateway.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod db;
mod gateway;
mod import;
mod nextcloud;
mod recovery;
mod running;
#[path = "../servers/postgres.rs"]
mod server;
mod users;
mod world;
