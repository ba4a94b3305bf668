//! The socket of notifications, which spares Nextcloud the questions of every program every half minute.

use serde_json::Value;

use super::Setup;
use super::asking::{Answer, Ask, Asker, in_short};
use super::finding::Finding;

const CHECK: &str = "push";

/// `app` asks at the app's first host, through the gateway, when that answers.
pub(super) async fn examine(
    asker: &Asker,
    app: Option<&Asker>,
    setup: &Setup,
    authorization: &str,
) -> Finding {
    let capabilities = Ask::get("/ocs/v2.php/cloud/capabilities?format=json")
        .with("authorization", authorization)
        .with("ocs-apirequest", "true");
    let told = asker.ask(capabilities).await;
    let socket = told.as_ref().ok().and_then(|heard| {
        let json = heard.json();
        let found = json.pointer("/ocs/data/capabilities/notify_push/endpoints/websocket");
        found.and_then(Value::as_str).map(str::to_owned)
    });
    let host = setup.hosts.first().map(String::as_str).unwrap_or_default();
    let path = match judge_address(socket.as_deref(), host, &setup.occ) {
        Ok(path) => path,
        Err(finding) => return finding,
    };
    let Some(app) = app else {
        return Finding::skip(CHECK, "the gateway does not answer, so the socket cannot be tried");
    };
    judge_socket(&app.get(&format!("{path}/test/cookie")).await, setup)
}

/// The path of the push server at the app's host, when that is where programs are told to go.
fn judge_address(socket: Option<&str>, host: &str, occ: &str) -> Result<String, Finding> {
    let Some(socket) = socket else {
        return Err(Finding::warn(
            CHECK,
            "notify_push is not installed: programs ask every half minute instead",
            format!("{occ} app:install notify_push && {occ} notify_push:setup https://{host}/push"),
        ));
    };
    let path = socket.strip_prefix("wss://").and_then(|rest| rest.strip_prefix(host));
    let path = path.filter(|path| path.starts_with('/')).and_then(|path| path.strip_suffix("/ws"));
    path.map(str::to_owned).ok_or_else(|| {
        Finding::fail(
            CHECK,
            format!("programs are told to go to {socket}, which is not at wss://{host}"),
            format!("{occ} notify_push:setup https://{host}/push"),
        )
    })
}

fn judge_socket(answer: &Answer, setup: &Setup) -> Finding {
    match answer {
        Ok(heard) if heard.status == 200 => Finding::ok(CHECK, "the push server answers"),
        Ok(heard) if matches!(heard.status, 401 | 403) => Finding::ok(
            CHECK,
            "the gateway asks for a credential before the push server, as configured",
        ),
        answer => Finding::fail(
            CHECK,
            format!("the push server does not answer ({})", in_short(answer)),
            format!(
                "systemctl restart notify_push    # and let /push/ lead to it, in Nextcloud's web server or as a route of \
                 apps.{}",
                setup.app
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::asking::Heard;
    use super::*;

    #[test]
    fn programs_are_told_to_go_to_the_app() {
        let host = "cloud.example.org";
        for (socket, expected) in [
            (Some("wss://cloud.example.org/push/ws"), Ok("/push")),
            (None, Err("warn")),
            (Some("ws://cloud.example.org/push/ws"), Err("fail")),
            (Some("wss://cloud.example.org.evil.example/push/ws"), Err("fail")),
            (Some("wss://127.0.0.1:7867/ws"), Err("fail")),
        ] {
            let judged = judge_address(socket, host, "occ");
            let judged = judged.as_deref().map_err(|finding| finding.verdict.name());
            assert_eq!(judged, expected, "{socket:?}");
        }
    }

    #[test]
    fn a_push_server_answers_or_is_guarded() {
        for (status, verdict) in [(200, "ok"), (401, "ok"), (404, "fail"), (502, "fail")] {
            let answer = Ok(Heard { status, ..Heard::default() });
            assert_eq!(
                judge_socket(&answer, &Setup::default()).verdict.name(),
                verdict,
                "{status}"
            );
        }
    }
}
