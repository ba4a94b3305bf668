//! The gateway from outside: is it there, with which keys, and what the app's answers leave it with.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::asking::{Answer, Asker, in_short};
use super::finding::Finding;
use super::server::judge_clock;
use super::{Setup, Verdict};
use crate::clock::Timestamp;
use crate::identity::token::PUBLISHED_BEFORE_USE;

const REACHED: &str = "gateway";
const DISCOVERY: &str = "discovery document";
const KEYS: &str = "keys";
const SETTLED: &str = "keys settled";
const HSTS: &str = "HSTS";
const TWICE: &str = "header duplicates";

/// What Nextcloud's own check of set-ups wants at least, in seconds.
const HSTS_MIN: u64 = 15_552_000;

/// A key of the store, as far as others can know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownKey {
    /// Its name in tokens.
    pub kid: String,
    /// When it was made, and published.
    pub made: Timestamp,
}

/// `public` asks at `public_url`, `app` at the app's first host.
pub(super) async fn examine(public: &Asker, app: Option<&Asker>, setup: &Setup) -> Vec<Finding> {
    let settled = setup.keys.as_ref().map_or_else(
        || Finding::skip(SETTLED, "there is no store with keys below the data folder; say --data"),
        |keys| judge_settled(keys, setup.clock.now()),
    );
    let discovery = public.get("/.well-known/openid-configuration").await;
    let reached = judge_reached(&discovery, &setup.public_url);
    if reached.verdict != Verdict::Ok {
        let why = if reached.verdict == Verdict::Fail {
            "its certificate is not trusted"
        } else {
            "the gateway does not answer"
        };
        let skipped = [DISCOVERY, KEYS, "clock of the gateway", HSTS, TWICE];
        let mut findings = vec![reached];
        findings.extend(skipped.map(|check| Finding::skip(check, why)));
        findings.extend(WELL_KNOWN.map(|(check, _)| Finding::skip(check, why)));
        findings.push(settled);
        return findings;
    }
    let date = discovery.as_ref().ok().and_then(|heard| heard.header("date"));
    let mut findings = vec![
        reached,
        judge_discovery(&discovery, setup),
        judge_keys(&public.get("/.well-known/jwks.json").await, setup.keys.as_deref()),
        settled,
        judge_clock("clock of the gateway", date, setup.now()),
    ];
    let (Some(app), Some(host)) = (app, setup.hosts.first()) else {
        let why = "the app has no host without a wildcard";
        findings.extend([HSTS, TWICE].map(|check| Finding::skip(check, why)));
        return findings;
    };
    match app.get("/status.php").await {
        Ok(heard) => {
            findings.push(judge_hsts(&heard.headers, &setup.app));
            findings.push(judge_twice(&heard.headers, &setup.app));
        }
        Err(silence) => {
            for check in [HSTS, TWICE] {
                findings.push(Finding::skip(check, format!("https://{host}: {}", silence.why)));
            }
        }
    }
    for (check, path) in WELL_KNOWN {
        findings.push(judge_well_known(check, path, &app.get(path).await, setup, host));
    }
    findings
}

const WELL_KNOWN: [(&str, &str); 4] = [
    (".well-known/caldav", "/.well-known/caldav"),
    (".well-known/carddav", "/.well-known/carddav"),
    (".well-known/webfinger", "/.well-known/webfinger"),
    (".well-known/nodeinfo", "/.well-known/nodeinfo"),
];

fn judge_reached(answer: &Answer, url: &str) -> Finding {
    match answer {
        Ok(_) => Finding::ok(REACHED, format!("answers at {url}")),
        Err(silence) if silence.untrusted => Finding::fail(
            REACHED,
            format!("the certificate of {url} is not good: {}", silence.why),
            "tls.certificates in config.yaml: one for these names, from a CA that visitors know",
        ),
        Err(silence) => Finding::skip(
            REACHED,
            format!(
                "{url} does not answer ({}): start the gateway, or say --gateway ADDRESS when the name does not lead there \
                 from here",
                silence.why
            ),
        ),
    }
}

fn judge_discovery(answer: &Answer, setup: &Setup) -> Finding {
    let heard = match answer {
        Ok(heard) if heard.status == 200 => heard,
        answer => {
            let found =
                format!("{}: there is none while tokens.algorithm is HS256", in_short(answer));
            return Finding::fail(DISCOVERY, found, "tokens.algorithm: EdDSA    # in config.yaml");
        }
    };
    let json = heard.json();
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("issuer") != &*setup.issuer {
        return Finding::fail(
            DISCOVERY,
            format!(
                "its issuer is {:?}, and this configuration says {:?}",
                text("issuer"),
                setup.issuer
            ),
            "the running gateway has another configuration: reload it, or say --config",
        );
    }
    let jwks = format!("{}/.well-known/jwks.json", setup.public_url);
    if text("jwks_uri") != jwks {
        return Finding::fail(
            DISCOVERY,
            format!("it says that keys are at {:?}, not {jwks}", text("jwks_uri")),
            "the running gateway has another public_url: reload it, or say --config",
        );
    }
    Finding::ok(DISCOVERY, format!("issuer {}", setup.issuer))
}

fn judge_keys(answer: &Answer, own: Option<&[KnownKey]>) -> Finding {
    let json = match answer {
        Ok(heard) if heard.status == 200 => heard.json(),
        answer => {
            let mend = "look into the gateway's log";
            return Finding::fail(
                KEYS,
                format!("/.well-known/jwks.json: {}", in_short(answer)),
                mend,
            );
        }
    };
    let published =
        json.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kid = |key: &Value| key.get("kid").and_then(Value::as_str).map(str::to_owned);
    let published: BTreeSet<String> = published.iter().filter_map(kid).collect();
    if published.is_empty() {
        let found = "no key is published: HS256 has none that others could know";
        return Finding::fail(KEYS, found, "tokens.algorithm: EdDSA    # in config.yaml");
    }
    let missing = own.unwrap_or_default().iter().find(|own| !published.contains(&own.kid));
    if let Some(missing) = missing {
        return Finding::fail(
            KEYS,
            format!("the key {} of this store is not published there", missing.kid),
            "the running gateway has another store: say --data, or restart it",
        );
    }
    Finding::ok(KEYS, format!("{} published", published.len()))
}

fn judge_settled(keys: &[KnownKey], now: Timestamp) -> Finding {
    let Some(newest) = keys.iter().max_by_key(|key| key.made) else {
        let mend = "tokens.algorithm: EdDSA    # in config.yaml; then start the gateway";
        return Finding::fail(SETTLED, "there is no key that others could know", mend);
    };
    let age = now.since(newest.made);
    if age >= PUBLISHED_BEFORE_USE {
        return Finding::ok(SETTLED, "the newest key is known everywhere");
    }
    let minutes = |left: Duration| left.as_secs().div_ceil(60);
    let left = minutes(PUBLISHED_BEFORE_USE.saturating_sub(age));
    if keys.len() > 1 {
        return Finding::ok(
            SETTLED,
            format!("the newest key is used in {left} min; until then the one before"),
        );
    }
    Finding::warn(
        SETTLED,
        "the only key is new: a Nextcloud that asked for keys before does not know it yet",
        format!("wait for {left} min, if tokens are refused"),
    )
}

fn judge_hsts(headers: &HeaderMap, app: &str) -> Finding {
    let mend = format!(
        "apps.{app}.headers: {{ preset: nextcloud }}    # in config.yaml, and the header neither in `set` nor in `unset`"
    );
    let value = headers.get("strict-transport-security").and_then(|value| value.to_str().ok());
    let Some(value) = value else {
        return Finding::fail(HSTS, "Strict-Transport-Security is missing", mend);
    };
    let age = value
        .strip_prefix("max-age=")
        .and_then(|rest| rest.split(';').next().and_then(|age| age.trim().parse::<u64>().ok()));
    match age {
        Some(age) if age >= HSTS_MIN => Finding::ok(HSTS, value),
        _ => Finding::warn(
            HSTS,
            format!("{value:?}: Nextcloud wants max-age={HSTS_MIN} or more, first"),
            mend,
        ),
    }
}

/// Of these, browsers and Nextcloud's own check want one.
const ONCE: [&str; 8] = [
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-robots-tag",
    "x-permitted-cross-domain-policies",
    "referrer-policy",
    "content-security-policy",
    "access-control-allow-origin",
];

fn judge_twice(headers: &HeaderMap, app: &str) -> Finding {
    let twice = ONCE.into_iter().filter(|name| headers.get_all(*name).iter().count() > 1);
    let twice: Vec<&str> = twice.collect();
    if twice.is_empty() {
        return Finding::ok(TWICE, "none");
    }
    Finding::fail(
        TWICE,
        format!("sent twice: {}", twice.join(", ")),
        format!(
            "take them out of the web server of Nextcloud, or out of apps.{app}.headers in config.yaml"
        ),
    )
}

fn judge_well_known(
    check: &'static str,
    path: &str,
    answer: &Answer,
    setup: &Setup,
    host: &str,
) -> Finding {
    let app = &setup.app;
    let mend = format!("apps.{app}.preset: nextcloud    # in config.yaml");
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => return Finding::fail(check, silence.why.clone(), mend),
    };
    if path.ends_with("dav") {
        let location = heard.header("location").unwrap_or_default();
        let is_here =
            location.starts_with('/') || location.starts_with(&format!("https://{host}/"));
        let good =
            matches!(heard.status, 301 | 308) && is_here && location.ends_with("/remote.php/dav/");
        if good {
            return Finding::ok(check, format!("leads to {location}"));
        }
        let found = match location {
            "" => format!("HTTP {}: programs do not find calendars or contacts", heard.status),
            location => format!("HTTP {} to {location}", heard.status),
        };
        return Finding::fail(check, found, mend);
    }
    // What Nextcloud's own check of set-ups looks for: the answer may be 404.
    if heard.headers.contains_key("x-nextcloud-well-known") || heard.status == 200 {
        return Finding::ok(check, "Nextcloud answers");
    }
    Finding::warn(check, format!("HTTP {}, and not from Nextcloud", heard.status), mend)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::super::asking::{Heard, Silence};
    use super::super::finding::told;
    use super::*;

    fn setup() -> Setup {
        let public_url = "https://auth.example.org".to_owned();
        let issuer = "https://auth.example.org".into();
        Setup { public_url, issuer, app: "cloud".into(), ..Setup::default() }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map = HeaderMap::new();
        for (name, value) in lines.map(line) {
            map.append(name, value);
        }
        map
    }

    #[expect(clippy::unnecessary_wraps, reason = "rows of tables are answers")]
    fn heard(status: u16, lines: &[(&'static str, &'static str)], body: &Value) -> Answer {
        Ok(Heard { status, headers: headers(lines), body: body.to_string().into_bytes() })
    }

    fn key(kid: &str, minutes_ago: u64) -> KnownKey {
        let made = Timestamp::from_secs(1_000_000) - Duration::from_mins(minutes_ago);
        KnownKey { kid: kid.to_owned(), made }
    }

    #[test]
    fn a_gateway_that_is_away_is_no_fault_but_a_bad_certificate_is() {
        let silence = |untrusted| Err(Silence { why: "why".into(), untrusted });
        for (answer, verdict) in [
            (heard(404, &[], &json!(null)), "ok"),
            (silence(false), "skip"),
            (silence(true), "fail"),
        ] {
            assert_eq!(judge_reached(&answer, "https://x").verdict.name(), verdict);
        }
    }

    #[test]
    fn the_document_is_that_of_this_configuration() {
        let document = |issuer: &str, keys: &str| {
            heard(200, &[], &json!({ "issuer": issuer, "jwks_uri": keys }))
        };
        let (issuer, keys) =
            ("https://auth.example.org", "https://auth.example.org/.well-known/jwks.json");
        for (answer, verdict) in [
            (document(issuer, keys), "ok"),
            (document("https://other.example", keys), "fail"),
            (document(issuer, "http://auth.example.org/.well-known/jwks.json"), "fail"),
            (heard(404, &[], &json!(null)), "fail"),
            (heard(200, &[], &json!("lies")), "fail"),
        ] {
            assert_eq!(judge_discovery(&answer, &setup()).verdict.name(), verdict, "{answer:?}");
        }
    }

    #[test]
    fn keys_are_published_and_old_enough() {
        let jwks = |kids: &[&str]| {
            let keys: Vec<_> = kids.iter().map(|kid| json!({ "kid": kid })).collect();
            heard(200, &[], &json!({ "keys": keys }))
        };
        for (answer, own, verdict) in [
            (jwks(&["a", "b"]), Some(vec![key("a", 1)]), "ok"),
            (jwks(&["a"]), None, "ok"),
            (jwks(&["a"]), Some(vec![key("a", 1), key("b", 1)]), "fail"),
            (jwks(&[]), None, "fail"),
            (heard(500, &[], &json!(null)), None, "fail"),
            (heard(200, &[], &json!([1])), None, "fail"),
        ] {
            assert_eq!(judge_keys(&answer, own.as_deref()).verdict.name(), verdict, "{answer:?}");
        }
        let now = Timestamp::from_secs(1_000_000);
        for (keys, verdict) in [
            (vec![key("a", 65)], "ok"),
            (vec![key("a", 64)], "warn"),
            (vec![key("a", 5), key("b", 500)], "ok"),
            (vec![], "fail"),
        ] {
            assert_eq!(judge_settled(&keys, now).verdict.name(), verdict, "{keys:?}");
        }
    }

    #[test]
    fn hsts_is_long_and_no_header_comes_twice() {
        for (value, verdict) in [
            (Some("max-age=63072000; includeSubDomains; preload"), "ok"),
            (Some("max-age=15552000"), "ok"),
            (Some("max-age=15551999"), "warn"),
            (Some("includeSubDomains; max-age=63072000"), "warn"),
            (None, "fail"),
        ] {
            let lines: Vec<_> =
                value.map(|value| ("strict-transport-security", value)).into_iter().collect();
            assert_eq!(judge_hsts(&headers(&lines), "cloud").verdict.name(), verdict, "{value:?}");
        }
        let one = ("x-frame-options", "SAMEORIGIN");
        assert_eq!(
            told(&judge_twice(&headers(&[one, ("vary", "a"), ("vary", "b")]), "cloud")).0,
            "ok"
        );
        let finding = judge_twice(&headers(&[one, one]), "cloud");
        assert!(finding.verdict == Verdict::Fail && finding.found.contains("x-frame-options"));
    }

    #[test]
    fn programs_find_calendars_and_nextcloud_answers_the_rest() {
        let (dav, other) = ("/.well-known/caldav", "/.well-known/webfinger");
        let to = |location: &'static str| heard(301, &[("location", location)], &json!(null));
        for (path, answer, verdict) in [
            (dav, to("https://cloud.example.org/remote.php/dav/"), "ok"),
            (dav, to("/remote.php/dav/"), "ok"),
            (dav, to("http://cloud.example.org/remote.php/dav/"), "fail"),
            (dav, heard(404, &[], &json!(null)), "fail"),
            (other, heard(404, &[("x-nextcloud-well-known", "1")], &json!(null)), "ok"),
            (other, heard(404, &[], &json!(null)), "warn"),
        ] {
            let finding = judge_well_known("check", path, &answer, &setup(), "cloud.example.org");
            assert_eq!(finding.verdict.name(), verdict, "{finding:?}");
        }
    }
}
