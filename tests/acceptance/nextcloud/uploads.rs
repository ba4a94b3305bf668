//! Files on their way to Nextcloud: names, uploads that break off, and a Nextcloud that is busy with itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::path_classes::{basic, cloud};
use crate::world::World;
use crate::world::raw;
use crate::world::upstream::Recorder;

fn authorization() -> String {
    basic("ada", "AbCdE-fGhIj-12345-kLmNo-pQrSt")
}

/// What may stand in a name, as clients write it.
const ODD: [&str; 18] = [
    "%25",
    "%23",
    "%3F",
    "%3B",
    "%20",
    "%C3%A4",
    "%F0%9F%8E%89",
    "%26",
    "%2B",
    "+",
    "&",
    "=",
    "'",
    "(1)",
    "!",
    ",",
    "@",
    "~$",
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_arrive_as_they_were_written() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let names = ODD.iter().flat_map(|one| ODD.iter().map(move |two| format!("a{one}x{two}.txt")));
    let names: Vec<String> = names.take(200).collect();
    assert_eq!(names.len(), 200);
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    for name in &names {
        for method in ["PUT", "GET", "MOVE"] {
            let target = format!("/remote.php/dav/files/ada/{name}");
            let destination = format!("https://dav.localhost/remote.php/dav/files/ada/moved{name}");
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: dav.localhost\r\nAuthorization: {}\r\nDestination: {destination}\r\nContent-Length: 0\r\n\r\n",
                authorization()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = raw::read_answer(&mut stream).await;
            assert_eq!(raw::status(&answer), 200, "{method} {name}");
            let head = upstream.only_head();
            assert!(head.starts_with(&format!("{method} {target} HTTP/1.1\r\n")), "{head}");
            assert!(head.contains(&destination), "{head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_is_never_whole_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut all = Vec::new();
                let mut chunk = vec![0; 64 * 1024];
                while let Ok(read) = stream.read(&mut chunk).await {
                    if read == 0 {
                        break;
                    }
                    all.extend_from_slice(&chunk[..read]);
                }
                let _nobody_waits = told.send(all);
            });
        }
    });
    let world = World::with(&cloud(address, "")).await;
    let head = format!(
        "PUT /remote.php/dav/files/ada/x HTTP/1.1\r\nHost: dav.localhost\r\nAuthorization: {}\r\nContent-Length: 100000\r\n\r\n",
        authorization()
    );
    let mut client = TcpStream::connect(world.http()).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b'x'; 50_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(client);
    let arrived = loop {
        let found = tokio::time::timeout(Duration::from_secs(10), seen.recv()).await;
        let found = String::from_utf8(found.expect("torn down").unwrap()).unwrap();
        if found.starts_with("PUT ") {
            break found;
        }
    };
    let (head, body) = arrived.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("content-length: 100000") && !head.contains("transfer-encoding"),
        "{head}"
    );
    assert_eq!(body.len(), 50_000, "and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_and_disabled_accounts_are_told_by_nextcloud_itself() {
    let busy = b"HTTP/1.1 503 Service Unavailable\r\nX-Nextcloud-Maintenance-Mode: 1\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nbusy";
    let disabled = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: 4\r\n\r\nbusy";
    for (answer, mode) in [(&busy[..], Some("1")), (disabled, None)] {
        let upstream = Recorder::answering(answer.to_vec(), Duration::ZERO).await;
        let world = World::with(&cloud(upstream.address, "")).await;
        for _ in 0..20 {
            let url = world.url("dav.localhost", "/remote.php/dav/files/ada/");
            let request = world.client().get(url).header("authorization", authorization());
            let answer = request.send().await.unwrap();
            let found = answer.headers().get("x-nextcloud-maintenance-mode");
            let found = found.map(|value| value.to_str().unwrap().to_owned());
            assert_eq!((answer.status().as_u16(), found.as_deref()), (503, mode));
            assert_eq!(answer.text().await.unwrap(), "busy");
        }
    }
}
