//! `/.well-known/caldav` and `carddav` on the host of Nextcloud (RFC 6764 §5), for every method: clients ask with `PROPFIND`.
//! Servers behind a gateway are known to answer with an address of their own, so it is answered here.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::portal::extract::Asked;
use crate::portal::login_flow::server;
use crate::route::nextcloud::DAV;

pub(in crate::portal) async fn handle(Asked(caller): Asked) -> Response {
    let location = format!("{}{DAV}", server(&caller));
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response()
}
