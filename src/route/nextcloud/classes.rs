//! The table of path classes. The first class that has the path and takes the method decides.

use std::time::Duration;

/// Paths that are treated alike.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Its name in `explain`, logs and metrics, behind the app's.
    pub name: &'static str,
    /// What these paths are, in a few words.
    pub about: &'static str,
    /// Which ones.
    pub paths: &'static [&'static str],
    /// Which methods; empty means all.
    pub methods: &'static [&'static str],
    /// Who may.
    pub rule: Rule,
    /// Programs call it: never a redirect to sign-in, and `WWW-Authenticate: Basic` with every 401.
    pub for_programs: bool,
    /// Whether files are put there.
    pub uploads: bool,
    /// How often, per client network or person, in place of the app's limit.
    pub limit: Option<(u32, Duration)>,
    /// Bodies have at most 4 KiB.
    pub small: bool,
}

/// Who may use a class. What it comes to is a matter of the [`Policy`](super::Policy).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// Nobody: 404.
    Never,
    /// Anybody, and no credential is looked at.
    Anybody,
    /// Anybody; we answer ourselves.
    Ours,
    /// Anybody; who shows a credential is known.
    Known,
    /// Whoever is signed in with a browser.
    Session,
    /// Whoever is signed in, by a device password or a token too, or by Nextcloud's own credential (`pass_through`).
    Sync,
    /// Anybody; answered by us, unless `login_flow: pass`.
    LoginFlow,
    /// Whoever is signed in with a browser; answered by us, unless `login_flow: pass`.
    LoginFlowPage,
    /// Whoever is signed in with a browser, with `pass_through` only.
    OldLoginFlow,
    /// Anybody with Nextcloud's own credential, with `pass_through` only.
    OwnCredentials,
    /// As `public_shares` says; passwords of shares.
    SharePassword,
    /// As `public_shares` says.
    Share,
    /// As `federation` says.
    Federation,
    /// Networks of `office_from`.
    Office,
    /// Networks of `talk_from`.
    TalkBackend,
    /// As `talk` says.
    TalkGuests,
    /// As `push` says.
    Push,
    /// As `admin` says.
    Admin,
}

impl Rule {
    /// What it means, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Never => "nobody: 404",
            Self::Anybody => "anybody",
            Self::Ours => "anybody; stormdoor answers",
            Self::Known => "anybody; who shows a credential is known",
            Self::Session => "a browser that is signed in",
            Self::Sync => {
                "a session, bearer or device password; Nextcloud's own with `pass_through`"
            }
            Self::LoginFlow => "anybody; stormdoor answers unless `login_flow: pass`",
            Self::LoginFlowPage => {
                "a browser that is signed in; stormdoor answers unless `login_flow: pass`"
            }
            Self::OldLoginFlow => "a browser that is signed in, with `pass_through`; else 404",
            Self::OwnCredentials => "Nextcloud's own credential, with `pass_through`; else 404",
            Self::SharePassword | Self::Share => "anybody, or as `public_shares` says",
            Self::Federation => "nobody (404), unless `federation: open`",
            Self::Office => "networks of `office_from` (others 403); without any, nobody (404)",
            Self::TalkBackend => "networks of `talk_from` (others 403); without any, nobody (404)",
            Self::TalkGuests => "as sync; anybody with `talk: open`",
            Self::Push => "as sync; anybody with `push: open`",
            Self::Admin => {
                "a browser with a role, from a network and with a second factor, as `admin` says"
            }
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);

/// Fewer than the ten failures after which Nextcloud locks an address out.
const GUESSES: Option<(u32, Duration)> = Some(super::OWN_FAILURES);

const READ: &[&str] = &["GET", "HEAD"];
const WRITE: &[&str] = &["POST", "PUT", "PATCH", "DELETE"];
const POST: &[&str] = &["POST"];

const CLASS: Class = Class {
    name: "",
    about: "",
    paths: &[],
    methods: &[],
    rule: Rule::Never,
    for_programs: false,
    uploads: false,
    limit: None,
    small: false,
};

/// All classes, in the order in which they are tried.
pub const CLASSES: &[Class] = &[
    Class {
        name: "discovery",
        about: "where calendars and contacts are: 301 to `/remote.php/dav/`",
        paths: &super::DISCOVERY,
        rule: Rule::Ours,
        for_programs: true,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    Class {
        name: "well_known",
        about: "other well-known addresses",
        paths: &["/.well-known/**"],
        methods: READ,
        rule: Rule::Anybody,
        for_programs: true,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    Class {
        name: "never",
        about: "files of the server that nobody should get",
        paths: &[
            "/.*/**",
            "/3rdparty/**",
            "/autotest*/**",
            "/build/**",
            "/config/**",
            "/console*/**",
            "/cron.php/**",
            "/data/**",
            "/db_*/**",
            "/indie*/**",
            "/issue*/**",
            "/lib/**",
            "/occ*/**",
            "/templates/**",
            "/tests/**",
        ],
        ..CLASS
    },
    Class {
        name: "login_flow",
        about: "a program begins to sign in (login flow v2)",
        paths: &["[/index.php]/login/v2"],
        methods: POST,
        rule: Rule::LoginFlow,
        for_programs: true,
        limit: Some((10, MINUTE)),
        small: true,
        ..CLASS
    },
    Class {
        name: "login_flow_poll",
        about: "it asks whether its user has agreed",
        paths: &["[/index.php]/login/v2/poll"],
        methods: POST,
        rule: Rule::LoginFlow,
        for_programs: true,
        limit: Some((120, MINUTE)),
        small: true,
        ..CLASS
    },
    Class {
        name: "login_flow_page",
        about: "its user is asked",
        paths: &["[/index.php]/login/v2/flow/*"],
        methods: READ,
        rule: Rule::LoginFlowPage,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    Class {
        name: "login_flow_grant",
        about: "its user agrees",
        paths: &["[/index.php]/login/v2/grant"],
        methods: POST,
        rule: Rule::LoginFlowPage,
        limit: Some((10, MINUTE)),
        small: true,
        ..CLASS
    },
    Class {
        name: "login_flow_old",
        about: "login flow v1, and the pages of Nextcloud's own v2",
        paths: &["[/index.php]/login/flow/**", "[/index.php]/login/v2/**"],
        rule: Rule::OldLoginFlow,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    Class {
        name: "own_sign_in",
        about: "Nextcloud's own form of sign-in",
        paths: &["[/index.php]/login/**", "[/index.php]/lostpassword/**"],
        methods: POST,
        rule: Rule::Session,
        limit: GUESSES,
        ..CLASS
    },
    Class {
        name: "share_password",
        about: "the password of a share",
        paths: &["[/index.php]/s/*/authenticate/**"],
        methods: POST,
        rule: Rule::SharePassword,
        limit: GUESSES,
        small: true,
        ..CLASS
    },
    Class {
        name: "public_share",
        about: "links to shared files and calendars",
        paths: &[
            "[/index.php]/s/**",
            "/public.php/**",
            "/remote.php/dav/public-calendars/**",
            "/remote.php/direct/**",
            "[/index.php]/apps/calendar/embed/**",
            "[/index.php]/apps/calendar/p/**",
            "[/index.php]/apps/files_sharing/ajax/publicpreview.php",
            "[/index.php]/apps/files_sharing/publicpreview/**",
            "[/index.php]/apps/text/public/**",
            "/ocs/*/apps/text/public/**",
        ],
        rule: Rule::Share,
        uploads: true,
        ..CLASS
    },
    Class {
        name: "federation",
        about: "other servers that share with this one",
        paths: &[
            "[/index.php]/ocm/**",
            "/ocm-provider/**",
            "/ocs-provider/**",
            "/ocs/*/apps/federation/**",
            "/ocs/*/apps/spreed/api/*/federation/**",
            "/ocs/*/cloud/shares/**",
            "[/index.php]/apps/federatedfilesharing/**",
        ],
        rule: Rule::Federation,
        for_programs: true,
        limit: Some((120, MINUTE)),
        ..CLASS
    },
    Class {
        name: "office",
        about: "callbacks of the document server",
        paths: &[
            "[/index.php]/apps/onlyoffice/download",
            "[/index.php]/apps/onlyoffice/empty",
            "[/index.php]/apps/onlyoffice/track",
            "[/index.php]/apps/richdocuments/wopi/**",
        ],
        rule: Rule::Office,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "talk_backend",
        about: "callbacks of the signalling and recording servers, which sign them",
        paths: &[
            "/ocs/*/apps/spreed/api/*/bot/**",
            "/ocs/*/apps/spreed/api/*/recording/**",
            "/ocs/*/apps/spreed/api/*/signaling/backend",
        ],
        methods: POST,
        rule: Rule::TalkBackend,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "talk",
        about: "calls, also of guests, and the signalling socket",
        paths: &["/standalone-signaling/**", "/ocs/*/apps/spreed/**"],
        rule: Rule::TalkGuests,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "call",
        about: "the page of a call",
        paths: &["[/index.php]/call/**"],
        rule: Rule::TalkGuests,
        limit: Some((120, MINUTE)),
        ..CLASS
    },
    Class {
        name: "push",
        about: "the socket of notifications",
        paths: &["/push/**"],
        rule: Rule::Push,
        for_programs: true,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    Class {
        name: "back_channel",
        about: "the end of a session, told and signed by an identity provider",
        paths: &["[/index.php]/apps/user_oidc/backchannel-logout/*"],
        methods: POST,
        rule: Rule::Anybody,
        for_programs: true,
        limit: Some((60, MINUTE)),
        ..CLASS
    },
    // Sent to `overwrite.cli.url`, so through here, whenever a group or a team changes; only the database knows the token.
    Class {
        name: "own_calls",
        about: "work that Nextcloud hands to itself, by a token for one time",
        paths: &["[/index.php]/apps/circles/async/*"],
        methods: POST,
        rule: Rule::Anybody,
        for_programs: true,
        limit: Some((600, MINUTE)),
        small: true,
        ..CLASS
    },
    Class {
        name: "oauth",
        about: "tokens that Nextcloud hands out itself",
        paths: &["[/index.php]/apps/oauth2/api/v1/token"],
        methods: POST,
        rule: Rule::OwnCredentials,
        for_programs: true,
        limit: GUESSES,
        small: true,
        ..CLASS
    },
    Class {
        name: "admin",
        about: "pages of administration",
        paths: &[
            "[/index.php]/settings/admin/**",
            "[/index.php]/settings/apps/**",
            "[/index.php]/settings/integrity/**",
            "[/index.php]/settings/users/**",
            "/updater/**",
        ],
        rule: Rule::Admin,
        ..CLASS
    },
    Class {
        name: "admin_api",
        about: "what these pages call to change something",
        paths: &[
            "/ocs/*/apps/provisioning_api/**",
            "/ocs/*/cloud/apps/**",
            "/ocs/*/cloud/groups/**",
            "/ocs/*/cloud/users",
            "/ocs/*/cloud/users/*/disable",
            "/ocs/*/cloud/users/*/enable",
            "/ocs/*/cloud/users/*/groups",
            "/ocs/*/cloud/users/*/subadmins",
        ],
        methods: WRITE,
        rule: Rule::Admin,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "status",
        about: "is it there?",
        paths: &["/status.php", "/robots.txt", "/favicon.ico", "[/index.php]/204"],
        methods: READ,
        rule: Rule::Anybody,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "assets",
        about: "scripts, styles and pictures of pages",
        paths: &[
            "/apps/*/css/**",
            "/apps/*/fonts/**",
            "/apps/*/img/**",
            "/apps/*/js/**",
            "/apps/*/l10n/**",
            "/core/css/**",
            "/core/fonts/**",
            "/core/img/**",
            "/core/js/**",
            "/core/l10n/**",
            "/core/vendor/**",
            "/dist/**",
            "[/index.php]/apps/theming/**",
            "[/index.php]/css/**",
            "[/index.php]/js/**",
            "/themes/**",
        ],
        methods: READ,
        rule: Rule::Anybody,
        limit: Some((3000, MINUTE)),
        ..CLASS
    },
    Class {
        name: "open",
        about: "what visitors of a share need beside it",
        paths: &["/ocs/*/cloud/capabilities", "[/index.php]/csrftoken", "[/index.php]/heartbeat"],
        methods: READ,
        rule: Rule::Known,
        for_programs: true,
        ..CLASS
    },
    Class {
        name: "sync",
        about: "files, calendars, contacts and the APIs of programs",
        paths: &[
            "/remote.php/**",
            "/ocs/**",
            "[/index.php]/apps/*/api/**",
            "[/index.php]/avatar/**",
            "[/index.php]/core/preview",
            "[/index.php]/core/preview.png",
        ],
        rule: Rule::Sync,
        for_programs: true,
        uploads: true,
        ..CLASS
    },
    Class {
        name: "browser",
        about: "everything else",
        paths: &["/**"],
        rule: Rule::Session,
        uploads: true,
        ..CLASS
    },
];
