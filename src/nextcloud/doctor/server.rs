//! Nextcloud itself: is it there, which one, by which names, and with what time.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::Setup;
use super::asking::{Answer, Ask, Asker, Heard, in_short};
use super::finding::Finding;

/// Generations that were measured, and those between.
const KNOWN: std::ops::RangeInclusive<u16> = 29..=34;

/// Beyond it, tokens are refused: they live for a minute, and Nextcloud tolerates a minute in the other direction.
pub(super) const SKEW_FAIL: i64 = 60;
/// Beyond it some are: the bridge uses a token for half a minute.
pub(super) const SKEW_WARN: i64 = 30;

/// The findings, and whether it is worth going on.
pub(super) async fn examine(asker: &Asker, setup: &Setup) -> (Vec<Finding>, bool) {
    let mut answer = asker.get("/status.php").await;
    if is_untrusted(&answer) {
        // By this name a Nextcloud always answers.
        answer = asker.ask(Ask::get("/status.php").with("host", "localhost")).await;
    }
    let status = judge_status(&answer, &setup.occ);
    let is_well = status.verdict == super::Verdict::Ok;
    let mut findings = vec![status];
    if let Ok(heard) = &answer {
        if is_well {
            findings.push(judge_version(&heard.json()));
        }
        findings.push(judge_clock("clock of Nextcloud", heard.header("date"), setup.now()));
        for (at, host) in setup.hosts.iter().enumerate() {
            let answer = asker.ask(Ask::get("/status.php").with("host", host)).await;
            findings.push(judge_trusted(host, at + 1, &answer, &setup.occ));
        }
    }
    (findings, is_well)
}

fn judge_status(answer: &Answer, occ: &str) -> Finding {
    const CHECK: &str = "status";
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => {
            return Finding::fail(
                CHECK,
                format!("Nextcloud does not answer: {}", silence.why),
                "start it, or correct apps.<name>.upstream or nextcloud.url in config.yaml",
            );
        }
    };
    let status = heard.json();
    let is = |key| status.get(key).and_then(Value::as_bool);
    let Some(installed) = is("installed").filter(|_| heard.status == 200) else {
        return Finding::fail(
            CHECK,
            format!("what answers is no Nextcloud (HTTP {} at /status.php)", heard.status),
            "correct apps.<name>.upstream or nextcloud.url in config.yaml",
        );
    };
    if !installed {
        let mend = format!("{occ} maintenance:install");
        return Finding::fail(CHECK, "Nextcloud is not installed yet", mend);
    }
    if is("needsDbUpgrade") == Some(true) {
        return Finding::fail(CHECK, "Nextcloud waits for its upgrade", format!("{occ} upgrade"));
    }
    if is("maintenance") == Some(true) {
        let mend = format!("{occ} maintenance:mode --off");
        return Finding::fail(CHECK, "Nextcloud is in maintenance", mend);
    }
    Finding::ok(CHECK, "installed and at work")
}

fn judge_version(status: &Value) -> Finding {
    const CHECK: &str = "version";
    let version = status.get("versionstring").and_then(Value::as_str).unwrap_or_default();
    let major: Option<u16> = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if KNOWN.contains(&major) => Finding::ok(CHECK, version),
        Some(major) if major > *KNOWN.end() => Finding::warn(
            CHECK,
            format!("{version}: newer than {}, the newest that was tried", KNOWN.end()),
            "nothing, if the lines below are good",
        ),
        Some(_) => Finding::warn(
            CHECK,
            format!("{version}: older than {}, the oldest that was tried", KNOWN.start()),
            "upgrade Nextcloud",
        ),
        None => Finding::warn(CHECK, "Nextcloud tells no version", "look at its /status.php"),
    }
}

/// What an untrusted host is told at `/status.php`.
fn is_untrusted(answer: &Answer) -> bool {
    answer.as_ref().is_ok_and(is_refusal_of_host)
}

pub(super) fn is_refusal_of_host(heard: &Heard) -> bool {
    heard.status == 400 && heard.json().get("code").and_then(Value::as_i64) == Some(15)
}

fn judge_trusted(host: &str, at: usize, answer: &Answer, occ: &str) -> Finding {
    const CHECK: &str = "trusted domain";
    match answer {
        Ok(heard) if heard.status == 200 => Finding::ok(CHECK, host),
        Ok(heard) if is_refusal_of_host(heard) => Finding::fail(
            CHECK,
            format!("Nextcloud does not answer to the name {host}"),
            format!("{occ} config:system:set trusted_domains {at} --value={host}"),
        ),
        answer => Finding::fail(
            CHECK,
            format!("{host}: {}", in_short(answer)),
            "look at what stands between the gateway and Nextcloud: it does not know this name",
        ),
    }
}

/// `date` is the other's, `now` ours, both in seconds since 1970.
pub(super) fn judge_clock(check: &'static str, date: Option<&str>, now: i64) -> Finding {
    let Some(date) = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok()) else {
        return Finding::skip(check, "the answer has no date");
    };
    let ahead = date.unix_timestamp().saturating_sub(now);
    let found = match ahead {
        -1..=1 => return Finding::ok(check, "as here"),
        ahead if ahead > 0 => format!("{ahead} s ahead of here"),
        behind => format!("{} s behind here", behind.saturating_neg()),
    };
    let mend = "timedatectl set-ntp true    # on both machines";
    match ahead.saturating_abs() {
        0..=SKEW_WARN => Finding::ok(check, found),
        31..=SKEW_FAIL => {
            Finding::warn(check, format!("{found}: some tokens will be refused"), mend)
        }
        _ => Finding::fail(check, format!("{found}: tokens are refused"), mend),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::asking::Silence;
    use super::super::finding::told;
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "rows of tables are answers")]
    fn heard(status: u16, body: &Value) -> Answer {
        Ok(Heard { status, body: body.to_string().into_bytes(), ..Heard::default() })
    }

    #[test]
    fn what_status_says_is_told_with_what_to_do() {
        let status = |installed, maintenance, upgrade| {
            let keys = json!({ "installed": installed, "maintenance": maintenance, "needsDbUpgrade": upgrade });
            heard(200, &keys)
        };
        let down = Err(Silence { why: "refused".into(), untrusted: false });
        for (answer, verdict, mend) in [
            (status(true, false, false), "ok", ""),
            (status(true, true, false), "fail", "occ maintenance:mode --off"),
            (status(true, true, true), "fail", "occ upgrade"),
            (status(false, false, false), "fail", "occ maintenance:install"),
            (heard(200, &json!([])), "fail", "correct apps.<name>.upstream"),
            (heard(502, &json!({"installed": true})), "fail", "correct apps.<name>.upstream"),
            (down, "fail", "start it"),
        ] {
            let finding = judge_status(&answer, "occ");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn a_version_is_known_or_said_to_be_unknown() {
        for (version, verdict) in [
            (json!("29.0.1"), "ok"),
            (json!("34.0.1"), "ok"),
            (json!("28.0.4"), "warn"),
            (json!("35.0.0 beta"), "warn"),
            (json!(34), "warn"),
            (json!("x"), "warn"),
        ] {
            let finding = judge_version(&json!({ "versionstring": version }));
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
        }
    }

    #[test]
    fn a_name_is_trusted_or_the_command_says_it() {
        let untrusted = json!({ "error": "Trusted domain error.", "code": 15 });
        for (answer, verdict, mend) in [
            (heard(200, &json!({})), "ok", ""),
            (
                heard(400, &untrusted),
                "fail",
                "occ config:system:set trusted_domains 1 --value=cloud.example.org",
            ),
            (heard(404, &json!({})), "fail", "look at what stands between"),
        ] {
            let finding = judge_trusted("cloud.example.org", 1, &answer, "occ");
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
        }
    }

    #[test]
    fn clocks_may_differ_as_long_as_tokens_live() {
        let date = "Sat, 21 Nov 2026 10:00:00 GMT";
        let at = 1_795_255_200;
        for (ahead, verdict) in [
            (0, "ok"),
            (30, "ok"),
            (-30, "ok"),
            (31, "warn"),
            (60, "warn"),
            (-60, "warn"),
            (61, "fail"),
            (-61, "fail"),
            (i64::MIN + at, "fail"),
        ] {
            let finding = judge_clock("clock", Some(date), at.saturating_sub(ahead));
            assert_eq!(finding.verdict.name(), verdict, "{ahead}: {finding:?}");
        }
        for date in [None, Some("yesterday")] {
            assert_eq!(judge_clock("clock", date, at).verdict.name(), "skip");
        }
    }
}
