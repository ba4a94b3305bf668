//! Nextcloud behind the gateway.

mod bridge;
mod cookies;
mod session_first;
