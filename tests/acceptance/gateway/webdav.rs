//! A real WebDAV server (Apache `mod_dav`) behind the gateway, driven by litmus: the same results as without it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::World;

/// Stops the server when the test ends.
struct Apache(Child);

impl Drop for Apache {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Where Nextcloud has files.
const FOLDER: &str = "remote.php/dav/files/ada/";

const HOW: &str = "install what ./test installs: apache2-bin and litmus";

fn apache(folder: &Path) -> (Apache, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let files = folder.join("files");
    std::fs::create_dir_all(files.join(FOLDER)).unwrap();
    // Apache as root serves as another user, who must be able to write.
    for writable in FOLDER.match_indices('/').map(|(end, _)| FOLDER.split_at(end).0) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(files.join(writable), mode).unwrap();
    }
    std::fs::set_permissions(&files, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let modules = "/usr/lib/apache2/modules";
    let config = format!(
        r"
ServerRoot {root}
ServerName dav.localhost
Listen {address}
PidFile {root}/pid
ErrorLog {root}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
DocumentRoot {root}/files
DavLockDB {root}/locks
User www-data
Group www-data
<Directory {root}/files>
  Dav On
  Require all granted
</Directory>
",
        root = folder.display()
    );
    let path = folder.join("apache.conf");
    std::fs::write(&path, config).unwrap();
    let child = Command::new("/usr/sbin/apache2")
        .args(["-X", "-f"])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("apache2: {error}; {HOW}"));
    (Apache(child), address)
}

/// The summary lines of litmus, without its timing and addresses.
fn litmus(url: &str, folder: &Path) -> Vec<String> {
    let output = Command::new("litmus")
        .args(["-k", url])
        .args(["ada", "AbCdE-fGhIj-12345-kLmNo-pQrSt"])
        .env("TESTS", "basic copymove props locks http")
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("litmus: {error}; {HOW}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.starts_with("<- summary")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn litmus_sees_no_difference() {
    compare("identity: pass\n    paths: dav\n    routes: [ { path: /**, access: public } ]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn litmus_sees_no_difference_at_an_app_with_the_preset_for_nextcloud() {
    compare("preset: nextcloud\n    nextcloud: { rate_limit: unlimited }").await;
}

async fn compare(app: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (_apache, address) = apache(folder.path());
    let world = World::with(&format!(
        r#"
rate_limits: {{ default: unlimited }}
apps:
  dav:
    host: 127.0.0.1
    upstream: "http://{address}"
    {app}
"#
    ))
    .await;
    for _ in 0..50 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let through = format!("http://127.0.0.1:{}/{FOLDER}", world.http().port());
    let (at, direct) = (folder.path().to_owned(), format!("http://{address}/{FOLDER}"));
    let (without, with) =
        tokio::task::spawn_blocking(move || (litmus(&direct, &at), litmus(&through, &at)))
            .await
            .unwrap();
    assert_eq!(without.len(), 5, "{without:?}");
    assert_eq!(with, without);
}
