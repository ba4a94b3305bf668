//! `/auth/account`: what people look after themselves. One file for each part, named as in its menu.

mod credential_list;
pub(super) mod devices;
pub(super) mod email;
pub(super) mod erase;
pub(super) mod password;
pub(super) mod profile;
pub(super) mod second_factor;
pub(super) mod sessions;
pub(super) mod tokens;
