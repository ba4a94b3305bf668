//! The headers every response leaves with, whoever made it.
//!
//! A downstream module, because Pingora runs modules both for proxied responses and for those that we write with
//! `Session::write_response_header`; `ProxyHttp::response_filter` sees only the former. `Session::respond_error`
//! bypasses both, so clippy forbids it.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderName;
use http::HeaderValue;
use http::header;
use pingora_core::Result;
use pingora_core::modules::http::HttpModule;
use pingora_core::modules::http::HttpModuleBuilder;
use pingora_core::modules::http::Module;
use pingora_http::ResponseHeader;

use crate::edge::RequestId;
use crate::gate::Dress;
use crate::gate::rate_limit_headers;
use crate::gate::security_headers;
use crate::route::SecurityHeaders;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const CORS_HEADERS: [HeaderName; 4] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Dresses one response. `request_filter` fills it in once the facts are known.
pub(super) struct Seal {
    request_id: Option<RequestId>,
    dress: Dress,
    /// For answers without a route: what our own errors leave with.
    fallback: Arc<SecurityHeaders>,
}

impl Seal {
    pub(super) fn fill(&mut self, request_id: &RequestId, dress: &Dress) {
        self.request_id = Some(request_id.clone());
        self.dress = dress.clone();
    }

    fn apply(&self, head: &mut ResponseHeader) -> Result<()> {
        let security =
            self.dress.route.as_ref().map_or(&*self.fallback, |route| &route.app.headers);
        for name in &security.remove {
            head.remove_header(name);
        }
        let missing: smallvec::SmallVec<[_; 12]> =
            security_headers::missing(security, &head.headers).cloned().collect();
        for (name, value) in missing {
            head.insert_header(name, value)?;
        }
        self.apply_cors(head)?;
        if let Some(budget) = &self.dress.budget {
            for (name, value) in rate_limit_headers(budget) {
                head.insert_header(name, value)?;
            }
        }
        if let Some(id) = &self.request_id
            && let Ok(value) = HeaderValue::from_str(id.as_str())
        {
            head.insert_header(X_REQUEST_ID, value.clone())?;
            head.insert_header(X_CORRELATION_ID, value)?;
        }
        Ok(())
    }

    /// Where an app has a CORS policy here, ours is the only word on it.
    fn apply_cors(&self, head: &mut ResponseHeader) -> Result<()> {
        if self.dress.route.as_ref().is_none_or(|route| route.app.cors.is_none()) {
            return Ok(());
        }
        let preflight = head.headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS);
        if !preflight {
            for name in &CORS_HEADERS {
                head.remove_header(name);
            }
        }
        let varies =
            head.headers.get_all(header::VARY).iter().any(|value| {
                value.as_bytes().to_ascii_lowercase().windows(6).any(|w| w == b"origin")
            });
        if !varies {
            head.append_header(header::VARY, HeaderValue::from_static("Origin"))?;
        }
        let Some(grant) = &self.dress.cors else { return Ok(()) };
        head.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, grant.origin.clone())?;
        if grant.credentials {
            let yes = HeaderValue::from_static("true");
            head.insert_header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes)?;
        }
        if !grant.exposed_headers.is_empty() && !preflight {
            let exposed = grant.exposed_headers.clone();
            head.insert_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed)?;
        }
        Ok(())
    }
}

#[async_trait]
impl HttpModule for Seal {
    async fn response_header_filter(
        &mut self,
        head: &mut ResponseHeader,
        _end_of_stream: bool,
    ) -> Result<()> {
        // 100 and 103 are followed by the response proper; 101 is not HTTP any more.
        if head.status.is_informational() { Ok(()) } else { self.apply(head) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Makes one [`Seal`] for each request.
pub(super) struct SealBuilder {
    pub(super) fallback: Arc<SecurityHeaders>,
}

impl HttpModuleBuilder for SealBuilder {
    fn init(&self) -> Module {
        Box::new(Seal {
            request_id: None,
            dress: Dress::default(),
            fallback: Arc::clone(&self.fallback),
        })
    }
}
