//! Nextcloud behind the gateway.

mod bridge;
mod clients;
mod command;
mod cookies;
mod doctor;
mod faults;
mod given;
mod login_flow;
mod openid;
mod path_classes;
mod provisioning;
mod session_first;
mod takeover;
mod uploads;
mod well_known;
