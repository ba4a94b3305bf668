//! Random sequences of sign-in requests against a model: nobody is ever signed in without the factors that were needed.
//!
//! The model is kept outside the gateway and knows what was really proven under each pending token. It is not the code that
//! it judges: it says when being signed in would be *wrong*.

use std::collections::HashMap;
use std::time::Duration;

use futures::future;
use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::Client;
use stormdoor::identity::admin::By;
use stormdoor::identity::password::Password;
use stormdoor::identity::second_factor::GivenFactor;
use stormdoor::identity::service::NewUser;
use stormdoor::identity::sign_in::{Into, Needs, SignIn, Step};
use stormdoor::identity::{Identity, User};

use crate::world::authenticator::code;
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const WORLD: &str = r#"
accounts: { lockout: { after: 100 }, password: { argon2: { memory_kib: 64, passes: 1 } } }
roles: { careful: { permissions: [], second_factor: required } }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] } }
"#;

/// What is true about an account, as the test made it.
struct Account {
    user: User,
    secret: Option<String>,
    recovery: Vec<String>,
    demanded: bool,
}

/// What was proven under a pending token.
struct Proven {
    account: usize,
    needs: Needs,
}

/// A generator that a failing run can be repeated with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }
}

fn client() -> Client {
    Client::new([192, 0, 2, 1].into(), Some("model"), "request")
}

async fn account(
    identity: &Identity,
    clock: &ManualClock,
    name: &str,
    roles: &[&str],
    enrolled: bool,
) -> Account {
    let password = Password::new(PASSWORD.to_owned()).unwrap();
    let email = format!("{name}@example.org");
    let new = NewUser { email, username: None, full_name: None, password };
    let demanded = roles.contains(&"careful");
    let roles = roles.iter().map(|role| (*role).into()).collect();
    let user = identity.add_user(new, roles, &By::Operator).await.unwrap();
    let mut account = Account { user, secret: None, recovery: Vec::new(), demanded };
    if enrolled {
        let offer = identity.enrol_totp(&account.user).await.unwrap();
        let secret = offer.secret.expose_for_owner().expose().clone();
        let first = code(&secret, clock.now());
        let codes = identity.confirm_totp(&account.user, &first, &client()).await.unwrap();
        account.recovery =
            codes.iter().map(|code| code.expose_for_owner().expose().clone()).collect();
        account.secret = Some(secret);
        clock.advance(Duration::from_secs(60));
    }
    account
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_without_the_factors_that_are_needed() {
    let clock = ManualClock::at(SystemClock.now());
    let mailbox = Mailbox::start().await;
    let world = World::with_mail_at(WORLD, &mailbox, clock.clone()).await;
    let identity = world.gateway.identity();
    let (mut signed_in, mut refused) = (0, 0);
    for seed in 0..12_u64 {
        let name = |kind: &str| format!("{kind}{seed}");
        let accounts = [
            account(identity, &clock, &name("plain"), &["viewer"], false).await,
            account(identity, &clock, &name("totp"), &["viewer"], true).await,
            account(identity, &clock, &name("demanded"), &["careful"], false).await,
        ];
        let mut accounts: Vec<Account> = accounts.into();
        let mut dice = Dice(seed * 7919 + 17);
        let mut pending: HashMap<String, Proven> = HashMap::new();
        let mut spent: Vec<String> = Vec::new();
        for step in 0..40 {
            let place = format!("seed {seed}, step {step}");
            let which = dice.roll(accounts.len());
            let tokens: Vec<String> = pending.keys().chain(&spent).cloned().collect();
            let token = (!tokens.is_empty()).then(|| tokens[dice.roll(tokens.len())].clone());
            let token = token.unwrap_or_else(|| "never-issued".to_owned());
            match dice.roll(5) {
                0 | 1 => {
                    let right = dice.roll(3) > 0;
                    let typed = if right { PASSWORD } else { "some other password" };
                    let sign_in = SignIn {
                        name: accounts[which].user.username.as_str().to_owned(),
                        password: Password::new(typed.to_owned()).unwrap(),
                        into: Into::Tokens,
                    };
                    match identity.sign_in(sign_in, &client()).await {
                        Ok(Step::Done(done)) => {
                            assert!(right, "{place}: a wrong password");
                            assert!(accounts[which].secret.is_none(), "{place}: no second factor");
                            assert!(!accounts[which].demanded, "{place}: one is demanded");
                            assert_eq!(done.user.id, accounts[which].user.id, "{place}");
                            signed_in += 1;
                        }
                        Ok(Step::Pending(waits)) => {
                            assert!(right, "{place}: a wrong password");
                            let proven = Proven { account: which, needs: waits.needs };
                            pending.insert(waits.token.expose().to_owned(), proven);
                        }
                        Err(_) => refused += 1,
                    }
                }
                2 => {
                    // A code of one account, perhaps under the token of another.
                    let of = accounts[which].secret.clone();
                    let right_code = of.as_deref().map(|secret| code(secret, clock.now()));
                    let given = match dice.roll(3) {
                        0 => GivenFactor::Totp("000000".to_owned()),
                        1 if !accounts[which].recovery.is_empty() => {
                            GivenFactor::RecoveryCode(accounts[which].recovery[0].clone())
                        }
                        _ => GivenFactor::Totp(right_code.unwrap_or_else(|| "123456".to_owned())),
                    };
                    let wrong = matches!(&given, GivenFactor::Totp(code) if code == "000000");
                    match identity.give_factor(&token, given, &client()).await {
                        Ok(done) => {
                            let proven = pending.remove(&token);
                            let proven = proven.unwrap_or_else(|| panic!("{place}: a spent token"));
                            assert!(matches!(proven.needs, Needs::SecondFactor(_)), "{place}");
                            assert_eq!(proven.account, which, "{place}: somebody else's factor");
                            assert_eq!(done.user.id, accounts[which].user.id, "{place}");
                            assert!(!wrong, "{place}: a wrong code");
                            assert!(done.session.second_factor_at.is_some(), "{place}");
                            spent.push(token);
                            signed_in += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
                3 => {
                    let Ok(offer) = identity.enrol_totp_to_sign_in(&token).await else {
                        refused += 1;
                        continue;
                    };
                    let secret = offer.secret.expose_for_owner().expose().clone();
                    let right = dice.roll(2) == 0;
                    let typed = if right { code(&secret, clock.now()) } else { "000000".into() };
                    let proven = pending.get(&token);
                    let owner = proven.unwrap_or_else(|| panic!("{place}: a spent token")).account;
                    match identity.confirm_totp_to_sign_in(&token, &typed, &client()).await {
                        Ok((done, codes)) => {
                            assert!(right, "{place}: a wrong code");
                            assert_eq!(done.user.id, accounts[owner].user.id, "{place}");
                            assert!(accounts[owner].secret.is_none(), "{place}: one was enrolled");
                            accounts[owner].recovery = codes
                                .iter()
                                .map(|code| code.expose_for_owner().expose().clone())
                                .collect();
                            accounts[owner].secret = Some(secret);
                            pending.remove(&token);
                            spent.push(token);
                            signed_in += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
                _ => {
                    let minutes = dice.roll(12) as u64;
                    clock.advance(Duration::from_mins(minutes));
                }
            }
        }
    }
    assert!(signed_in > 20 && refused > 20, "{signed_in} and {refused}: the dice prove nothing");
    // Many tabs at once: each has its own sign-in, and none disturbs another.
    let tabs = (0..20).map(|_| async {
        let sign_in = SignIn {
            name: "totp0".into(),
            password: Password::new(PASSWORD.to_owned()).unwrap(),
            into: Into::Tokens,
        };
        identity.sign_in(sign_in, &client()).await
    });
    for tab in future::join_all(tabs).await {
        assert!(matches!(tab, Ok(Step::Pending(_))));
    }
}
