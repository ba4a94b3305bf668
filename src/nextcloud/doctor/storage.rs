//! Files and calendars of the service account: a round trip, a big upload in pieces, and nothing left behind.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Setup;
use super::asking::{Answer, Ask, Asker, in_short};
use super::finding::{Finding, Verdict};
use crate::nextcloud::ocs::escaped;

const FILES: &str = "files";
const CALENDARS: &str = "calendars";
const UPLOAD: &str = "big upload";

/// Of one piece, unless there would be too many: Nextcloud wants at most 10,000.
const PIECE: u64 = 10 * 1024 * 1024;
const PIECES_MAX: u64 = 9_000;

/// What is waited for beside the usual, for each so many bytes: when they are sent, and when they are put together.
const BYTES_PER_SECOND: u64 = 2 * 1024 * 1024;

/// What a step came to.
type Step = (&'static str, Answer);

/// Whose files, and as whom.
pub(super) struct Drawer<'a> {
    asker: &'a Asker,
    authorization: &'a str,
    user: String,
    /// A name that nothing else has.
    name: String,
    /// The path that Nextcloud lives below; mostly none.
    below: &'a str,
}

pub(super) async fn examine(asker: &Asker, setup: &Setup, authorization: &str) -> Vec<Finding> {
    let name = format!("stormdoor-doctor-{}-{}", setup.now(), std::process::id());
    let url = setup.service.as_ref().map(|service| service.url.as_str()).unwrap_or_default();
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let below = authority.find('/').and_then(|at| authority.get(at..)).unwrap_or_default();
    let drawer = Drawer { asker, authorization, user: escaped(&setup.user), name, below };
    // From here on Ctrl-C no longer ends the program, so that nothing is left there.
    let mut stop = signal(SignalKind::interrupt()).ok();
    let files = drawer.round_trip().await;
    let calendars = drawer.calendars().await;
    let upload = if setup.upload == 0 {
        Finding::skip(UPLOAD, "--upload 0")
    } else if files.verdict == Verdict::Fail {
        Finding::skip(UPLOAD, "not tried before small files work")
    } else {
        drawer.upload(setup, stop.as_mut()).await
    };
    vec![files, calendars, upload]
}

impl Drawer<'_> {
    async fn round_trip(&self) -> Finding {
        let path = self.file("small");
        let text =
            Bytes::from_static(b"Left by `stormdoor doctor nextcloud`. It may be deleted.\n");
        let mut steps =
            vec![("PUT", self.ask(self.at(Method::PUT, &path).body(text.clone())).await)];
        if is_good(&steps) {
            steps.push(("GET", self.ask(self.at(Method::GET, &path)).await));
        }
        let same = steps.last().is_some_and(|(step, answer)| {
            *step != "GET" || answer.as_ref().is_ok_and(|heard| heard.body == text)
        });
        steps.push(("DELETE", self.delete(&path).await));
        judge_round_trip(&steps, same)
    }

    async fn calendars(&self) -> Finding {
        let path = format!("/remote.php/dav/calendars/{}/", self.user);
        let find = Method::from_bytes(b"PROPFIND").unwrap_or_default();
        let answer = self.ask(self.at(find, &path).with("depth", "0")).await;
        judge_calendars(&answer)
    }

    /// As Nextcloud's own programs do it: a folder, pieces, and a move that puts them together.
    async fn upload(&self, setup: &Setup, mut stop: Option<&mut Signal>) -> Finding {
        let began = setup.clock.now();
        let size = setup.upload;
        let piece = PIECE.max(size.div_ceil(PIECES_MAX));
        let (folder, path) =
            (format!("/remote.php/dav/uploads/{}/{}", self.user, self.name), self.file("big"));
        let total = size.to_string();
        let target = format!("{}{path}", self.below);
        let with_target =
            |ask: Ask| ask.with("destination", &target).with("oc-total-length", &total);
        let make = Method::from_bytes(b"MKCOL").unwrap_or_default();
        let mut steps = vec![("MKCOL", self.ask(with_target(self.at(make, &folder))).await)];
        // The same bytes again and again: nothing is kept of what was sent.
        let full = Bytes::from(vec![b's'; usize::try_from(piece.min(size)).unwrap_or_default()]);
        let (mut sent, mut number) = (0, 0_u32);
        let mut stopped = None;
        while sent < size && is_good(&steps) && stopped.is_none() {
            number += 1;
            let length = piece.min(size - sent);
            let bytes = full.slice(..usize::try_from(length).unwrap_or_default());
            let put = self.at(Method::PUT, &format!("{folder}/{number:05}")).body(bytes);
            let put = Ask { more_time: time_for(length), ..with_target(put) };
            tokio::select! {
                biased;
                () = asked(stop.as_deref_mut()) => stopped = Some(Stopped::Sending),
                answer = self.ask(put) => steps.push(("PUT", answer)),
            }
            sent += length;
        }
        if is_good(&steps) && stopped.is_none() {
            let join = Method::from_bytes(b"MOVE").unwrap_or_default();
            let join = with_target(self.at(join, &format!("{folder}/.file")));
            let join = Ask { more_time: time_for(size), ..join };
            tokio::select! {
                biased;
                () = asked(stop.as_deref_mut()) => stopped = Some(Stopped::Joining),
                answer = self.ask(join) => steps.push(("MOVE", answer)),
            }
        }
        let mut whole = true;
        if is_good(&steps) && stopped.is_none() {
            let head = self.ask(self.at(Method::HEAD, &path)).await;
            whole = head.as_ref().is_ok_and(|heard| heard.header("content-length") == Some(&total));
            steps.push(("HEAD", head));
        }
        let mut left = tokio::select! {
            left = self.clear(&folder, &path) => left,
            // A second time: whoever is in a hurry is told what to delete.
            () = asked(stop) => vec![folder, path.clone()],
        };
        if let Some(Stopped::Joining) = stopped
            && !left.contains(&path)
        {
            // Nextcloud goes on without us, and may finish after we have looked.
            left.push(path);
        }
        let judged = match stopped {
            Some(_) => Finding::skip(UPLOAD, "stopped by the operator"),
            None => judge_upload(&steps, whole, size, number, setup.clock.now().since(began)),
        };
        with_left(judged, &left, &setup.user)
    }

    /// Deletes the pieces and what they were put together to, whichever is there; what may be left.
    async fn clear(&self, folder: &str, path: &str) -> Vec<String> {
        let pieces = self.ask(self.at(Method::DELETE, folder)).await;
        let joined = self.delete(path).await;
        let is_left = |answer: &Answer| {
            !answer.as_ref().is_ok_and(|heard| heard.status < 300 || heard.status == 404)
        };
        let both = [(pieces, folder), (joined, path)].into_iter();
        both.filter(|(answer, _)| is_left(answer)).map(|(_, path)| path.to_owned()).collect()
    }

    /// Deletes a file, and what the trash bin kept of it.
    async fn delete(&self, path: &str) -> Answer {
        let delete = self.at(Method::DELETE, path).with("x-nc-skip-trashbin", "true");
        let deleted = self.ask(delete).await;
        let trash = format!("/remote.php/dav/trashbin/{}/trash/", self.user);
        let find = Method::from_bytes(b"PROPFIND").unwrap_or_default();
        let kept = self.ask(self.at(find, &trash).with("depth", "1")).await;
        if let Ok(kept) = kept.as_ref().map(|kept| String::from_utf8_lossy(&kept.body)) {
            for entry in entries_of(&kept, &self.name) {
                let _gone = self.ask(self.at(Method::DELETE, &format!("{trash}{entry}"))).await;
            }
        }
        deleted
    }

    fn file(&self, kind: &str) -> String {
        format!("/remote.php/dav/files/{}/{}-{kind}.txt", self.user, self.name)
    }

    fn at(&self, method: Method, path: &str) -> Ask {
        Ask::new(method, path).with("authorization", self.authorization)
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.asker.ask(ask).await
    }
}

/// What was going on when the operator had waited long enough.
enum Stopped {
    Sending,
    Joining,
}

/// Ends when the operator wants to stop; never, where that cannot be heard.
async fn asked(stop: Option<&mut Signal>) {
    match stop {
        Some(stop) => {
            let _once = stop.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// With what may be left there, which somebody must delete by hand.
fn with_left(finding: Finding, left: &[String], user: &str) -> Finding {
    if left.is_empty() {
        return finding;
    }
    let left = left.join(" and ");
    let found = format!("{}; may still be there: {left}", finding.found);
    let mend = format!(
        "delete it by WebDAV as {user}; pieces are deleted by Nextcloud itself after a day"
    );
    match (finding.verdict, finding.mend) {
        (Verdict::Fail, Some(first)) => {
            Finding::fail(UPLOAD, found, format!("{first}. Then {mend}"))
        }
        _ => Finding::warn(UPLOAD, found, mend),
    }
}

/// For people: a big upload in MiB, an odd one in bytes.
fn in_units(size: u64) -> String {
    const MIB: u64 = 1 << 20;
    if size >= MIB && size.is_multiple_of(MIB) {
        return format!("{} MiB", size / MIB);
    }
    format!("{size} bytes")
}

fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(bytes / BYTES_PER_SECOND)
}

/// The last parts of hrefs that have `name` in them.
fn entries_of<'a>(listing: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let hrefs = listing.split("href>").filter_map(|part| part.split('<').next());
    let last = hrefs.filter_map(|href| href.trim_end_matches('/').rsplit('/').next());
    last.filter(move |last| last.contains(name))
}

fn is_good(steps: &[Step]) -> bool {
    first_bad(steps).is_none()
}

fn first_bad(steps: &[Step]) -> Option<&Step> {
    let is_bad = |(_, answer): &&Step| !answer.as_ref().is_ok_and(|heard| heard.status < 300);
    steps.iter().find(is_bad)
}

fn of_step((step, answer): &Step) -> (String, String) {
    let found = format!("{step}: {}", in_short(answer));
    let mend = match answer.as_ref().map(|heard| heard.status) {
        Ok(401 | 403) => "let the service account have files: no file access control against it",
        Ok(413) => {
            "raise the limit of bodies in front of Nextcloud: client_max_body_size, LimitRequestBody"
        }
        Ok(423) => {
            "occ files:scan --all    # a lock is left over; memcache.locking should be Redis"
        }
        Ok(507) => "raise the quota of the service account, or make room on Nextcloud's disk",
        Err(_) => {
            "raise the timeouts in front of Nextcloud, PHP's max_execution_time, or nextcloud.provisioning.timeout"
        }
        Ok(_) => "look into Nextcloud's log, data/nextcloud.log",
    };
    (found, mend.to_owned())
}

fn judge_round_trip(steps: &[Step], same: bool) -> Finding {
    if let Some(bad) = first_bad(steps) {
        let (found, mend) = of_step(bad);
        return Finding::fail(FILES, found, mend);
    }
    if !same {
        let mend = "look at what stands between the gateway and Nextcloud: it changes bodies";
        return Finding::fail(FILES, "what was stored came back as something else", mend);
    }
    Finding::ok(FILES, "stored, read and deleted a small file")
}

fn judge_calendars(answer: &Answer) -> Finding {
    match answer {
        Ok(heard) if heard.status == 207 => Finding::ok(CALENDARS, "CalDAV answers"),
        Ok(heard) if heard.status == 405 => Finding::fail(
            CALENDARS,
            "PROPFIND is not let through (HTTP 405)",
            "let all methods through in what stands between the gateway and Nextcloud",
        ),
        answer => {
            let mend = "look into Nextcloud's log, data/nextcloud.log";
            Finding::fail(CALENDARS, format!("PROPFIND: {}", in_short(answer)), mend)
        }
    }
}

fn judge_upload(steps: &[Step], whole: bool, size: u64, pieces: u32, took: Duration) -> Finding {
    if let Some(bad) = first_bad(steps) {
        let (found, mend) = of_step(bad);
        return Finding::fail(
            UPLOAD,
            format!("{} in pieces, after {pieces}: {found}", in_units(size)),
            mend,
        );
    }
    if !whole {
        let mend = "look into Nextcloud's log, data/nextcloud.log";
        return Finding::fail(UPLOAD, "the file is not as long as what was sent", mend);
    }
    let seconds = took.as_secs_f64();
    Finding::ok(
        UPLOAD,
        format!("{} in {pieces} pieces, put together, in {seconds:.1} s", in_units(size)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::asking::{Heard, Silence};
    use super::super::finding::told;
    use super::*;

    fn step(name: &'static str, status: u16) -> Step {
        (name, Ok(Heard { status, ..Heard::default() }))
    }

    #[test]
    fn the_first_step_that_failed_is_told() {
        let late = || ("MOVE", Err(Silence { why: "no answer in time".into(), untrusted: false }));
        for (steps, same, verdict, mend) in [
            (vec![step("PUT", 201), step("GET", 200), step("DELETE", 204)], true, "ok", ""),
            (
                vec![step("PUT", 201), step("GET", 200), step("DELETE", 204)],
                false,
                "fail",
                "look at what stands",
            ),
            (vec![step("PUT", 507), step("DELETE", 404)], true, "fail", "raise the quota"),
            (vec![step("PUT", 413)], true, "fail", "raise the limit of bodies"),
            (vec![step("PUT", 302)], true, "fail", "look into Nextcloud's log"),
            (vec![step("PUT", 201), late()], true, "fail", "raise the timeouts"),
        ] {
            let finding = judge_round_trip(&steps, same);
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
            assert!(told(&finding).1.starts_with(mend), "{finding:?}");
            let finding = judge_upload(&steps, same, 1, 1, Duration::ZERO);
            assert_eq!(told(&finding).0, verdict, "{finding:?}");
        }
    }

    #[test]
    fn calendars_need_their_own_methods() {
        for (status, verdict) in [(207, "ok"), (405, "fail"), (404, "fail"), (200, "fail")] {
            let (_, answer) = step("PROPFIND", status);
            assert_eq!(judge_calendars(&answer).verdict.name(), verdict, "{status}");
        }
    }

    #[test]
    fn only_what_is_ours_is_taken_out_of_the_trash() {
        let listing = "<d:response><d:href>/remote.php/dav/trashbin/door/trash/</d:href></d:response>\
                       <d:response><d:href>/remote.php/dav/trashbin/door/trash/doctor-1-small.txt.d17</d:href></d:response>\
                       <d:response><d:href>/remote.php/dav/trashbin/door/trash/letter.txt.d17</d:href></d:response>";
        let found: Vec<_> = entries_of(listing, "doctor-1").collect();
        assert_eq!(found, ["doctor-1-small.txt.d17"]);
    }
}
