//! Nextcloud behind the gateway.

mod bridge;
mod cookies;
mod login_flow;
mod openid;
mod path_classes;
mod session_first;
mod uploads;
mod well_known;
