//! Nextcloud behind the gateway.

mod openid;
