//! `ProxyHttp`: one short method per phase, in Pingora's order.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::StatusCode;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use super::Gateway;
use super::exchange::{Exchange, Progress};
use super::portal_bridge;
use super::read_ahead::{Ahead, read_ahead};
use super::respond::{self, Basic};
use super::seal::SealBuilder;
use crate::edge::Arrival;
use crate::edge::Connection;
use crate::edge::Downstream;
use crate::edge::Protocol;
use crate::edge::Reading;
use crate::edge::Rejection;
use crate::gate::Admission;
use crate::gate::BodyGuard;
use crate::gate::Caller;
use crate::gate::Refusal;
use crate::gate::Verdict;
use crate::gate::{is_looked_at, is_navigation, is_same_origin};
use crate::identity::Issuer;
use crate::observe::Line;
use crate::portal;
use crate::route::Destination;
use crate::route::IdentityMode;
use crate::upstream::EndpointGuard;
use crate::upstream::response;
use crate::upstream::retry::{Attempt, Failure, may_try_again};
use crate::upstream::rewrite::{IdentityOutcome, Sent, forward_head};

/// Pingora's convention for `request_filter`, named once.
const ANSWERED: bool = true;
const CONTINUE: bool = false;

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::started(self.snapshot.load_full(), self.drain.busy())
    }

    /// Only the seal: Pingora's default adds a compression module that nothing here uses.
    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        modules.add_module(Box::new(SealBuilder { fallback: self.fallback_headers.clone() }));
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if self.drain.is_leaving() {
            session.set_keepalive(None);
        }
        let arrival = match self.arrival(session, exchange) {
            Ok(arrival) => arrival,
            Err(rejection) => {
                self.metrics.rejected(rejection.reason);
                session.set_keepalive(None);
                self.refuse(session, exchange, &refusal_at_the_edge(rejection)).await?;
                return Ok(ANSWERED);
            }
        };
        let verdict = {
            let headers = &session.req_header().headers;
            exchange.snapshot.gate.decide(&arrival, headers, &mut exchange.dress).await
        };
        exchange.overhead = exchange.started.elapsed();
        respond::dress(session, &arrival.request_id, &exchange.dress);
        Self::begin(exchange);
        exchange.arrival = Some(arrival);
        match verdict {
            Ok(Verdict::Forward(admission)) => {
                self.prepare_forwarding(session, exchange, admission);
                let ready = match self.prepare_crossing(session, exchange).await {
                    Ok(()) => Self::look_ahead(session, exchange).await?,
                    Err(refusal) => Err(refusal),
                };
                match ready {
                    Ok(()) => return Ok(CONTINUE),
                    Err(refusal) => self.refuse(session, exchange, &refusal).await?,
                }
            }
            Ok(Verdict::Serve(admission)) => self.serve(session, exchange, &admission).await?,
            Ok(Verdict::Answer(answer)) => {
                let status = respond::answer(session, answer).await?;
                exchange.progress = Progress::Answered { status, by: "answered" };
            }
            Err(refusal) => self.refuse(session, exchange, &refusal).await?,
        }
        Ok(ANSWERED)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Box<HttpPeer>> {
        let Destination::Upstream(name) = &exchange.admission()?.route().app.destination else {
            return Error::e_explain(ErrorType::InternalError, "the portal has no upstream");
        };
        let websocket = exchange.arrival()?.websocket;
        match exchange.snapshot.upstreams.choose(name, &exchange.tried) {
            Ok(chosen) => {
                let chosen = if websocket { chosen.for_websocket() } else { chosen };
                exchange.tried.push(chosen.endpoint.id());
                exchange.endpoint = Some(chosen.endpoint);
                Ok(chosen.peer)
            }
            Err(none) => {
                exchange.breach = Some(Refusal::from(none));
                Error::e_explain(ErrorType::HTTPStatus(503), "no endpoint")
            }
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let arrival = exchange.arrival()?;
        let admission = exchange.admission()?;
        let caller = admission.permit().caller();
        let principal = caller.principal().map(|principal| &**principal);
        let app = &admission.route().app;
        let identity = match &app.identity {
            IdentityMode::Nextcloud { .. } => match &exchange.crossing {
                Some(crossing) => IdentityOutcome::Nextcloud(crossing),
                None => IdentityOutcome::None,
            },
            _ if matches!(caller, Caller::OfUpstream(_)) => IdentityOutcome::Pass,
            IdentityMode::Headers(names) => IdentityOutcome::Headers(names, principal),
            IdentityMode::Jwt { audience } => {
                IdentityOutcome::Bearer(principal.and_then(|principal| {
                    let tokens = &exchange.snapshot.tokens;
                    let token = tokens.issue_for_upstream(principal, audience, self.clock.now());
                    HeaderValue::try_from(format!("Bearer {token}")).ok()
                }))
            }
            IdentityMode::None => IdentityOutcome::None,
            // What we handed out is for us only, whatever the mode.
            IdentityMode::Pass
                if principal.is_some_and(|principal| principal.issuer == Issuer::Own) =>
            {
                IdentityOutcome::None
            }
            IdentityMode::Pass => IdentityOutcome::Pass,
        };
        let Destination::Upstream(name) = &app.destination else {
            return Error::e_explain(ErrorType::InternalError, "the portal has no upstream");
        };
        let sent = Sent {
            host: exchange.snapshot.upstreams.host(name),
            strip: &exchange.snapshot.strip,
            federation: admission.route().federation,
        };
        forward_head(head, arrival, &identity, &sent)
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        response::mend_location(head, exchange.arrival()?)?;
        self.look_at_answer(head, exchange).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            // An HTTP/2 body may end with an empty frame. Pingora would write it as an empty chunk, which ends a chunked
            // body, and then end the body once more: the second end would spoil the connection for the next request.
            *body = None;
        }
        if let Some(held) = exchange.held.take() {
            let mut joined = BytesMut::from(held);
            joined.extend_from_slice(body.as_deref().unwrap_or_default());
            *body = Some(joined.freeze());
        }
        let chunk = body.as_deref().unwrap_or_default();
        exchange.request_bytes += chunk.len() as u64;
        if let Some(guard) = &mut exchange.body
            && let Err(refusal) = guard.feed(chunk, end_of_stream)
        {
            let status = refusal.problem().status.as_u16();
            exchange.breach = Some(refusal);
            // Ours to refuse, not the upstream's fault: it must not be ejected for it.
            return Err(Error::explain(ErrorType::HTTPStatus(status), "body rules").into_down());
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        exchange.response_bytes += body.as_ref().map_or(0, Bytes::len) as u64;
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(endpoint) = exchange.endpoint.take() {
            endpoint.failed();
        }
        // Nothing was sent yet, so any request may go to another endpoint.
        error.set_retry(self.may_retry(session, exchange, Failure::Connect));
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        exchange: &mut Exchange,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("endpoint {peer}"));
        let from_upstream = *error.esource() == ErrorSource::Upstream;
        if from_upstream && let Some(endpoint) = &exchange.endpoint {
            endpoint.failed();
        }
        let again =
            from_upstream && self.may_retry(session, exchange, Failure::of(&error, client_reused));
        if again {
            // The body is fed through the rules once more.
            exchange.request_bytes = 0;
            exchange.body = Self::guard(session, exchange);
        }
        error.set_retry(again);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        let refusal = exchange.breach.take().unwrap_or_else(|| response::refusal(error));
        exchange.reason.get_or_insert(refusal.reason());
        session.set_keepalive(None);
        let client_gone = *error.esource() == ErrorSource::Downstream
            && matches!(
                error.etype(),
                ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
            );
        if client_gone || session.response_written().is_some() {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let id = exchange.request_id().to_owned();
        let cookies = exchange.farewell(&refusal);
        match respond::refusal(session, &refusal, &id, Basic::No, cookies).await {
            Ok(status) => {
                exchange.progress = Progress::Answered { status, by: "refused" };
                FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false }
            }
            Err(_gone) => FailToProxy { error_code: 0, can_reuse_downstream: false },
        }
    }

    /// Failures are in the access log with their reason; a client that went away is nobody's error.
    fn suppress_error_log(&self, _session: &Session, _exchange: &Exchange, error: &Error) -> bool {
        *error.esource() == ErrorSource::Downstream
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        if error.is_none()
            && let Some(endpoint) = &exchange.endpoint
        {
            endpoint.succeeded();
        }
        self.record(session, exchange);
    }
}

impl Gateway {
    /// Reads the request once; everything later reads the [`Arrival`].
    fn arrival(
        &self,
        session: &mut Session,
        exchange: &Exchange,
    ) -> std::result::Result<Arrival, Rejection> {
        let connection = Connection::of(session).ok_or(Rejection::UNKNOWN_CONNECTION)?;
        let http2 = session.is_http2();
        let downstream = Downstream {
            peer: connection.peer.ip(),
            scheme: connection.scheme,
            server_name: connection.server_name.as_deref(),
            protocol: if http2 { Protocol::Http2 } else { Protocol::Http1 },
        };
        let head = session.req_header();
        let snapshot = &exchange.snapshot;
        let profile_of = |host: &str| snapshot.gate.table().targets_of(host);
        Arrival::read(
            head,
            head.raw_path(),
            &downstream,
            &Reading {
                trusted: &snapshot.trusted,
                target_bytes: snapshot.target_bytes,
                random: &self.random,
            },
            profile_of,
            self.clock.now(),
        )
    }

    fn begin(exchange: &mut Exchange) {
        if let Some(route) = &exchange.dress.route {
            let metrics = exchange.snapshot.gate.metrics_of(route);
            metrics.began();
            exchange.metrics = Some(metrics);
        }
    }

    fn prepare_forwarding(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: Admission,
    ) {
        let app = &admission.route().app;
        let websocket = exchange.arrival.as_ref().is_some_and(|arrival| arrival.websocket);
        let idle = if websocket { app.websocket_idle } else { app.body_idle };
        session.set_read_timeout(Some(idle));
        if !websocket {
            // Pingora takes any `Upgrade: websocket` for one; a tunnel opens only for a complete handshake.
            session.req_header_mut().remove_header(&http::header::UPGRADE);
        }
        if websocket
            && let Caller::Known(principal) = admission.permit().caller()
            && let Some(connection) = Connection::of(session)
        {
            exchange.live = Some(self.live.register(principal, connection.kill_switch()));
        }
        exchange.progress = Progress::Admitted(admission);
    }

    /// Small bodies are judged before an upstream hears of the request; others while they stream by.
    async fn look_ahead(
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<std::result::Result<(), Refusal>> {
        exchange.body = Self::guard(session, exchange);
        let Some(mut guard) = Self::guard(session, exchange).filter(BodyGuard::looks_inside) else {
            return Ok(Ok(()));
        };
        if exchange.arrival()?.websocket {
            return Ok(Ok(()));
        }
        let idle = exchange.admission()?.route().app.body_idle;
        match read_ahead(session, &mut guard, idle).await? {
            Ok(Ahead::Begun(held)) => exchange.held = held,
            Ok(Ahead::Untouched) => {}
            Ok(Ahead::Whole) => exchange.body = None,
            Err(refusal) => {
                exchange.request_bytes = session.as_ref().body_bytes_read() as u64;
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(()))
    }

    fn guard(session: &Session, exchange: &Exchange) -> Option<BodyGuard> {
        let rules = &exchange.admission().ok()?.route().app.body;
        BodyGuard::for_request(rules, &session.req_header().headers)
    }

    async fn serve(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
    ) -> Result<()> {
        let arrival = exchange.arrival()?.clone();
        let caller = portal::Caller {
            client: arrival.client,
            user_agent: user_agent(session).map(Into::into),
            request_id: arrival.request_id.clone(),
            principal: admission.permit().caller().principal().cloned(),
            budget: exchange.dress.budget.clone(),
            host: arrival.host.clone(),
            port: arrival.port,
            same_origin: is_same_origin(&arrival, &session.req_header().headers),
        };
        let router = exchange.snapshot.portal.clone();
        let cap = admission.route().app.body.max_bytes.unwrap_or(64 * 1024);
        let target = arrival.target.as_str();
        match portal_bridge::serve(session, &router, caller, target, cap).await? {
            Ok((status, bytes)) => {
                exchange.response_bytes = bytes;
                exchange.progress = Progress::Answered { status, by: "served" };
                Ok(())
            }
            Err(refusal) => self.refuse(session, exchange, &refusal).await,
        }
    }

    async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> Result<()> {
        exchange.reason = Some(refusal.reason());
        tracing::debug!(request_id = exchange.request_id(), refusal = %refusal, "refused");
        let id = exchange.request_id().to_owned();
        let status = if let Some(way) = lead_to_sign_in(session, exchange, refusal) {
            respond::see_other(session, way).await?
        } else {
            let route = exchange.dress.route.as_ref();
            let basic = route.map_or(Basic::No, |route| Basic::of(route));
            respond::refusal(session, refusal, &id, basic, Vec::new()).await?
        };
        exchange.progress = Progress::Answered { status, by: "refused" };
        Ok(())
    }

    fn may_retry(&self, session: &Session, exchange: &Exchange, failure: Failure) -> bool {
        let Ok(admission) = exchange.admission() else { return false };
        let app = &admission.route().app;
        let Destination::Upstream(name) = &app.destination else { return false };
        let attempt = Attempt {
            method: &session.req_header().method,
            made: exchange.tried.len(),
            retries: exchange.snapshot.upstreams.retries(name),
            body_at_hand: exchange.held.is_some() || !session.as_ref().retry_buffer_truncated(),
            response_begun: session.response_written().is_some(),
        };
        let again = may_try_again(failure, &attempt);
        if again {
            self.metrics.upstream_retry(&app.name);
        }
        again
    }

    /// One access line and the request's metrics.
    fn record(&self, session: &Session, exchange: &mut Exchange) {
        let status = session
            .response_written()
            .map(|head| head.status)
            .or(match exchange.progress {
                Progress::Answered { status, .. } => Some(status),
                Progress::Admitted(_) | Progress::Received => None,
            })
            // The client left before anything was answered; nginx's word for it.
            .map_or(499, |status: StatusCode| status.as_u16());
        let took = exchange.started.elapsed();
        let method = session.req_header().method.as_str();
        if let Some(metrics) = &exchange.metrics {
            let (sent, received) = (exchange.request_bytes, exchange.response_bytes);
            metrics.ended(method, status, took, exchange.overhead, sent, received);
        }
        let decision = match exchange.progress {
            Progress::Admitted(_) => "forwarded",
            Progress::Answered { by, .. } => by,
            Progress::Received => "refused",
        };
        let route = exchange.dress.route.as_deref();
        let arrival = exchange.arrival.as_ref();
        let Some(client) = arrival
            .map(|arrival| arrival.client)
            .or_else(|| Connection::of(session).map(|connection| connection.peer.ip()))
        else {
            return;
        };
        self.access_log.write(&Line {
            time: self.clock.now(),
            request_id: exchange.request_id(),
            client,
            method,
            host: arrival.map_or("", |arrival| &arrival.host),
            path: arrival.map_or("", |arrival| arrival.target.path()),
            protocol: if session.is_http2() { "2" } else { "1.1" },
            status,
            app: route.map_or("", |route| &route.app.name),
            route: route.map_or("", |route| &route.name),
            subject: exchange.dress.subject.as_ref().map(|principal| principal.subject.as_str()),
            decision,
            reason: exchange.reason,
            duration_us: micros(took),
            overhead_us: micros(exchange.overhead),
            upstream: exchange.endpoint.as_ref().map(EndpointGuard::label),
            request_bytes: exchange.request_bytes,
            response_bytes: exchange.response_bytes,
            user_agent: user_agent(session),
        });
    }
}

/// Where a browser on its way to a page goes instead, when all that it lacks is a sign-in or a fresh second factor.
fn lead_to_sign_in(
    session: &Session,
    exchange: &Exchange,
    refusal: &Refusal,
) -> Option<portal::LeadToSignIn> {
    let second_factor = match refusal {
        Refusal::Unauthenticated { .. } => None,
        Refusal::SecondFactorRequired { max_age } => Some(*max_age),
        _ => return None,
    };
    let arrival = exchange.arrival.as_ref()?;
    let route = exchange.dress.route.as_ref()?;
    let head = session.req_header();
    let snapshot = &exchange.snapshot;
    let is_portal = arrival.host == snapshot.portal_host;
    // Each of our own forms has a page at the same path, so its sender is led there, too.
    let led = if is_portal { is_looked_at } else { is_navigation };
    if !route.accept.session || route.manner.for_programs || !led(&head.method, &head.headers) {
        return None;
    }
    Some(portal::lead_to_sign_in(
        &snapshot.identity,
        &head.headers,
        &arrival.host,
        arrival.port,
        arrival.target.as_str(),
        second_factor,
        is_portal,
    ))
}

fn refusal_at_the_edge(rejection: Rejection) -> Refusal {
    match rejection.status {
        421 => Refusal::Misdirected,
        405 | 501 => Refusal::MethodNotAllowed,
        408 => Refusal::RequestTimeout,
        status => Refusal::Malformed {
            reason: rejection.reason,
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        },
    }
}

fn user_agent(session: &Session) -> Option<&str> {
    session.req_header().headers.get(http::header::USER_AGENT)?.to_str().ok()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
