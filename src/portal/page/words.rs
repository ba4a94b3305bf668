//! Every sentence of every page. A translation is another file like this one.

use std::time::Duration;

use http::StatusCode;
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::problem::PortalError;
use crate::clock::Timestamp;
use crate::identity::Permission;
use crate::identity::password::Weakness;
use crate::identity::registration::InvalidField;

// On every page.
pub(super) const SKIP: &str = "Skip to content";
pub(super) const OPTIONAL: &str = "optional";
pub(super) const GO_ON: &str = "Continue";
pub(super) const BACK_TO_ACCOUNT: &str = "Back to your account";
pub(super) const MOVING_ON: &str = "Taking you there";
pub(super) const ERROR_PREFIX: &str = "Error: ";
pub(super) const ACCOUNT: &str = "Account";

/// The parts of the account, by their path.
pub(super) const PARTS: [(&str, &str); 8] = [
    ("/auth/account", "Profile"),
    ("/auth/account/password", "Password"),
    ("/auth/account/email", "E-mail"),
    ("/auth/account/second-factor", "Second factor"),
    ("/auth/account/sessions", "Sessions"),
    ("/auth/account/devices", "Devices"),
    ("/auth/account/tokens", "API tokens"),
    ("/auth/account/erase", "Erase account"),
];

// The start.
pub(super) const START: &str = "Welcome";
pub(super) const WHAT_THIS_IS: &str =
    "This is the door in front of the apps here. Sign in once, and it opens all that are yours.";
pub(super) const YOUR_ACCOUNT: &str = "Your account";

// Signing in and out.
pub(super) const SIGN_IN: &str = "Sign in";
pub(super) const SIGN_IN_AGAIN: &str = "To go on, show once more that it is you.";
pub(super) const NAME_OR_EMAIL: &str = "Name or e-mail address";
pub(super) const PASSWORD: &str = "Password";
pub(super) const FORGOT_PASSWORD: &str = "I forgot my password";
pub(super) const SIGN_UP: &str = "Create an account";
pub(super) const BEGIN_AGAIN: &str = "Begin again";
pub(super) const SIGN_OUT: &str = "Sign out";
pub(super) const ASK_SIGN_OUT: &str =
    "You will be signed out here and of every app that you opened with this browser.";
pub(super) const SIGNED_OUT: &str = "You are signed out";
pub(super) const SIGNED_OUT_EVERYWHERE_HERE: &str =
    "Nobody is signed in with this browser. You can close this page.";

// On the way to a client.
pub(super) const NO_ACCOUNT_THERE: &str = "You have no account there";
pub(super) const NO_ACCOUNT_THERE_WHY: &str = "You are signed in here, but the app you came from cannot have an account for you. Ask whoever runs this service.";
pub(super) const BACK_TO_APP: &str = "Back to the app";

// Second factors.
pub(super) const SECOND_FACTOR: &str = "Second factor";
pub(super) const STEP_UP: &str = "Is it you?";
pub(super) const ASK_CODE: &str = "Enter the six digits that your authenticator app shows now.";
pub(super) const CODE: &str = "Code";
pub(super) const ASK_RECOVERY_CODE: &str =
    "Enter one of your recovery codes. Each of them works once.";
pub(super) const RECOVERY_CODE: &str = "Recovery code";
pub(super) const USE_RECOVERY_CODE: &str = "Use a recovery code instead";
pub(super) const USE_PASSKEY: &str = "Use a passkey";
pub(super) const SIGN_IN_BY_PASSKEY: &str = "Sign in with a passkey";
pub(super) const PASSKEY_FAILED: &str =
    "Your browser gave no passkey. Try again, or go on without one.";
pub(super) const PASSKEYS: &str = "Passkeys";
pub(super) const PASSKEY_NEEDS_SCRIPT: &str =
    "Passkeys need JavaScript, which is off in this browser.";
pub(super) const WHAT_PASSKEYS_ARE: &str = "A passkey is kept by your phone, computer or security key, and opens with its PIN, finger or face. Nobody can be tricked into telling it.";
pub(super) const PASSKEY_NAME: &str = "Name of the new passkey";
pub(super) const PASSKEY_NAME_HINT: &str = "By which you know it: laptop, blue key";
pub(super) const ADD_PASSKEY: &str = "Add a passkey";
pub(super) const REMOVE_PASSKEY: &str = "Remove";
pub(super) const ADDED: &str = "Added";
pub(super) const USE_APP: &str = "Use the authenticator app instead";
pub(super) const STEP_UP_NEEDS_FACTOR: &str =
    "This asks for a second factor, and your account has none yet. Set one up first.";
pub(super) const ROLE_DEMANDS_FACTOR: &str =
    "Your role asks for a second factor, and your account has none yet.";
pub(super) const WHAT_AN_APP_IS: &str = "You need an authenticator app on your phone or computer. It shows a new code every half minute.";
pub(super) const SET_UP_APP: &str = "Set up an authenticator app";
pub(super) const SCAN: &str = "Scan this picture with your authenticator app.";
pub(super) const QR: &str = "QR code for the authenticator app; the same as text is below";
pub(super) const QR_AS_TEXT: &str = "Or type this key into the app:";
pub(super) const FIRST_CODE: &str = "Code that the app shows";
pub(super) const FIRST_CODE_HINT: &str = "Six digits";
pub(super) const CONFIRM: &str = "Confirm";
pub(super) const RECOVERY_CODES: &str = "Your recovery codes";
pub(super) const KEEP_RECOVERY_CODES: &str = "Each of these codes opens your account once when your app is not at hand. Write them down or \
     keep them in a password manager: they are not shown again.";
pub(super) const HAVE_SAVED_IT: &str = "I have saved it";
pub(super) const HAVE_SAVED_THEM: &str = "I have saved them";

// Signing up, and what comes by mail.
pub(super) const EMAIL: &str = "E-mail address";
pub(super) const USERNAME: &str = "Name to sign in with";
pub(super) const USERNAME_HINT: &str = "Small letters, digits, and - _ . between them";
pub(super) const FULL_NAME: &str = "Full name";
pub(super) const NEW_PASSWORD: &str = "New password";
pub(super) const PASSPHRASE_HINT: &str =
    "A few words that do not belong together are good. Signs and capital letters are not needed.";
pub(super) const CREATE_ACCOUNT: &str = "Create account";
pub(super) const HAVE_ACCOUNT: &str = "I have an account already";
pub(super) const INVITED: &str =
    "You were invited. Use the address that the invitation was sent to.";
pub(super) const SIGNED_UP: &str = "Almost there";
pub(super) const SIGNED_UP_MAIL: &str = "If the address can be used, a mail with what to do next is on its way. Look into your inbox, \
     and into the folder for unwanted mail.";
pub(super) const SIGNED_UP_NO_MAIL: &str = "If the address can be used, you can sign in now.";
pub(super) const SIGNED_UP_APPROVAL: &str =
    "If the address can be used, an administrator will look at your account. You can sign in then.";
pub(super) const VERIFY_EMAIL: &str = "Confirm your address";
pub(super) const VERIFY_EMAIL_WHY: &str = "Enter the password that you chose when you signed up. So we know that the account and the \
     address belong to the same person.";
pub(super) const VERIFIED: &str = "Your address is confirmed";
pub(super) const VERIFIED_ACTIVE: &str = "You can sign in now.";
pub(super) const VERIFIED_WAITING: &str =
    "An administrator looks at new accounts. You get a mail when yours is open.";
pub(super) const FORGOT: &str = "Forgot your password?";
pub(super) const FORGOT_WHY: &str = "We send you a link with which you choose a new one.";
pub(super) const SEND_LINK: &str = "Send the link";
pub(super) const LINK_SENT: &str = "Look into your inbox";
pub(super) const LINK_SENT_WHY: &str =
    "If the address belongs to an account, a link is on its way to it. It works for half an hour.";
pub(super) const PUZZLE_NEEDS_SCRIPT: &str = "To keep robots out, this page lets your browser compute for a moment. That needs JavaScript: turn it on, and load the page again.";
pub(super) const BACK_TO_SIGN_IN: &str = "Back to sign-in";
pub(super) const RESET: &str = "Choose a new password";
pub(super) const RESET_WHY: &str = "You will be signed out everywhere.";
pub(super) const ASK_AGAIN: &str = "Ask for another link";
pub(super) const SET_PASSWORD: &str = "Set the password";
pub(super) const CONFIRM_EMAIL: &str = "Change your address";
pub(super) const CONFIRM_EMAIL_WHY: &str =
    "From now on your account has the address at which you got this link.";
pub(super) const AGREE_TO_EMAIL: &str = "Agree to another address";
pub(super) const AGREE_TO_EMAIL_WHY: &str = "Your account is to have another address. If you asked for that, agree, and the new address \
     gets a link to confirm it.";
pub(super) const AGREE_TO_EMAIL_DO: &str = "Agree";
pub(super) const AGREED_TO_EMAIL: &str = "One more mail";
pub(super) const AGREED_TO_EMAIL_WHY: &str =
    "A link is on its way to the new address. Your account changes when it is opened.";
pub(super) const CONFIRM_EMAIL_DO: &str = "Change the address";
pub(super) const EMAIL_CHANGED: &str = "Your address was changed";
pub(super) const CANCEL_EMAIL: &str = "Keep your old address";
pub(super) const CANCEL_EMAIL_WHY: &str = "Somebody asked to change the address of your account. If that was not you, keep the old \
     address: you will be signed out everywhere, and should choose a new password.";
pub(super) const CANCEL_EMAIL_DO: &str = "Keep the old address";
pub(super) const EMAIL_KEPT: &str = "Your address stays as it was";
pub(super) const EMAIL_KEPT_WHY: &str =
    "You are signed out everywhere. Choose a new password before you do anything else.";
pub(super) const SETUP: &str = "First administrator";
pub(super) const SETUP_WHY: &str = "The gateway printed a setup code when it started. It makes one account, and never works again.";
pub(super) const SETUP_CODE: &str = "Setup code";

// The account.
pub(super) const PROFILE: &str = "Profile";
pub(super) const SAVE: &str = "Save";
pub(super) const SIGN_IN_NAME: &str = "Sign-in name";
pub(super) const ROLES: &str = "Roles";
pub(super) const NO_ROLES: &str = "none";
pub(super) const SINCE: &str = "Since";
pub(super) const EXPORT: &str = "Download everything that is kept about you";
pub(super) const CHANGE_PASSWORD: &str = "Password";
pub(super) const CHANGE_PASSWORD_WHY: &str =
    "Everywhere else you will be signed out. Devices keep their own passwords.";
pub(super) const OLD_PASSWORD: &str = "Present password";
pub(super) const CHANGE_EMAIL: &str = "E-mail";
pub(super) const PRESENT_EMAIL: &str = "Present address";
pub(super) const NEW_EMAIL: &str = "New address";
pub(super) const CHANGE_EMAIL_WHY: &str = "First your present address gets a mail in which you agree or stop it, then the new one a link to confirm it.";
pub(super) const NO_MAIL: &str =
    "No mail is sent here, so a new address cannot be confirmed. Ask your administrator.";
pub(super) const SESSIONS: &str = "Sessions";
pub(super) const SESSIONS_WHY: &str = "Where you are signed in now.";
pub(super) const THIS_ONE: &str = "this browser";
pub(super) const UNKNOWN_CLIENT: &str = "Unknown program";
pub(super) const ADDRESS: &str = "Address";
pub(super) const SIGNED_IN_AT: &str = "Signed in";
pub(super) const LAST_USED: &str = "Last used";
pub(super) const NEVER: &str = "never";
pub(super) const END: &str = "Sign out";
pub(super) const END_OTHERS: &str = "Sign out everywhere else";
pub(super) const DEVICES: &str = "Devices";
pub(super) const DEVICES_WHY: &str = "Programs that cannot ask for a second factor, as those that synchronise files or calendars, \
     get a password of their own.";
pub(super) const NONE_YET: &str = "There are none.";
pub(super) const MADE_AT: &str = "Added";
pub(super) const REMOVE: &str = "Remove";
pub(super) const ADD_DEVICE: &str = "Add a device";
pub(super) const CALLED: &str = "What do you call it?";
pub(super) const DEVICE_NAME_HINT: &str = "For example: Phone, calendar";
pub(super) const MAKE_PASSWORD: &str = "Make its password";
pub(super) const DEVICE_MADE: &str = "Its password";
pub(super) const DEVICE_MADE_WHY: &str =
    "Type it into the device, with your sign-in name. It is not shown again.";
pub(super) const FROM: &str = "From";
pub(super) const ENDS: &str = "Ends";
pub(super) const ENDS_WHEN: &str = "When does it end?";
pub(super) const TOKENS: &str = "API tokens";
pub(super) const TOKENS_WHY: &str =
    "Scripts and services come in with a token of their own. Each may do only what you allow it.";
pub(super) const ADD_TOKEN: &str = "Make an API token";
pub(super) const MAY: &str = "May";
pub(super) const MAY_WHAT: &str = "What may it do?";
pub(super) const MAY_NOTHING: &str = "nothing";
pub(super) const TOKEN_NAME_HINT: &str = "For example: Backup script";
pub(super) const OTHER_PERMISSIONS: &str = "Other permissions";
pub(super) const OTHER_PERMISSIONS_HINT: &str =
    "More narrowly than above, with spaces between: files:read report:read";
pub(super) const NOTHING_TO_LEND: &str =
    "You have no permissions that a token could have. Ask your administrator.";
pub(super) const MAKE_TOKEN: &str = "Make the token";
pub(super) const TOKEN_MADE: &str = "Your new token";
pub(super) const TOKEN_MADE_WHY: &str =
    "Whoever has it may do what you allowed it. Copy it now: it is not shown again.";

// Letting a program in.
pub(super) const LET_IN_TITLE: &str = "Let a program in?";
pub(super) const ASK_LET_IN: &str =
    "A program asks for a password of its own, to use your files, calendars and contacts.";
pub(super) const PROGRAM: &str = "It calls itself";
pub(super) const PROGRAM_FROM: &str = "It asks from";
pub(super) const PROGRAM_AS: &str = "It would act as";
pub(super) const LET_IN_ONLY_IF: &str =
    "Agree only if you began this yourself, in a program of yours. Otherwise close this page.";
pub(super) const LET_IN: &str = "Let it in";
pub(super) const LET_IN_DONE: &str = "It is in";
pub(super) const LET_IN_DONE_WHY: &str =
    "The program gets its password by itself. You can close this page and go back to it.";
pub(super) const LET_IN_REMOVE: &str = "You can take its password away again among your devices.";
pub(super) const LET_IN_OVER: &str = "This is over";
pub(super) const LET_IN_OVER_WHY: &str =
    "It was agreed to already, or took too long. Begin again in the program.";
pub(super) const NO_CLOUD_ID: &str = "You have no account there";
pub(super) const NO_CLOUD_ID_WHY: &str = "Your name cannot be used in Nextcloud, so no program can be let in as you. Ask whoever runs this service.";

pub(super) const APP: &str = "Authenticator app";
pub(super) const APP_ON: &str = "An authenticator app is set up.";
pub(super) const NO_FACTOR: &str =
    "Without a second factor, whoever learns your password can open your account.";
pub(super) const REMOVE_APP: &str = "Remove the app";
pub(super) const REMOVE_APP_WHY: &str =
    "To move to another phone, remove the app here and set it up again.";
pub(super) const CODES_WHY: &str = "They stand in when the app is not at hand.";
pub(super) const RENEW_CODES: &str = "Make new recovery codes";
pub(super) const RENEW_CODES_WHY: &str = "When you make new ones, those from before stop working.";
pub(super) const ERASE: &str = "Erase your account";
pub(super) const ERASE_WHY: &str = "Everything that is kept here about you is erased, and it cannot be undone. What apps keep is \
     their own.";
/// What must be typed.
pub(super) const ERASE_WORD: &str = "erase";
pub(super) const ERASE_TYPE: &str = "Type “erase” to go on";
pub(super) const ERASED: &str = "Your account is erased";
pub(super) const ERASED_WHY: &str = "You are signed out. Farewell.";

/// The browser and system that a `User-Agent` tells of, or what it says when it tells of none that we know.
///
/// The order counts: browsers name those before them, too.
pub(super) fn client(user_agent: Option<&str>) -> String {
    const BROWSERS: [(&str, &str); 6] = [
        ("Firefox/", "Firefox"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let Some(text) = user_agent else { return UNKNOWN_CLIENT.to_owned() };
    let found = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
    };
    match (found(&BROWSERS), found(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => text.chars().take(80).collect(),
    }
}

/// What a token may do.
pub(super) fn permissions(listed: &[Permission]) -> String {
    if listed.is_empty() {
        return MAY_NOTHING.to_owned();
    }
    listed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How long a token may last.
pub(super) fn days(days: Option<u64>) -> String {
    match days {
        Some(365) => "In a year".to_owned(),
        Some(days) => format!("In {days} days"),
        None => "On no fixed day".to_owned(),
    }
}

/// When a credential without a day ends.
pub(super) fn ends_unused(unused: Duration) -> String {
    format!("when not used for {}", span(unused))
}

/// When a token ends beside its day.
pub(super) fn token_ends_unused(unused: Duration) -> String {
    format!("And whenever it was not used for {}.", span(unused))
}

/// How many recovery codes there are yet.
pub(super) fn codes_left(count: u32) -> String {
    match count {
        0 => "You have no recovery codes left.".to_owned(),
        1 => "You have one recovery code left.".to_owned(),
        count => format!("You have {count} recovery codes left."),
    }
}

/// What was done just now, by its key in the query.
pub(super) fn notice(key: &str) -> Option<&'static str> {
    Some(match key {
        "app-added" => "The authenticator app is set up.",
        "passkey-added" => "The passkey is added.",
        "passkey-removed" => "The passkey is removed.",
        "app-removed" => "The authenticator app is removed.",
        "token-removed" => "The token is removed.",
        "device-removed" => "The device is removed.",
        "email-asked" => {
            "A mail is on its way to your present address. Agree there, and the new one gets a link."
        }
        "ended" => "That session is over.",
        "others-ended" => "You are signed out everywhere else.",
        "over" => "That sign-in took too long. Please begin again.",
        "password" => "Your password is changed.",
        "password-reset" => "Your password is set. Sign in with it.",
        "saved" => "Saved.",
        "set-up" => "Your account is made. Sign in with it.",
        _ => return None,
    })
}

/// What is wrong, and in which field.
pub(super) struct Said {
    pub(super) field: Option<&'static str>,
    pub(super) text: String,
}

/// What is told to whoever sent a form.
pub(super) fn refused(error: &PortalError) -> Said {
    let (field, text) = match error {
        PortalError::WrongNameOrPassword => {
            (None, "The name or the password is wrong. Check both and try again.".to_owned())
        }
        PortalError::WrongFactor => (Some("code"), wrong_code()),
        PortalError::WrongRecoveryCode => {
            (Some("recovery_code"), "This recovery code is wrong or was used before.".to_owned())
        }
        PortalError::WrongPassword => (Some("password"), "The password is wrong.".to_owned()),
        PortalError::Weak(weakness) => (Some("new_password"), weak(weakness)),
        PortalError::InvalidField(field) => invalid(*field),
        PortalError::InvalidDevice(_) => {
            (Some("device_name"), "Give it a name of 1 to 64 characters.".to_owned())
        }
        PortalError::MissingField("permission") => {
            (Some("permission"), "Choose what it may do.".to_owned())
        }
        PortalError::Beyond => (
            Some("permission"),
            "You may not do all of this yourself, so it cannot either.".to_owned(),
        ),
        PortalError::TooManyDevices => {
            (None, "There are too many devices and tokens. Remove one first.".to_owned())
        }
        PortalError::Locked { retry_after } => {
            (None, format!("Too many attempts failed. Try again in {}.", wait(*retry_after)))
        }
        PortalError::Busy(_) => {
            (None, "Too many people sign in at the moment. Try again in a moment.".to_owned())
        }
        PortalError::StaleForm => {
            (None, "This page was open for too long. Please try again.".to_owned())
        }
        PortalError::PuzzleUnsolved => {
            (None, "Your browser did not finish its part. Please try again.".to_owned())
        }
        PortalError::LinkSpent => {
            let text = "This link does not work any more. It was used before, or is too old.";
            (None, text.to_owned())
        }
        PortalError::AddressTaken => {
            (None, "The address belongs to an account meanwhile.".to_owned())
        }
        PortalError::BadInvitation => {
            let text = "This invitation does not work any more, or is for another address.";
            (None, text.to_owned())
        }
        PortalError::ByInvitationOnly => (None, "Accounts here are by invitation only.".to_owned()),
        PortalError::DomainNotAdmitted => {
            (Some("email"), "Addresses of this domain cannot be used here.".to_owned())
        }
        PortalError::WrongSetupCode => {
            let text = "The setup code is wrong. A new one is printed at each start.";
            (Some("setup_code"), text.to_owned())
        }
        PortalError::NotConfirmed => {
            (Some("word"), format!("Type “{ERASE_WORD}” if you are sure."))
        }
        PortalError::LastAdmin => {
            let text = "You are the last administrator. Make somebody else one first.";
            (None, text.to_owned())
        }
        PortalError::FactorRequired => {
            (None, "Your role asks for a second factor, so the last one stays.".to_owned())
        }
        PortalError::NothingToConfirm => {
            (None, "The set-up took too long. Please begin again.".to_owned())
        }
        PortalError::AlreadyEnrolled => {
            (None, "There is an app already. Remove it first.".to_owned())
        }
        PortalError::NotFound => (None, "It is gone already.".to_owned()),
        other => (None, sentence(other.title())),
    };
    Said { field, text }
}

fn wrong_code() -> String {
    "The code is wrong or was used already. Wait for the next one, and check the clock of your \
     device."
        .to_owned()
}

fn weak(weakness: &Weakness) -> String {
    match weakness {
        Weakness::Guessable { warning, suggestions } => {
            let mut text = "This password is too easy to guess.".to_owned();
            for advice in warning.iter().chain(suggestions) {
                text.push(' ');
                text.push_str(&sentence(advice));
            }
            text
        }
        Weakness::TooLong => "The password is too long.".to_owned(),
        Weakness::TooShort { min_length } => {
            format!("Use at least {min_length} characters.")
        }
    }
}

fn invalid(field: InvalidField) -> (Option<&'static str>, String) {
    let (name, text) = match field {
        InvalidField::Email(_) => ("email", "Enter an e-mail address, like name@example.org."),
        InvalidField::FullName => ("full_name", "Use at most 128 ordinary characters."),
        InvalidField::Username(_) => (
            "new_username",
            "Use 1 to 64 small letters, digits and - _ . and begin with a letter or a digit.",
        ),
        InvalidField::Permission => {
            ("other_permissions", "Write each as files:read, with spaces between.")
        }
        InvalidField::Time => ("days", "Choose one of these."),
    };
    (Some(name), text.to_owned())
}

/// A time that is told in days where it is some.
fn span(span: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match span.as_secs() {
        seconds if seconds >= 2 * DAY => format!("{} days", seconds / DAY),
        seconds if seconds >= 2 * 60 * 60 => format!("{} hours", seconds / (60 * 60)),
        _ => wait(span),
    }
}

fn wait(wait: Duration) -> String {
    match wait.as_secs() {
        0..=60 => "a minute".to_owned(),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// The heading of an error page.
pub(super) fn error_heading(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Please sign in",
        403 => "This is not open to you",
        404 => "Nothing here",
        410 => "No longer good",
        429 => "Too many requests",
        502..=504 => "Not available at the moment",
        500.. => "Something went wrong",
        _ => "That did not work",
    }
}

/// By which an operator finds it.
pub(super) fn request_id(status: StatusCode, id: &str) -> String {
    let status = status.as_u16();
    format!("If you ask somebody for help, name this: error {status}, request {id}")
}

/// A capital letter before it and a full stop after it.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.trim().chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    let mut text = first.unwrap_or_default() + characters.as_str();
    if !text.is_empty() && !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// The title of a page whose form was refused, for whoever hears titles.
pub(super) fn with_error(title: &str) -> String {
    if title.starts_with(ERROR_PREFIX) {
        title.to_owned()
    } else {
        format!("{ERROR_PREFIX}{title}")
    }
}

/// `2026-01-31 12:00 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = OffsetDateTime::from_unix_timestamp(at.as_secs()).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        for (text, sentence_of_it) in
            [("abc", "Abc."), ("Abc.", "Abc."), ("", ""), ("ist es?", "Ist es?"), ("über", "Über.")]
        {
            assert_eq!(sentence(text), sentence_of_it);
        }
    }

    #[test]
    fn a_client_is_told_by_the_names_people_know() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
                "Firefox on Android",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
        ] {
            assert_eq!(client(Some(user_agent)), name);
        }
        assert_eq!(client(None), UNKNOWN_CLIENT);
    }

    #[test]
    fn long_times_are_told_in_days() {
        const HOUR: Duration = Duration::from_hours(1);
        for (time, text) in
            [(HOUR * 24 * 180, "180 days"), (HOUR * 36, "36 hours"), (HOUR, "60 minutes")]
        {
            assert_eq!(span(time), text);
        }
    }

    #[test]
    fn waits_are_told_in_minutes() {
        for (seconds, text) in [(1, "a minute"), (60, "a minute"), (61, "2 minutes")] {
            assert_eq!(wait(Duration::from_secs(seconds)), text);
        }
    }
}
