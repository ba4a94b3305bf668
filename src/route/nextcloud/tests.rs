//! Path → class, what the options change, and the table of docs/NEXTCLOUD.md.

use super::*;
use crate::route::Table;

impl Policy {
    fn example() -> Self {
        Self {
            public_shares: PublicShares::Limited,
            federation: None,
            office: vec![],
            talk_guests: false,
            talk: vec![],
            push_open: false,
            pass_through: true,
            own_login_flow: true,
            login_flow_second_factor: None,
            admin: signed_in(),
            admin_from: vec![],
            sized_uploads: true,
            rate_limit: Allowance::Unlimited,
        }
    }
}

fn found(policy: &Policy, method: &str, path: &str) -> Route {
    let app = App::example("cloud", "cloud.example");
    let table = Table::new(routes(&app, policy));
    let method = method.parse().expect("a method");
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let route = table.find("cloud.example", segments, &method).expect("every path has a class");
    Route::clone(route)
}

#[test]
fn which_class_a_request_belongs_to() {
    for (method, path, class) in [
        ("GET", "/", "browser"),
        ("GET", "/index.php/apps/files/", "browser"),
        ("GET", "/apps/files/files", "browser"),
        ("GET", "/index.php/login", "browser"),
        ("POST", "/index.php/login", "own_sign_in"),
        ("POST", "/login/challenge/totp", "own_sign_in"),
        ("GET", "/settings/user", "browser"),
        ("GET", "/status.php", "status"),
        ("GET", "/index.php/204", "status"),
        ("GET", "/ocs/v2.php/cloud/capabilities", "open"),
        ("GET", "/core/img/logo.svg", "assets"),
        ("GET", "/apps/files/js/main.js", "assets"),
        ("GET", "/index.php/apps/theming/image/logo", "assets"),
        ("POST", "/index.php/apps/theming/ajax/updateStylesheet", "browser"),
        ("POST", "/login/v2", "login_flow"),
        ("POST", "/index.php/login/v2", "login_flow"),
        ("POST", "/index.php/login/v2/poll", "login_flow_poll"),
        ("GET", "/index.php/login/v2/flow/abc", "login_flow_page"),
        ("POST", "/login/v2/grant", "login_flow_grant"),
        ("POST", "/index.php/login/v2/apptoken", "login_flow_old"),
        ("GET", "/index.php/login/flow", "login_flow_old"),
        ("PROPFIND", "/remote.php/dav/files/ada/", "sync"),
        ("PUT", "/remote.php/dav/files/ada/.bashrc", "sync"),
        ("PUT", "/remote.php/dav/files/ada/config/data", "sync"),
        ("PROPFIND", "/remote.php/webdav/", "sync"),
        ("GET", "/ocs/v1.php/cloud/user", "sync"),
        ("PUT", "/ocs/v2.php/cloud/users/ada", "sync"),
        ("GET", "/ocs/v2.php/cloud/users", "sync"),
        ("GET", "/index.php/apps/notes/api/v1/notes", "sync"),
        ("GET", "/s/AbCdEf", "public_share"),
        ("GET", "/index.php/s/AbCdEf/download", "public_share"),
        ("POST", "/index.php/s/AbCdEf/authenticate/showShare", "share_password"),
        ("PROPFIND", "/public.php/dav/files/AbCdEf", "public_share"),
        ("GET", "/remote.php/dav/public-calendars/AbCd", "public_share"),
        ("GET", "/ocm-provider/", "federation"),
        ("POST", "/ocm/shares", "federation"),
        ("POST", "/ocs/v2.php/cloud/shares", "federation"),
        ("GET", "/index.php/apps/richdocuments/wopi/files/1", "office"),
        ("GET", "/index.php/apps/richdocuments/index", "browser"),
        ("POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/backend", "talk_backend"),
        ("GET", "/standalone-signaling/spreed", "talk"),
        ("GET", "/call/abcdef", "call"),
        ("GET", "/push/ws", "push"),
        ("GET", "/settings/admin/overview", "admin"),
        ("GET", "/index.php/settings/users", "admin"),
        ("POST", "/ocs/v1.php/cloud/users", "admin_api"),
        ("POST", "/ocs/v2.php/cloud/users/ada/groups", "admin_api"),
        ("GET", "/updater/index.php", "admin"),
        ("GET", "/config/config.php", "never"),
        ("GET", "/data/ada/files/x", "never"),
        ("GET", "/data", "never"),
        ("GET", "/lib/base.php", "never"),
        ("GET", "/3rdparty/x", "never"),
        ("GET", "/.htaccess", "never"),
        ("GET", "/.git/config", "never"),
        ("GET", "/cron.php", "never"),
        ("GET", "/occ", "never"),
        ("GET", "/console.php", "never"),
        ("GET", "/db_structure.xml", "never"),
        ("PROPFIND", "/.well-known/caldav", "discovery"),
        ("GET", "/.well-known/carddav/", "discovery"),
        ("GET", "/.well-known/webfinger", "well_known"),
        ("PUT", "/.well-known/webfinger", "never"),
        ("POST", "/index.php/apps/user_oidc/backchannel-logout/p", "back_channel"),
        (
            "POST",
            "/index.php/apps/circles/async/83a03e13-e391-4900-9e27-153fe943514d/",
            "own_calls",
        ),
        ("GET", "/index.php/apps/circles/async/x", "browser"),
        ("POST", "/index.php/apps/oauth2/api/v1/token", "oauth"),
    ] {
        let route = found(&Policy::example(), method, path);
        assert_eq!(*route.name, *format!("cloud.{class}"), "{method} {path}");
    }
}

#[test]
fn what_the_options_open_and_close() {
    let networks = || vec!["192.0.2.0/24".parse().expect("a network")];
    let base = Policy::example();
    let federated = Policy { federation: Some(networks()), ..base.clone() };
    let office = Policy { office: networks(), ..base.clone() };
    let talk = Policy { talk: networks(), talk_guests: true, ..base.clone() };
    let push = Policy { push_open: true, ..base.clone() };
    let closed = Policy { public_shares: PublicShares::Closed, ..base.clone() };
    let ours_only = Policy { pass_through: false, ..base.clone() };
    let passed = Policy { own_login_flow: false, ..base.clone() };

    for (policy, method, path, open) in [
        (&base, "POST", "/ocm/shares", false),
        (&federated, "POST", "/ocm/shares", true),
        (&base, "GET", "/apps/richdocuments/wopi/files/1", false),
        (&office, "GET", "/apps/richdocuments/wopi/files/1", true),
        (&base, "POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/backend", false),
        (&talk, "POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/backend", true),
        (&base, "GET", "/login/flow", true),
        (&ours_only, "GET", "/login/flow", false),
        (&ours_only, "POST", "/apps/oauth2/api/v1/token", false),
    ] {
        assert_eq!(!found(policy, method, path).manner.closed, open, "{path}");
    }
    for (policy, method, path, access) in [
        (&base, "GET", "/s/x", AccessRule::Public),
        (&closed, "GET", "/s/x", signed_in()),
        (&base, "GET", "/call/x", signed_in()),
        (&talk, "GET", "/call/x", AccessRule::Public),
        (&base, "GET", "/push/ws", signed_in()),
        (&push, "GET", "/push/ws", AccessRule::Public),
    ] {
        assert_eq!(found(policy, method, path).access, access, "{path}");
    }
    assert_eq!(found(&federated, "POST", "/ocm/shares").from, networks());
    assert!(found(&base, "PUT", "/remote.php/dav/files/a").accept.upstream);
    assert!(!found(&ours_only, "PUT", "/remote.php/dav/files/a").accept.upstream);
    let destination = |policy, path| found(policy, "POST", path).app.destination.clone();
    assert_eq!(destination(&base, "/login/v2"), Destination::Portal);
    assert_eq!(destination(&passed, "/login/v2"), Destination::Upstream("cloud".into()));
}

#[test]
fn programs_are_never_led_to_a_page_and_guesses_are_few() {
    for class in CLASSES {
        let is_page =
            ["browser", "call", "admin", "assets", "login_flow_page"].contains(&class.name);
        let dav = class.paths.iter().any(|path| path.starts_with("/remote.php/**"));
        assert!(!dav || class.for_programs, "{}", class.name);
        assert!(!(is_page && class.for_programs), "{}", class.name);
        if class.name.contains("password") || class.name.contains("sign_in") {
            assert!(class.limit.is_some_and(|(limit, _)| limit < 10), "{}", class.name);
        }
    }
}

/// The table of docs/NEXTCLOUD.md.
fn table() -> String {
    let mut table =
        String::from("| Class | Paths | Methods | Who | Limit | |\n|---|---|---|---|---|---|\n");
    for class in CLASSES {
        let code =
            |texts: &[&str]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>();
        let methods =
            if class.methods.is_empty() { "all".into() } else { class.methods.join(", ") };
        let limit = match (class.limit, class.rule) {
            (_, Rule::Never) => String::new(),
            (Some((limit, window)), _) => {
                format!("{limit} in {}", humantime::format_duration(window))
            }
            (None, Rule::Share) => "120 in 1m with `limited`".into(),
            (None, _) => "`rate_limit`".into(),
        };
        let remarks = [
            (class.for_programs, "for programs"),
            (class.small, "bodies of 4 KiB"),
            (class.uploads, "uploads with a length"),
        ];
        let remarks: Vec<_> = remarks.iter().filter(|(is, _)| *is).map(|(_, text)| *text).collect();
        table += &format!(
            "| **{}**: {} | {} | {methods} | {} | {limit} | {} |\n",
            class.name,
            class.about,
            code(class.paths).join(" "),
            class.rule.about(),
            remarks.join("; ")
        );
    }
    table
}

#[test]
fn the_document_has_the_classes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/NEXTCLOUD.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once("<!-- classes:").expect("a beginning");
    let (line, rest) = rest.split_once("-->\n").expect("its end");
    let (_, after) = rest.split_once("<!-- /classes -->").expect("an end");
    let wanted = format!("{before}<!-- classes:{line}-->\n{}<!-- /classes -->{after}", table());
    if std::env::var_os("STORMDOOR_BLESS").is_some() {
        std::fs::write(&path, wanted).expect("written");
    } else {
        assert!(text == wanted, "docs/NEXTCLOUD.md is old; see the line before its table");
    }
}
