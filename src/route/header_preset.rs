//! The ready-made sets of security headers.

use http::HeaderName;
use http::HeaderValue;
use http::header;

use super::{HeaderPreset, SecurityHeaders};

const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains; preload");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_SENSORS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()",
);

impl SecurityHeaders {
    /// The headers of `preset`. They are added only where the upstream sent none of that name, so that no
    /// header is sent twice.
    ///
    /// HTML-only headers stay off other responses: they do nothing there, and every header costs.
    pub fn of(preset: HeaderPreset) -> Self {
        let value = HeaderValue::from_static;
        let mut always = vec![
            (header::STRICT_TRANSPORT_SECURITY, HSTS),
            (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
            (header::REFERRER_POLICY, value("no-referrer")),
        ];
        let on_html = match preset {
            HeaderPreset::Api => {
                always.push((header::X_FRAME_OPTIONS, value("DENY")));
                always.push((
                    header::CONTENT_SECURITY_POLICY,
                    value("default-src 'none'; frame-ancestors 'none'"),
                ));
                vec![]
            }
            // Nextcloud sends its own CSP with nonces, and warns about any value but these.
            HeaderPreset::Nextcloud => vec![
                (header::X_FRAME_OPTIONS, value("SAMEORIGIN")),
                (HeaderName::from_static("x-robots-tag"), value("noindex, nofollow")),
                (HeaderName::from_static("x-permitted-cross-domain-policies"), value("none")),
            ],
            HeaderPreset::Strict => {
                always.push((header::X_FRAME_OPTIONS, value("DENY")));
                vec![
                    (
                        header::CONTENT_SECURITY_POLICY,
                        value(
                            "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'",
                        ),
                    ),
                    (PERMISSIONS_POLICY, NO_SENSORS),
                ]
            }
        };
        let remove = vec![header::SERVER, HeaderName::from_static("x-powered-by")];
        Self { preset, always, on_html, remove }
    }
}
