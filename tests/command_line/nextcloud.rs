//! `stormdoor nextcloud print-occ` is a script that a shell reads as it was meant, `stormdoor doctor nextcloud` a report.

use std::process::Command;

use crate::world::World;

const SECRET: &str = "canary-canary-canary-canary-canary-7";

/// A world whose configuration has `section` as its section `nextcloud`.
fn world(section: &str) -> World {
    let world = World::new();
    let path = world.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}nextcloud: {section}\n")).unwrap();
    world
}

/// What `php` gets when a shell runs `script`, a line for each call, its words in brackets.
fn calls(world: &World, script: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let php = "php() { for word; do printf '[%s]' \"$word\"; done; echo; }\nset -eu\n";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{php}{script}")).current_dir(world.path(""));
    let run = shell.envs(variables.iter().copied()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_commands_are_those_of_this_configuration() {
    let world =
        world("{ app: whoami, oidc: { client_id: door, client_secret_file: \"it's a secret\" } }");
    std::fs::write(world.path("it's a secret"), format!("{SECRET}\n")).unwrap();
    let script = world.ok(&["nextcloud", "print-occ"]);
    assert!(!script.contains(SECRET), "{script}");
    let calls = calls(&world, &script, &[]);
    let provider = calls.iter().find(|call| call.contains("user_oidc:provider")).unwrap();
    for word in [
        "[occ][user_oidc:provider][stormdoor]",
        &format!("[--clientsecret={SECRET}]"),
        "[--clientid=door]",
        "[--discoveryuri=https://localhost/.well-known/openid-configuration]",
        "[--scope=openid email profile]",
        "[--unique-uid=0]",
        "[--check-bearer=1]",
        "[--bearer-provisioning=1]",
        "[--send-id-token-hint=1]",
        "[--mapping-uid=sub]",
    ] {
        assert!(provider.contains(word), "{word} in {provider}");
    }
    for call in [
        "[occ][app:install][user_oidc]",
        "[occ][config:system:set][trusted_proxies][50][--value=127.0.0.1]",
        "[occ][config:system:set][overwriteprotocol][--value=https]",
        "[occ][config:system:set][overwritehost][--value=whoami.localhost]",
        "[occ][config:system:set][overwrite.cli.url][--value=https://whoami.localhost]",
        "[occ][config:system:set][trusted_domains][50][--value=whoami.localhost]",
        "[occ][config:system:set][allow_local_remote_servers][--type=boolean][--value=true]",
    ] {
        assert!(calls.iter().any(|found| found == call), "{call} in {calls:#?}");
    }
    assert!(!calls.iter().any(|call| call.contains("hide_login_form")), "a choice is not made");
    assert!(script.contains("data/tls/self-made.pem"), "{script}");
}

#[test]
fn a_written_secret_is_asked_for_and_not_printed() {
    let world = world(&format!("{{ app: whoami, oidc: {{ client_secret: {SECRET} }} }}"));
    let args = ["nextcloud", "print-occ", "--occ", "php /srv/occ", "--gateway", "192.0.2.0/24"];
    let script = world.ok(&args);
    assert!(!script.contains(SECRET), "{script}");
    let calls = calls(&world, &script, &[("NEXTCLOUD_OIDC_SECRET", "x y")]);
    assert!(calls.iter().any(|call| call.contains("[--clientsecret=x y]")), "{calls:#?}");
    let proxies = "[/srv/occ][config:system:set][trusted_proxies][50][--value=192.0.2.0/24]";
    assert!(calls.iter().any(|call| call == proxies), "{calls:#?}");
}

#[test]
fn without_a_section_there_is_nothing_to_print() {
    let complaint = World::new().refused(65, &["nextcloud", "print-occ"]);
    assert!(complaint.contains("no section `nextcloud`"), "{complaint}");
}

#[test]
fn the_doctor_looks_at_what_can_be_looked_at() {
    let world = world("{ app: whoami }");
    let report = world.ok(&["doctor", "nextcloud", "--gateway", "127.0.0.1:1"]);
    for line in [
        "warn  service account        there is none, so Nextcloud was not looked at",
        "      mend: nextcloud.admin_user",
        "skip  gateway ",
        "skip  HSTS ",
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
    let complaint = World::new().refused(65, &["doctor", "nextcloud"]);
    assert!(complaint.contains("no section `nextcloud`"), "{complaint}");
    let complaint = world.refused(64, &["doctor", "nextcloud", "--upload", "much"]);
    assert!(complaint.contains("expected a size like 16MiB"), "{complaint}");
}
