//! The way to Nextcloud and back, beside what every request goes through.

use http::{HeaderValue, StatusCode};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::Gateway;
use super::exchange::Exchange;
use crate::gate::{Caller, Refusal};
use crate::route::IdentityMode;
use crate::upstream::bridge;

impl Gateway {
    /// On a route to Nextcloud: what it is to be told, and the cookies that go along.
    pub(super) async fn prepare_crossing(
        &self,
        session: &Session,
        exchange: &mut Exchange,
    ) -> std::result::Result<(), Refusal> {
        let Ok(admission) = exchange.admission() else { return Ok(()) };
        if !matches!(admission.route().app.identity, IdentityMode::Nextcloud { .. }) {
            return Ok(());
        }
        let bridge = exchange.snapshot.bridge.as_ref();
        let bridge = bridge.ok_or(Refusal::Internal { reason: "no_bridge" })?;
        let headers = &session.req_header().headers;
        exchange.crossing = Some(bridge.cross(admission, headers, self.clock.now()).await?);
        Ok(())
    }

    /// What the app says of a credential of its own, whom Nextcloud took the caller for, and its cookies.
    ///
    /// # Errors
    ///
    /// When the answer is for somebody else: it ends here.
    pub(super) async fn look_at_answer(
        &self,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let refused = head.status == StatusCode::UNAUTHORIZED;
        if let Caller::OfUpstream(credential) = exchange.admission()?.permit().caller()
            && (refused || bridge::is_somebodys(head))
        {
            let credential = *credential;
            let arrival = exchange.arrival()?;
            exchange.snapshot.gate.judged_by_upstream(arrival, credential, !refused).await;
            if refused {
                let app = &exchange.admission()?.route().app.name;
                self.metrics.upstream_credential_refused(app);
                tracing::warn!(
                    request_id = exchange.request_id(),
                    client = %arrival.client,
                    %app,
                    "the app refused a credential of its own"
                );
            }
        }
        let Some(crossing) = &exchange.crossing else { return Ok(()) };
        if crossing.is_refused(head.status)
            && let Some(bridge) = &exchange.snapshot.bridge
        {
            bridge.not_taken(crossing);
        }
        if crossing.come_back(head).is_ok() {
            return Ok(());
        }
        let admission = exchange.admission()?;
        self.metrics.wrong_identity(&admission.route().app.name);
        tracing::error!(
            request_id = exchange.request_id(),
            app = %admission.route().app.name,
            route = %admission.route().name,
            meant = admission.cloud_id().map(tracing::field::display),
            "Nextcloud took a request for somebody else; nothing of its answer was passed on"
        );
        exchange.breach = Some(Refusal::WrongIdentity);
        // It answered, so it is not ejected.
        Err(Error::explain(ErrorType::HTTPStatus(502), "wrong identity").into_down())
    }
}

impl Exchange {
    /// What the browser is told to forget beside `refusal`: after an answer for somebody else, all that Nextcloud gave it.
    pub(super) fn farewell(&self, refusal: &Refusal) -> Vec<HeaderValue> {
        match (refusal, &self.crossing) {
            (Refusal::WrongIdentity, Some(crossing)) => crossing.farewell().collect(),
            _ => Vec::new(),
        }
    }
}
