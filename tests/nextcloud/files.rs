//! Section 4.3: WebDAV, as clients and proxies meet it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{ADMIN, Ask, PASSWORD, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::faults::Fault;
use crate::nextcloud_stand_in::settings::Generation::V34;

const HOME: &str = "/remote.php/dav/files/admin";
/// `admin:correct horse battery`
const BASIC: &str = "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5\r\n";

fn dav(stand_in: &NextcloudStandIn, method: &str, path: &str) -> Ask {
    Ask::new(stand_in, method, &format!("{HOME}{path}")).basic(ADMIN, PASSWORD)
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out_with_its_etag_by_both_addresses() {
    let stand_in = started(V34).await;
    let put = dav(&stand_in, "PUT", "/a%20b.txt")
        .with("X-OC-Mtime", "1700000000")
        .with("X-Hash", "sha256");
    let put = put.with("OC-Checksum", "SHA1:abc").body("hello").send().await;
    assert_eq!(put.status, 201);
    assert_eq!(put.header("etag"), put.header("oc-etag"));
    assert_ne!(put.header("oc-fileid"), "");
    assert_eq!(put.header("x-oc-mtime"), "accepted");
    assert_eq!(
        put.header("x-hash-sha256"),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    let get = Ask::new(&stand_in, "GET", "/remote.php/webdav/a%20b.txt")
        .basic(ADMIN, PASSWORD)
        .send()
        .await;
    assert_eq!((get.status, get.text.as_str()), (200, "hello"));
    assert_eq!(get.header("etag"), put.header("etag"));
    assert_eq!(get.header("last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(get.header("oc-checksum"), "SHA1:abc");
    assert_eq!(get.header("x-user-id"), "admin");
    assert_eq!(get.header("x-accel-buffering"), "no");
    assert_eq!(get.header("content-security-policy"), "default-src 'none';");
    let again = dav(&stand_in, "PUT", "/a%20b.txt").body("other").send().await;
    assert_eq!(again.status, 204);
    assert_ne!(again.header("etag"), put.header("etag"));
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_as_measured() {
    let stand_in = started(V34).await;
    let put = dav(&stand_in, "PUT", "/a.txt").body("0123456789").send().await;
    let etag = put.header("etag").to_owned();
    for (name, value, status, text, range) in [
        ("Range", "bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("Range", "bytes=7-", 206, "789", "bytes 7-9/10"),
        ("Range", "bytes=-3", 206, "789", "bytes 7-9/10"),
        ("Range", "bytes=0-1,3-4", 200, "0123456789", ""),
        ("If-None-Match", &etag, 304, "", ""),
        ("If-None-Match", "\"x\"", 200, "0123456789", ""),
    ] {
        let said = dav(&stand_in, "GET", "/a.txt").with(name, value).send().await;
        assert_eq!((said.status, said.text.as_str()), (status, text), "{value}");
        assert_eq!(said.header("content-range"), range, "{value}");
    }
    assert_eq!(dav(&stand_in, "GET", "/a.txt").with("Range", "bytes=10-").send().await.status, 416);
    for (name, value, status) in
        [("If-Match", "\"x\"", 412), ("If-None-Match", "*", 412), ("If-Match", etag.as_str(), 204)]
    {
        let said = dav(&stand_in, "PUT", "/a.txt").with(name, value).body("x").send().await;
        assert_eq!(said.status, status, "{name} {value}");
    }
}

#[tokio::test]
async fn without_credentials_there_is_a_challenge_even_for_options() {
    let stand_in = started(V34).await;
    for method in ["OPTIONS", "GET", "PROPFIND", "PUT"] {
        let said = Ask::new(&stand_in, method, HOME).send().await;
        assert_eq!(said.status, 401, "{method}");
        assert_eq!(said.header("www-authenticate"), "Basic realm=\"Nextcloud\", charset=\"UTF-8\"");
    }
    let options = dav(&stand_in, "OPTIONS", "").send().await;
    assert_eq!(options.status, 200);
    assert!(options.header("dav").starts_with("1, 2, 3, extended-mkcol, access-control"));
    assert_eq!(dav(&stand_in, "FROBNICATE", "").send().await.status, 501);
}

#[tokio::test]
async fn folders_are_made_listed_and_deleted() {
    let stand_in = started(V34).await;
    for (method, path, status) in [
        ("MKCOL", "/x", 201),
        ("MKCOL", "/x", 405),
        ("MKCOL", "/no/y", 409),
        ("PUT", "/no/y", 409),
        ("PUT", "/x/a.txt", 201),
        ("GET", "/x", 405),
        ("GET", "/no", 404),
        ("DELETE", "/no", 404),
    ] {
        assert_eq!(dav(&stand_in, method, path).send().await.status, status, "{method} {path}");
    }
    let body = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\">\
                <d:prop><d:getetag/><oc:fileid/><d:getcontentlength/><x xmlns=\"urn:x\"/></d:prop></d:propfind>";
    let find = |depth: &str| dav(&stand_in, "PROPFIND", "/x/").with("Depth", depth).body(body);
    let said = find("0").send().await;
    assert_eq!(said.status, 207);
    assert_eq!(said.text.matches("<d:response>").count(), 1);
    assert!(said.text.contains("<d:href>/remote.php/dav/files/admin/x/</d:href>"));
    assert!(said.text.contains("<oc:fileid>") && said.text.contains("404 Not Found"));
    let said = find("1").send().await;
    assert!(said.text.contains("/remote.php/dav/files/admin/x/a.txt</d:href>"));
    assert_eq!(said.text.matches("<d:response>").count(), 2);
    let broken = dav(&stand_in, "PROPFIND", "/x").body("<d:propfind").send().await;
    assert_eq!(broken.status, 400);
    assert_eq!(dav(&stand_in, "DELETE", "/x").send().await.status, 204);
    assert_eq!(stand_in.file(ADMIN, "x/a.txt"), None);
}

#[tokio::test]
async fn of_a_destination_only_the_path_matters() {
    let stand_in = started(V34).await;
    stand_in.add_user("alice", "a long enough word");
    for (destination, status) in [
        ("http://127.0.0.1:1/remote.php/dav/files/admin/b.txt", 201),
        ("https://elsewhere.example.test/remote.php/dav/files/admin/b.txt", 201),
        ("/remote.php/dav/files/admin/b.txt", 201),
        ("/remote.php/webdav/b.txt", 201),
        ("/remote.php/dav/files/admin/%C3%BC.txt", 201),
        ("/other/b.txt", 403),
        ("/remote.php/dav/files/alice/b.txt", 403),
        ("/remote.php/dav/files/admin/no/b.txt", 409),
    ] {
        stand_in.add_file(ADMIN, "a.txt", b"a");
        dav(&stand_in, "DELETE", "/b.txt").send().await;
        let said = dav(&stand_in, "MOVE", "/a.txt").with("Destination", destination).send().await;
        assert_eq!(said.status, status, "{destination}");
        assert_eq!(stand_in.file(ADMIN, "a.txt").is_none(), status == 201);
    }
    assert!(stand_in.file(ADMIN, "ü.txt").is_some());
    stand_in.add_file(ADMIN, "b.txt", b"b");
    for (overwrite, status) in [("F", 412), ("T", 204)] {
        let ask = dav(&stand_in, "COPY", "/a.txt").with("Destination", "/remote.php/webdav/b.txt");
        assert_eq!(ask.with("Overwrite", overwrite).send().await.status, status);
    }
    assert_eq!(stand_in.file(ADMIN, "b.txt").unwrap(), b"a");
}

#[tokio::test]
async fn the_homes_of_others_are_not_there_and_not_to_be_written() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"a");
    stand_in.add_user("alice", "a long enough word");
    for (method, status) in [("GET", 404), ("PROPFIND", 404), ("PUT", 403), ("DELETE", 403)] {
        let ask = Ask::new(&stand_in, method, &format!("{HOME}/a.txt"));
        let said = ask.basic("alice", "a long enough word").send().await;
        assert_eq!(said.status, status, "{method}");
    }
}

#[tokio::test]
async fn chunks_become_one_file_if_their_length_is_right() {
    let stand_in = started(V34).await;
    let upload = |method: &str, path: &str| {
        Ask::new(&stand_in, method, &format!("/remote.php/dav/uploads/admin/u1{path}"))
            .basic(ADMIN, PASSWORD)
            .with("Destination", &format!("https://cloud.example.test{HOME}/big.bin"))
    };
    for (total, status) in [("9", 400), ("10", 201), ("10", 204)] {
        upload("MKCOL", "").send().await;
        assert_eq!(upload("PUT", "/00002").body("56789").send().await.status / 100, 2);
        assert_eq!(upload("PUT", "/00001").body("01234").send().await.status / 100, 2);
        let ask = upload("MOVE", "/.file")
            .with("OC-Total-Length", total)
            .with("X-OC-Mtime", "1700000000");
        let said = ask.send().await;
        assert_eq!(said.status, status);
        if status < 300 {
            assert_eq!(said.header("x-oc-mtime"), "accepted");
            assert_ne!(said.header("oc-etag"), "");
        }
    }
    assert_eq!(stand_in.file(ADMIN, "big.bin").unwrap(), b"0123456789");
    assert_eq!(upload("PROPFIND", "").send().await.status, 404, "the upload is gone");
}

/// Sends the beginning of a request, hangs up, and waits until the stand-in has noticed.
async fn abort(stand_in: &NextcloudStandIn, request: Vec<u8>) {
    let before = stand_in.seen().len();
    let mut stream = TcpStream::connect(stand_in.address()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    stream.shutdown().await.unwrap();
    while stand_in.seen().len() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_aborted_chunked_put_is_stored_cut_and_an_aborted_sized_one_is_refused() {
    let stand_in = started(V34).await;
    let begin = |name: &str, framing: &str| {
        format!("PUT {HOME}/{name} HTTP/1.1\r\nHost: localhost\r\n{BASIC}{framing}\r\n\r\n")
            .into_bytes()
    };
    let mut request = begin("chunked", "Transfer-Encoding: chunked");
    request.extend(b"c350\r\n");
    request.extend(vec![b'x'; 50_000]);
    request.extend(b"\r\n");
    abort(&stand_in, request).await;
    assert_eq!(stand_in.file(ADMIN, "chunked").unwrap().len(), 49_152);
    assert_eq!(stand_in.seen().last().unwrap().status, Some(201));

    let mut request = begin("sized", "Content-Length: 100000");
    request.extend(vec![b'x'; 50_000]);
    abort(&stand_in, request).await;
    assert_eq!(stand_in.file(ADMIN, "sized"), None);
    assert_eq!(stand_in.seen().last().unwrap().status, Some(400));
}

#[tokio::test]
async fn wrong_credentials_are_answered_before_the_body_and_right_ones_with_continue() {
    let stand_in = started(V34).await;
    for (credentials, first) in [("", "HTTP/1.1 401"), (BASIC, "HTTP/1.1 100 Continue\r\n\r\n")] {
        let mut stream = TcpStream::connect(stand_in.address()).await.unwrap();
        let head = format!(
            "PUT {HOME}/a HTTP/1.1\r\nHost: localhost\r\n{credentials}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; first.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), first);
        if !credentials.is_empty() {
            stream.write_all(b"hello").await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 201");
        }
    }
}

#[tokio::test]
async fn a_whole_chunked_put_is_stored_whole() {
    let stand_in = started(V34).await;
    let mut stream = TcpStream::connect(stand_in.address()).await.unwrap();
    let request = format!(
        "PUT {HOME}/a HTTP/1.1\r\nHost: localhost\r\n{BASIC}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(stand_in.file(ADMIN, "a").unwrap(), b"abcde");
}

#[tokio::test]
async fn a_full_quota_or_disk_is_507() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"a");
    stand_in.fail_next_on("PUT", "/b.txt", Fault::DiskFull);
    assert_eq!(dav(&stand_in, "PUT", "/b.txt").body("b").send().await.status, 507);
    stand_in.change_user(ADMIN, |admin| "30".clone_into(&mut admin.quota));
    assert_eq!(dav(&stand_in, "PUT", "/b.txt").body("0123456789").send().await.status, 507);
    assert_eq!(stand_in.file(ADMIN, "b.txt"), None);
    assert_eq!(dav(&stand_in, "PUT", "/b.txt").body("b").send().await.status, 201);
}

#[tokio::test]
async fn a_locked_file_is_written_only_with_its_token() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"a");
    let body = "<d:lockinfo xmlns:d=\"DAV:\"><d:lockscope><d:exclusive/></d:lockscope>\
                <d:locktype><d:write/></d:locktype><d:owner>me</d:owner></d:lockinfo>";
    let locked = dav(&stand_in, "LOCK", "/a.txt").body(body).send().await;
    assert_eq!(locked.status, 200);
    let token = locked.header("lock-token").to_owned();
    assert!(locked.text.contains(token.trim_matches(['<', '>'])));
    assert_eq!(dav(&stand_in, "PUT", "/a.txt").body("b").send().await.status, 423);
    assert_eq!(dav(&stand_in, "DELETE", "/a.txt").send().await.status, 423);
    let with_token = dav(&stand_in, "PUT", "/a.txt").with("If", &format!("({token})")).body("b");
    assert_eq!(with_token.send().await.status, 204);
    let unlock = |token: &str| dav(&stand_in, "UNLOCK", "/a.txt").with("Lock-Token", token);
    assert_eq!(unlock("<opaquelocktoken:other>").send().await.status, 409);
    assert_eq!(unlock(&token).send().await.status, 204);
    assert_eq!(dav(&stand_in, "PUT", "/a.txt").body("c").send().await.status, 204);
}

#[tokio::test]
async fn shared_locks_share_and_exclude_an_exclusive_one() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"a");
    for (scope, status) in [("shared", 200), ("shared", 200), ("exclusive", 423)] {
        let body = format!(
            "<d:lockinfo xmlns:d=\"DAV:\"><d:lockscope><d:{scope}/></d:lockscope></d:lockinfo>"
        );
        assert_eq!(
            dav(&stand_in, "LOCK", "/a.txt").body(body).send().await.status,
            status,
            "{scope}"
        );
    }
}

#[tokio::test]
async fn an_if_that_does_not_hold_is_412() {
    let stand_in = started(V34).await;
    for (condition, status) in [
        ("([ETAG])", 204),
        ("([\"other\"])", 412),
        ("(Not [ETAG])", 412),
        ("(Not <urn:x>)", 204),
        ("(<urn:x>)", 412),
        ("(<urn:x>) ([ETAG])", 204),
        ("</remote.php/dav/files/admin/elsewhere> ([ETAG])", 412),
    ] {
        let put = dav(&stand_in, "PUT", "/a.txt").body("a").send().await;
        let condition = condition.replace("ETAG", put.header("etag"));
        let said = dav(&stand_in, "PUT", "/a.txt").with("If", &condition).body("b").send().await;
        assert_eq!(said.status, status, "{condition}");
    }
}

#[tokio::test]
async fn properties_that_somebody_sets_are_found_again() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"a");
    let set = "<d:propertyupdate xmlns:d=\"DAV:\"><d:set><d:prop><colour xmlns=\"urn:x\">r &amp; b</colour></d:prop></d:set></d:propertyupdate>";
    assert_eq!(dav(&stand_in, "PROPPATCH", "/a.txt").body(set).send().await.status, 207);
    let find =
        "<d:propfind xmlns:d=\"DAV:\"><d:prop><colour xmlns=\"urn:x\"/></d:prop></d:propfind>";
    let said = dav(&stand_in, "PROPFIND", "/a.txt").with("Depth", "0").body(find).send().await;
    assert!(said.text.contains(">r &amp; b</x1:colour>"), "{}", said.text);
}

#[tokio::test]
async fn an_etag_of_a_folder_changes_with_what_is_in_it() {
    let stand_in = started(V34).await;
    let find = "<d:propfind xmlns:d=\"DAV:\"><d:prop><d:getetag/></d:prop></d:propfind>";
    let etag = || async {
        dav(&stand_in, "PROPFIND", "/").with("Depth", "0").body(find).send().await.text
    };
    let before = etag().await;
    assert_eq!(before, etag().await);
    dav(&stand_in, "PUT", "/a.txt").body("a").send().await;
    assert_ne!(before, etag().await);
}
