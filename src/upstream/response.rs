//! What a failure at the upstream, or while talking to it, means for the client.

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;

use super::NoEndpoint;
use crate::edge::{Arrival, Authority, Scheme};
use crate::gate::Refusal;

/// In rustls' message when the certificate was the problem; Pingora keeps the text only.
const CERTIFICATE_PROBLEM: &str = "invalid peer certificate";

impl From<NoEndpoint> for Refusal {
    fn from(none: NoEndpoint) -> Self {
        match none {
            NoEndpoint::NotResolved => Self::Unavailable { what: "upstream_name" },
            NoEndpoint::Unhealthy => Self::NoHealthyEndpoint,
            NoEndpoint::UnknownUpstream => Self::Internal { reason: "unknown_upstream" },
        }
    }
}

/// As an error that a Pingora phase returns; [`refusal`] reads it back.
impl From<NoEndpoint> for Box<Error> {
    fn from(none: NoEndpoint) -> Self {
        Error::because(ErrorType::Custom("no_endpoint"), "choosing an endpoint", none).into_in()
    }
}

/// Makes an absolute `http://` address of the client's own host in `Location` an `https://` one, when the client came by TLS:
/// servers behind a gateway do not always believe that it did.
///
/// # Errors
///
/// When the address cannot be a header, which does not happen.
pub fn mend_location(head: &mut ResponseHeader, arrival: &Arrival) -> Result<()> {
    let Some(location) = head.headers.get(http::header::LOCATION) else { return Ok(()) };
    let Some(mended) = location.to_str().ok().and_then(|text| mended(text, arrival)) else {
        return Ok(());
    };
    head.insert_header(http::header::LOCATION, mended)
}

fn mended(location: &str, arrival: &Arrival) -> Option<String> {
    let rest = location.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let rest = rest.and_then(|_| location.get(7..)).filter(|_| arrival.scheme == Scheme::Https)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let authority = Authority::parse(authority).ok()?;
    let same_port = authority.port.is_none_or(|port| port == 80 || Some(port) == arrival.port);
    if *authority.host != *arrival.host || !same_port {
        return None;
    }
    let port = arrival.port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("https://{}{port}{path}", arrival.host))
}

/// The refusal that `error` amounts to. Its reasons are from a fixed list.
///
/// Failures on the client's side are refusals too (400, 408), though mostly nobody is left to read them.
pub fn refusal(error: &Error) -> Refusal {
    if let Some(none) = error.root_cause().downcast_ref::<NoEndpoint>() {
        return Refusal::from(*none);
    }
    if let ErrorType::HTTPStatus(status) = error.etype() {
        return by_status(*status);
    }
    match error.esource() {
        ErrorSource::Downstream => by_client(error.etype()),
        ErrorSource::Upstream => by_upstream(error),
        // Where Pingora says nothing: connection attempts are ours to the upstream, the rest is unknown.
        ErrorSource::Internal | ErrorSource::Unset => match error.etype() {
            ErrorType::BindError
            | ErrorType::ConnectError
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectProxyFailure
            | ErrorType::ConnectRefused
            | ErrorType::ConnectTimedout
            | ErrorType::HandshakeError
            | ErrorType::InvalidCert
            | ErrorType::SocketError
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout => by_upstream(error),
            _ => Refusal::Internal { reason: "proxy" },
        },
    }
}

/// A filter of ours ended the request with this status.
fn by_status(status: u16) -> Refusal {
    let malformed = |reason, status| Refusal::Malformed { reason, status };
    match status {
        408 => Refusal::RequestTimeout,
        413 => Refusal::BodyTooLarge,
        414 => malformed("target_too_long", StatusCode::URI_TOO_LONG),
        415 | 422 => Refusal::BodyNotAcceptable { reason: "body" },
        431 => malformed("head_too_large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        405 | 501 => Refusal::MethodNotAllowed,
        400..=499 => malformed("request", StatusCode::BAD_REQUEST),
        502 => Refusal::BadGateway { reason: "upstream" },
        503 => Refusal::Unavailable { what: "upstream" },
        504 => Refusal::GatewayTimeout { reason: "upstream" },
        _ => Refusal::Internal { reason: "status" },
    }
}

fn by_client(etype: &ErrorType) -> Refusal {
    let reason = match etype {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => return Refusal::RequestTimeout,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            "client_closed"
        }
        ErrorType::H2Error | ErrorType::InvalidH2 => "h2_error",
        ErrorType::H1Error => "h1_error",
        ErrorType::InvalidHTTPHeader => "head",
        _ => "request",
    };
    Refusal::Malformed { reason, status: StatusCode::BAD_REQUEST }
}

fn by_upstream(error: &Error) -> Refusal {
    let timeout = |reason| Refusal::GatewayTimeout { reason };
    let bad = |reason| Refusal::BadGateway { reason };
    match error.etype() {
        ErrorType::ConnectTimedout => timeout("connect_timeout"),
        ErrorType::TLSHandshakeTimedout => timeout("tls_timeout"),
        ErrorType::ReadTimedout => timeout("read_timeout"),
        ErrorType::WriteTimedout => timeout("write_timeout"),
        ErrorType::ConnectRefused => bad("connect_refused"),
        ErrorType::ConnectNoRoute => bad("no_route"),
        ErrorType::ConnectError | ErrorType::ConnectProxyFailure => bad("connect_error"),
        ErrorType::BindError | ErrorType::SocketError | ErrorType::AcceptError => {
            bad("local_socket")
        }
        ErrorType::InvalidCert => bad("certificate"),
        ErrorType::HandshakeError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::TLSWantX509Lookup => {
            bad(if is_about_certificate(error) { "certificate" } else { "tls_handshake" })
        }
        ErrorType::ConnectionClosed => bad("closed_early"),
        ErrorType::ReadError => bad("read_error"),
        ErrorType::WriteError => bad("write_error"),
        ErrorType::H1Error | ErrorType::InvalidHTTPHeader => bad("bad_response"),
        ErrorType::H2Error | ErrorType::H2Downgrade | ErrorType::InvalidH2 => bad("h2_error"),
        ErrorType::Custom(_)
        | ErrorType::CustomCode(..)
        | ErrorType::FileCreateError
        | ErrorType::FileOpenError
        | ErrorType::FileReadError
        | ErrorType::FileWriteError
        | ErrorType::HTTPStatus(_)
        | ErrorType::InternalError
        | ErrorType::UnknownError => bad("other"),
    }
}

fn is_about_certificate(error: &Error) -> bool {
    let told =
        error.context.as_ref().is_some_and(|text| text.as_str().contains(CERTIFICATE_PROBLEM));
    let cause = || error.cause.as_ref()?.downcast_ref::<Box<Error>>();
    told || cause().is_some_and(|cause| is_about_certificate(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: &Refusal) -> String {
        match refusal {
            Refusal::BadGateway { reason } => format!("502 {reason}"),
            Refusal::GatewayTimeout { reason } => format!("504 {reason}"),
            Refusal::Malformed { reason, status } => format!("{} {reason}", status.as_u16()),
            Refusal::RequestTimeout => "408".to_owned(),
            Refusal::BodyTooLarge => "413".to_owned(),
            Refusal::NoHealthyEndpoint => "503 unhealthy".to_owned(),
            Refusal::Unavailable { what } => format!("503 {what}"),
            Refusal::Internal { reason } => format!("500 {reason}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_each_error_means() {
        use ErrorSource::{Downstream, Internal, Unset, Upstream};
        use ErrorType as E;
        for (source, etype, meaning) in [
            (Upstream, E::ConnectRefused, "502 connect_refused"),
            (Upstream, E::ConnectNoRoute, "502 no_route"),
            (Upstream, E::ConnectError, "502 connect_error"),
            (Upstream, E::ConnectTimedout, "504 connect_timeout"),
            (Upstream, E::TLSHandshakeFailure, "502 tls_handshake"),
            (Upstream, E::TLSHandshakeTimedout, "504 tls_timeout"),
            (Upstream, E::InvalidCert, "502 certificate"),
            (Upstream, E::ReadTimedout, "504 read_timeout"),
            (Upstream, E::WriteTimedout, "504 write_timeout"),
            (Upstream, E::ConnectionClosed, "502 closed_early"),
            (Upstream, E::ReadError, "502 read_error"),
            (Upstream, E::WriteError, "502 write_error"),
            (Upstream, E::InvalidHTTPHeader, "502 bad_response"),
            (Upstream, E::H1Error, "502 bad_response"),
            (Upstream, E::H2Error, "502 h2_error"),
            (Upstream, E::InternalError, "502 other"),
            (Unset, E::ConnectRefused, "502 connect_refused"),
            (Unset, E::UnknownError, "500 proxy"),
            (Internal, E::InternalError, "500 proxy"),
            (Internal, E::HTTPStatus(413), "413"),
            (Internal, E::HTTPStatus(504), "504 upstream"),
            (Internal, E::HTTPStatus(418), "400 request"),
            (Internal, E::HTTPStatus(299), "500 status"),
            (Downstream, E::ReadTimedout, "408"),
            (Downstream, E::InvalidHTTPHeader, "400 head"),
            (Downstream, E::ConnectionClosed, "400 client_closed"),
            (Downstream, E::H2Error, "400 h2_error"),
            (Downstream, E::ConnectRefused, "400 request"),
        ] {
            let error = Error::create(etype, source, None, None);
            assert_eq!(told(&refusal(&error)), meaning, "{error}");
        }
    }

    #[test]
    fn an_address_of_the_own_host_keeps_the_clients_scheme_and_port() {
        let arrival = |port| Arrival { port, ..Arrival::example("GET", "cloud.example", "/") };
        for (port, location, wanted) in [
            (
                None,
                "http://cloud.example/remote.php/dav/",
                Some("https://cloud.example/remote.php/dav/"),
            ),
            (None, "HTTP://Cloud.Example:80/x?y#z", Some("https://cloud.example/x?y#z")),
            (None, "http://cloud.example", Some("https://cloud.example")),
            (Some(8443), "http://cloud.example:8443/x", Some("https://cloud.example:8443/x")),
            (Some(8443), "http://cloud.example/x", Some("https://cloud.example:8443/x")),
            (None, "http://cloud.example:9000/x", None),
            (None, "http://other.example/x", None),
            (None, "http://cloud.example.evil/x", None),
            (None, "http://cloud.example@evil/x", None),
            (None, "https://cloud.example/x", None),
            (None, "/x", None),
            (None, "nc://login/server:x", None),
        ] {
            let found = mended(location, &arrival(port));
            assert_eq!(found.as_deref(), wanted, "{location}");
        }
        let plain = Arrival { scheme: Scheme::Http, ..arrival(None) };
        assert_eq!(mended("http://cloud.example/x", &plain), None);
    }

    #[test]
    fn a_bad_certificate_is_told_from_a_failed_handshake_through_every_context() {
        let error = Error::explain(
            ErrorType::TLSHandshakeFailure,
            "TLS connect() failed: invalid peer certificate: UnknownIssuer, SNI: app",
        );
        let error = error.into_up().more_context("connecting");
        assert_eq!(told(&refusal(&error)), "502 certificate");
    }

    #[test]
    fn having_no_endpoint_survives_the_way_through_pingora() {
        for (none, meaning) in [
            (NoEndpoint::Unhealthy, "503 unhealthy"),
            (NoEndpoint::NotResolved, "503 upstream_name"),
            (NoEndpoint::UnknownUpstream, "500 unknown_upstream"),
        ] {
            let error = Box::<Error>::from(none).more_context("choosing");
            assert_eq!(told(&refusal(&error)), meaning);
        }
    }
}
