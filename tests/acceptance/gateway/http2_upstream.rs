//! An upstream that speaks HTTP/2 (nginx, with prior knowledge).

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::World;

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_bodies_reach_an_http_2_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let root = folder.path().display();
    let config = format!(
        r#"
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen {address} http2; location / {{ return 200 "$server_protocol $http_x_forwarded_for $http_cookie"; }} }}
}}
"#
    );
    let path = folder.path().join("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let _nginx = Nginx(
        Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("nginx: {error}; install what ./test installs: nginx-light")
            }),
    );
    for _ in 0..50 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let world = World::with(&format!(
        r#"
apps:
  api:
    host: api.localhost
    upstream: {{ servers: ["http://{address}"], protocol: http2 }}
    routes: [ {{ path: /**, access: public }} ]
"#
    ))
    .await;
    for http1 in [true, false] {
        let client = world.client_builder();
        let client = if http1 { client.http1_only() } else { client }.build().unwrap();
        let answer = client
            .get(world.url("api.localhost", "/x"))
            .header("cookie", "a=1")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "HTTP/2.0 127.0.0.1 a=1");
    }
}
