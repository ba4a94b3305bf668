//! The app `user_oidc`: is our provider registered as it must be, does its sign-in lead to us, does it take our tokens.

use http::header;
use serde_json::Value;

use super::asking::{Answer, Ask, Asker, in_short};
use super::finding::Finding;
use super::{Setup, Vouch, front};
use crate::nextcloud::probe::Probe;

const APP: &str = "user_oidc";
const SETTINGS: &str = "user_oidc provider";
const LOGIN: &str = "user_oidc sign-in";
const BEARER: &str = "user_oidc bearer";

/// Our provider, as Nextcloud has it.
#[derive(Clone, Debug)]
struct Provider {
    id: u64,
    name: String,
    settings: Value,
}

pub(super) async fn examine(
    asker: &Asker,
    setup: &Setup,
    probe: &Probe,
    authorization: &str,
    vouch: Option<&Vouch>,
) -> Vec<Finding> {
    if !setup.uses_bearer && !setup.uses_sign_in {
        let why = "neither nextcloud.bridge: oidc nor a client secret in nextcloud.oidc";
        return vec![Finding::skip(APP, why)];
    }
    if !probe.user_oidc {
        let mend = format!("{} app:install user_oidc", setup.occ);
        return vec![Finding::fail(APP, "Nextcloud does not have the app user_oidc", mend)];
    }
    let list = Ask::get("/ocs/v2.php/apps/user_oidc/api/v1/provider?format=json")
        .with("authorization", authorization)
        .with("ocs-apirequest", "true");
    let list = asker.ask(list).await;
    let (finding, provider) = judge_list(&list, setup);
    let mut findings = vec![finding];
    let Some(provider) = provider else {
        for check in [LOGIN, BEARER] {
            findings.push(Finding::skip(check, "our provider could not be read"));
        }
        return findings;
    };
    findings.push(match (setup.hosts.first(), setup.uses_sign_in) {
        (Some(host), true) => {
            let path = format!("/index.php/apps/user_oidc/login/{}", provider.id);
            let ask = Ask::get(&path).with("host", host).with("accept", "text/html");
            judge_login(&asker.ask(front::forwarded(ask, host)).await, setup, host)
        }
        (None, _) => Finding::skip(LOGIN, "the app has no host without a wildcard"),
        (_, false) => Finding::skip(LOGIN, "nextcloud.oidc has no client secret: no web sign-in"),
    });
    findings.push(bearer(asker, setup, &provider, vouch).await);
    findings
}

/// Our provider among those that there are.
fn judge_list(answer: &Answer, setup: &Setup) -> (Finding, Option<Provider>) {
    let data = answer.as_ref().ok().filter(|heard| heard.status == 200);
    let data = data.and_then(|heard| heard.json().pointer("/ocs/data").cloned());
    let Some(Value::Array(all)) = data else {
        let why = format!("this user_oidc does not tell its providers ({})", in_short(answer));
        return (Finding::skip(SETTINGS, why), None);
    };
    let text = |provider: &Value, key: &str| {
        provider.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let print = "stormdoor nextcloud print-occ    # prints the whole command";
    let discovery = format!("{}/.well-known/openid-configuration", setup.public_url);
    // An old provider of the same client id may stand beside the new one.
    let named = || all.iter().filter(|provider| text(provider, "clientId") == *setup.client_id);
    let ours = named().find(|provider| text(provider, "discoveryEndpoint") == discovery);
    let ours = ours.or_else(|| named().next());
    let Some(ours) = ours else {
        let found = format!("no provider there has the client id {}", setup.client_id);
        return (Finding::fail(SETTINGS, found, print), None);
    };
    let provider = Provider {
        id: ours.get("id").and_then(Value::as_u64).unwrap_or_default(),
        name: text(ours, "identifier"),
        settings: ours.get("settings").cloned().unwrap_or_default(),
    };
    let found = text(ours, "discoveryEndpoint");
    if found != discovery {
        let found = format!("provider {} asks {found}, not {discovery}", provider.name);
        return (Finding::fail(SETTINGS, found, print), None);
    }
    (judge_settings(&provider, setup), Some(provider))
}

/// What must be as `print-occ` says.
fn judge_settings(provider: &Provider, setup: &Setup) -> Finding {
    let is = |key: &str| is_on(provider.settings.get(key));
    let mapping = provider.settings.get("mappingUid").and_then(Value::as_str).unwrap_or_default();
    let mut wrong = Vec::new();
    if is("groupProvisioning") {
        wrong.push((
            "--group-provisioning=0",
            "it takes people out of groups that tokens do not name",
        ));
    }
    if is("uniqueUid") || is("providerBasedId") {
        wrong.push((
            "--unique-uid=0",
            "people would have other user ids than nextcloud.user_id says",
        ));
    }
    if !matches!(mapping, "" | "sub") {
        wrong.push(("--mapping-uid=sub", "the user id is not taken from sub"));
    }
    if setup.uses_bearer && !is("checkBearer") {
        wrong.push(("--check-bearer=1", "our tokens are not looked at"));
    }
    if wrong.is_empty() {
        return Finding::ok(
            SETTINGS,
            format!("{} is number {} there, set as it must be", provider.name, provider.id),
        );
    }
    let (options, reasons): (Vec<_>, Vec<_>) = wrong.into_iter().unzip();
    let command = format!("{} user_oidc:provider {}", setup.occ, provider.name);
    Finding::fail(SETTINGS, reasons.join("; "), format!("{command} {}", options.join(" ")))
}

/// Booleans arrive as such, as numbers, or as text.
fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::String(text)) => !matches!(text.as_str(), "" | "0" | "false"),
        _ => false,
    }
}

fn judge_login(answer: &Answer, setup: &Setup, host: &str) -> Finding {
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => {
            let found =
                format!("{}: Nextcloud may be waiting for our discovery document", silence.why);
            let mend = format!(
                "curl -v {}/.well-known/openid-configuration    # on Nextcloud's machine",
                setup.public_url
            );
            return Finding::fail(LOGIN, found, mend);
        }
    };
    let authorize = format!("{}/auth/openid/authorize?", setup.public_url);
    let location = heard.header(header::LOCATION.as_str()).unwrap_or_default();
    if let Some(query) = location.strip_prefix(&authorize).filter(|_| heard.status < 400) {
        let value =
            |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        if value("client_id") != Some(&*setup.client_id) {
            let found = format!("it leads to us as {:?}", value("client_id").unwrap_or_default());
            return Finding::fail(
                LOGIN,
                found,
                "stormdoor nextcloud print-occ    # prints the client id",
            );
        }
        let back =
            value("redirect_uri").unwrap_or_default().replace("%3A", ":").replace("%2F", "/");
        if !back.starts_with(&format!("https://{host}/")) {
            return Finding::fail(
                LOGIN,
                format!("people would come back to {back}, which is not at https://{host}"),
                format!("{} config:system:set overwritehost --value={host}", setup.occ),
            );
        }
        return Finding::ok(LOGIN, format!("leads to {} as {}", setup.public_url, setup.client_id));
    }
    if heard.status == 404 {
        return Finding::fail(
            LOGIN,
            "404: Nextcloud cannot read our discovery document, or thinks that it is asked by plain HTTP",
            format!(
                "curl -v {}/.well-known/openid-configuration    # on Nextcloud's machine; then allow_local_remote_servers \
                 and security:certificates:import, as `stormdoor nextcloud print-occ` prints",
                setup.public_url
            ),
        );
    }
    Finding::fail(
        LOGIN,
        format!("HTTP {} instead of a way to {}", heard.status, setup.public_url),
        "stormdoor nextcloud print-occ    # prints the whole set-up; the reason is in Nextcloud's log",
    )
}

/// A token for the service account, which exists: so nothing is made there. Only where it cannot cost groups or make an
/// account of another name.
async fn bearer(
    asker: &Asker,
    setup: &Setup,
    provider: &Provider,
    vouch: Option<&Vouch>,
) -> Finding {
    if !setup.uses_bearer {
        return Finding::skip(BEARER, "nextcloud.bridge is not oidc");
    }
    let Some(vouch) = vouch else {
        return Finding::skip(
            BEARER,
            "there is no store with keys below the data folder; say --data",
        );
    };
    if judge_settings(provider, setup).verdict != super::Verdict::Ok {
        return Finding::skip(BEARER, "not tried before the provider is set as it must be");
    }
    let Some(token) = vouch() else {
        return Finding::skip(BEARER, "there is no key that Nextcloud could know");
    };
    let ask = Ask::get("/ocs/v2.php/cloud/user?format=json")
        .with("authorization", &format!("Bearer {token}"));
    judge_bearer(&asker.ask(ask).await, &setup.user)
}

fn judge_bearer(answer: &Answer, user: &str) -> Finding {
    let mend = "compare clocks and keys above; Nextcloud reads our keys once an hour";
    match answer {
        Ok(heard) if heard.status == 200 => {
            let json = heard.json();
            let id = json.pointer("/ocs/data/id").and_then(Value::as_str).unwrap_or_default();
            if id.eq_ignore_ascii_case(user) {
                return Finding::ok(BEARER, format!("a token of ours for {user} is taken"));
            }
            Finding::fail(BEARER, format!("a token for {user} is taken for {id:?}"), mend)
        }
        answer => Finding::fail(
            BEARER,
            format!("a token of ours is refused ({})", in_short(answer)),
            mend,
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::super::asking::Heard;
    use super::super::finding::told;
    use super::*;

    fn setup() -> Setup {
        Setup {
            public_url: "https://auth.example.org".to_owned(),
            client_id: "stormdoor".into(),
            user: "door".to_owned(),
            occ: "occ".to_owned(),
            uses_bearer: true,
            uses_sign_in: true,
            ..Setup::default()
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "rows of tables are answers")]
    fn list(change: &[(&str, Value)]) -> Answer {
        let mut settings = json!({
            "uniqueUid": false, "mappingUid": "sub", "groupProvisioning": false, "checkBearer": "1",
        });
        for (key, value) in change {
            settings[*key] = value.clone();
        }
        let discovery = settings["discovery"].as_str().unwrap_or("https://auth.example.org");
        let provider = json!({
            "id": 3, "identifier": "door", "clientId": "stormdoor",
            "discoveryEndpoint": format!("{discovery}/.well-known/openid-configuration"),
            "settings": settings,
        });
        let body = json!({ "ocs": { "data": [ { "clientId": "other" }, provider ] } });
        Ok(Heard { status: 200, body: body.to_string().into_bytes(), ..Heard::default() })
    }

    #[test]
    fn a_provider_is_set_as_printed_or_the_command_says_what_differs() {
        let empty = json!({ "ocs": { "data": [] } }).to_string().into_bytes();
        for (answer, verdict, mend) in [
            (list(&[]), "ok", ""),
            (
                list(&[("groupProvisioning", json!("1"))]),
                "fail",
                "occ user_oidc:provider door --group-provisioning=0",
            ),
            (
                list(&[("uniqueUid", json!(true))]),
                "fail",
                "occ user_oidc:provider door --unique-uid=0",
            ),
            (
                list(&[("mappingUid", json!("email")), ("checkBearer", json!(0))]),
                "fail",
                "occ user_oidc:provider door --mapping-uid=sub --check-bearer=1",
            ),
            (
                list(&[("discovery", json!("https://old.example.org"))]),
                "fail",
                "stormdoor nextcloud print-occ",
            ),
            (
                Ok(Heard { status: 200, body: empty, ..Heard::default() }),
                "fail",
                "stormdoor nextcloud print-occ",
            ),
            (Ok(Heard { status: 404, ..Heard::default() }), "skip", ""),
        ] {
            let (finding, _) = judge_list(&answer, &setup());
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn a_sign_in_leads_to_us_and_back_to_the_app() {
        let to = |location: &str| {
            let location = HeaderValue::from_str(location).unwrap();
            let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
            Ok(Heard { status: 303, headers, ..Heard::default() })
        };
        let ours = "https://auth.example.org/auth/openid/authorize?response_type=code";
        let back = "redirect_uri=https%3A%2F%2Fcloud.example.org%2Fapps%2Fuser_oidc%2Fcode";
        let plain = back.replace("https", "http");
        for (answer, verdict, mend) in [
            (to(&format!("{ours}&client_id=stormdoor&{back}")), "ok", ""),
            (
                to(&format!("{ours}&client_id=other&{back}")),
                "fail",
                "stormdoor nextcloud print-occ",
            ),
            (
                to(&format!("{ours}&client_id=stormdoor&{plain}")),
                "fail",
                "occ config:system:set overwritehost",
            ),
            (to("https://elsewhere.example/auth"), "fail", "stormdoor nextcloud print-occ"),
            (
                Ok(Heard { status: 404, ..Heard::default() }),
                "fail",
                "curl -v https://auth.example.org/",
            ),
        ] {
            let finding = judge_login(&answer, &setup(), "cloud.example.org");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn a_token_is_taken_for_whom_it_names() {
        for (status, id, verdict) in
            [(200, "Door", "ok"), (200, "admin", "fail"), (401, "", "fail"), (500, "", "fail")]
        {
            let body = json!({ "ocs": { "data": { "id": id } } }).to_string().into_bytes();
            let answer = Ok(Heard { status, body, ..Heard::default() });
            assert_eq!(judge_bearer(&answer, "door").verdict.name(), verdict, "{status} {id}");
        }
    }
}
