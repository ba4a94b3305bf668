//! What every backend promises. A promise that is not here is not a promise.

pub mod cloud_passwords;
pub mod counters;
pub mod devices;
pub mod events;
pub mod handshakes;
pub mod leadership;
pub mod letters;
pub mod lockouts;
pub mod provisioning;
pub mod refresh_tokens;
pub mod second_factors;
pub mod sessions;
pub mod setup;
pub mod signing_keys;
pub mod users;
