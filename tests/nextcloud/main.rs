//! The stand-in for Nextcloud, measured against the tables of what the real releases do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "stand_in/mod.rs"]
mod nextcloud_stand_in;

mod caller;

mod create_user;
