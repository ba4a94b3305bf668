//! How Nextcloud sees what comes by way of a proxy: whose address, and by which name it calls itself. Asked with the headers
//! that the gateway sends, from this machine: it must be the one that the gateway runs on.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Setup;
use super::asking::{Answer, Ask, Asker, in_short};
use super::finding::Finding;
use super::server::is_refusal_of_host;

/// Somebody who is nowhere: an address for documents (RFC 5737).
const VISITOR: &str = "203.0.113.77";

/// A name that nobody can trust (RFC 6761).
const NOBODY: &str = "stormdoor-doctor.invalid";

const ADDRESS: &str = "visitor address";
const URLS: &str = "own address";
const FAILURES: &str = "refused sign-ins";

/// A request as the gateway would send it for a visitor.
pub(super) fn forwarded(ask: Ask, host: &str) -> Ask {
    ask.with("x-forwarded-for", VISITOR)
        .with("x-forwarded-proto", "https")
        .with("x-forwarded-host", host)
}

/// What needs no credential; `authorization` is there when the service account may be used.
pub(super) async fn examine(
    asker: &Asker,
    setup: &Setup,
    authorization: Option<&str>,
) -> Vec<Finding> {
    let mut seen = None;
    if let Some(authorization) = authorization {
        // The one page that says it: of the app bruteforcesettings.
        let page = Ask::get("/index.php/settings/admin/security")
            .with("authorization", authorization)
            .with("ocs-apirequest", "true")
            .with("x-forwarded-for", VISITOR);
        seen = address_on(&asker.ask(page).await);
    }
    let lies = Ask::get("/status.php").with("host", "localhost").with("x-forwarded-host", NOBODY);
    let believes = asker.ask(lies).await.as_ref().is_ok_and(is_refusal_of_host);
    let mut findings = vec![judge_address(seen, believes, &setup.occ)];

    let capabilities = "/ocs/v2.php/cloud/capabilities?format=json";
    let ask = || Ask::get(capabilities).with("ocs-apirequest", "true");
    findings.push(judge_failures(&asker.ask(ask()).await, &setup.occ));
    match setup.hosts.first() {
        Some(host) => {
            let answer = asker.ask(forwarded(ask(), host).with("host", host)).await;
            findings.push(judge_urls(&answer, host, &setup.occ));
        }
        None => findings.push(Finding::skip(URLS, "the app has no host without a wildcard")),
    }
    findings
}

/// The address in the page's initial state, which is JSON in base64.
fn address_on(page: &Answer) -> Option<IpAddr> {
    let heard = page.as_ref().ok().filter(|heard| heard.status == 200)?;
    let text = String::from_utf8_lossy(&heard.body);
    let (_, rest) = text.split_once("initial-state-bruteforcesettings-remote-address")?;
    let (_, rest) = rest.split_once("value=\"")?;
    let (value, _) = rest.split_once('"')?;
    let address: String = serde_json::from_slice(&STANDARD.decode(value).ok()?).ok()?;
    address.parse().ok()
}

/// `seen`: whom Nextcloud took for the visitor. `believes`: it took another header of ours for true.
fn judge_address(seen: Option<IpAddr>, believes: bool, occ: &str) -> Finding {
    let visitor: Option<IpAddr> = VISITOR.parse().ok();
    let mend =
        |address: &str| format!("{occ} config:system:set trusted_proxies 0 --value={address}");
    match seen {
        seen if seen.is_some() && seen == visitor => Finding::ok(
            ADDRESS,
            "Nextcloud sees visitors' own addresses: this machine is one of its trusted_proxies",
        ),
        Some(seen) => Finding::fail(
            ADDRESS,
            format!("Nextcloud takes every visitor for {seen}: ten typos of one lock out all"),
            mend(&seen.to_string()),
        ),
        None if believes => Finding::ok(
            ADDRESS,
            "Nextcloud believes this machine's X-Forwarded headers: it is one of its trusted_proxies",
        ),
        // With overwritehost it believes nobody's, so that this says nothing.
        None => Finding::warn(
            ADDRESS,
            "it cannot be seen whether Nextcloud knows visitors' addresses: it does not say, or does not believe us",
            format!(
                "{occ} config:system:get trusted_proxies    # must have this machine's address"
            ),
        ),
    }
}

fn judge_failures(answer: &Answer, occ: &str) -> Finding {
    let delay = answer.as_ref().ok().and_then(|heard| {
        heard.json().pointer("/ocs/data/capabilities/bruteforce/delay").and_then(Value::as_u64)
    });
    match delay {
        Some(0) => Finding::ok(FAILURES, "none lately from this machine's address"),
        Some(delay) => Finding::warn(
            FAILURES,
            format!(
                "Nextcloud counts refused sign-ins against this machine's address (its delay is {delay} ms): after ten \
                 nobody gets in who comes from here"
            ),
            format!("{occ} security:bruteforce:reset THIS_ADDRESS"),
        ),
        None => Finding::skip(FAILURES, format!("Nextcloud does not say ({})", in_short(answer))),
    }
}

/// What Nextcloud's links begin with, by one that anybody can see.
fn judge_urls(answer: &Answer, host: &str, occ: &str) -> Finding {
    let url = answer.as_ref().ok().and_then(|heard| {
        let json = heard.json();
        let theming = json.pointer("/ocs/data/capabilities/theming")?;
        let text = |key| theming.get(key).and_then(Value::as_str);
        text("logo").or_else(|| text("background")).map(str::to_owned)
    });
    let Some(url) = url else {
        return Finding::skip(URLS, format!("Nextcloud shows no link ({})", in_short(answer)));
    };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let named = rest.split('/').next().unwrap_or_default();
    if scheme != "https" {
        return Finding::fail(
            URLS,
            format!(
                "links begin with {scheme}://{named}: programs will refuse them, and user_oidc answers 404"
            ),
            format!("{occ} config:system:set overwriteprotocol --value=https"),
        );
    }
    if !named.eq_ignore_ascii_case(host) {
        return Finding::fail(
            URLS,
            format!("links lead to {named}, but people come to {host}"),
            format!("{occ} config:system:set overwritehost --value={host}"),
        );
    }
    Finding::ok(URLS, format!("links begin with https://{host}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::asking::Heard;
    use super::super::finding::told;
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "rows of tables are answers")]
    fn heard(status: u16, body: &str) -> Answer {
        Ok(Heard { status, body: body.as_bytes().to_vec(), ..Heard::default() })
    }

    #[test]
    fn the_address_is_read_from_the_page() {
        let page = "<input id=\"initial-state-bruteforcesettings-remote-address\" value=\"IjIwMy4wLjExMy43NyI=\">";
        let other = page.replace("IjIwMy4wLjExMy43NyI=", "not base64");
        for (page, found) in [
            (heard(200, page), Some(VISITOR.parse().unwrap())),
            (heard(200, &other), None),
            (heard(403, page), None),
            (heard(200, "<html>"), None),
        ] {
            assert_eq!(address_on(&page), found);
        }
    }

    #[test]
    fn who_nextcloud_sees_decides() {
        let address = |text: &str| text.parse().ok();
        let mend = "occ config:system:set trusted_proxies 0 --value=192.0.2.9";
        for (seen, believes, verdict, mend) in [
            (address(VISITOR), false, "ok", ""),
            (address("192.0.2.9"), true, "fail", mend),
            (None, true, "ok", ""),
            (None, false, "warn", "occ config:system:get trusted_proxies"),
        ] {
            let finding = judge_address(seen, believes, "occ");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn links_must_be_https_and_lead_to_the_app() {
        let logo = |url: &str| {
            let theming = json!({ "url": "https://nextcloud.com", "logo": url });
            let body = json!({ "ocs": { "data": { "capabilities": { "theming": theming } } } });
            heard(200, &body.to_string())
        };
        let host = "cloud.example.org:8443";
        for (answer, verdict, mend) in [
            (logo("https://cloud.example.org:8443/core/logo.svg"), "ok", ""),
            (
                logo("http://cloud.example.org:8443/x"),
                "fail",
                "occ config:system:set overwriteprotocol",
            ),
            (
                logo("https://cloud.example.org/x"),
                "fail",
                "occ config:system:set overwritehost --value=cloud.example.org:8443",
            ),
            (logo("/x"), "fail", "occ config:system:set overwriteprotocol"),
            (heard(503, ""), "skip", ""),
        ] {
            let finding = judge_urls(&answer, host, "occ");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn refused_sign_ins_are_told_of_before_ten() {
        let delay = |delay: u64| {
            let bruteforce = json!({ "delay": delay, "allow-listed": false });
            let body =
                json!({ "ocs": { "data": { "capabilities": { "bruteforce": bruteforce } } } });
            heard(200, &body.to_string())
        };
        for (answer, verdict) in
            [(delay(0), "ok"), (delay(200), "warn"), (heard(500, "<html>"), "skip")]
        {
            assert_eq!(judge_failures(&answer, "occ").verdict.name(), verdict);
        }
    }
}
