//! `/auth/openid/…`, as far as programs call it: clients trade codes and ask who somebody is. What browsers are led through is
//! in [`page::client`](super::page). The rules are in [`crate::identity::openid`].

pub(super) mod token;
pub(super) mod user_info;
