//! `/auth/sign-in/second-factor`: the second step of a sign-in.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::MaybeSignedIn;
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::onward::Onward;
use super::sheet::{Block, Field, Form, Sheet};
use super::sign_in::{arrive, count};
use super::visit::{Fields, Posted, Visit};
use super::{enrol, passkey, sign_in, words};
use crate::identity::second_factor::{GivenFactor, Method};
use crate::identity::sign_in::{Needs, SignInError, SignedIn};
use crate::identity::{User, UserId};

pub(super) const PATH: &str = "/auth/sign-in/second-factor";

pub(super) async fn show(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&visit.query);
    match pending(&portal, &visit).await {
        Ok((_, Needs::Enrolment)) => Ok(see_other(&onward.link(enrol::PATH, &[]))),
        Ok((user, Needs::SecondFactor(methods))) => {
            let recovery = visit.query.get("recovery").is_some();
            let asked = Asked { user: user.id, methods };
            visit.show(sheet(&portal, &visit, &onward, &asked, recovery).await?)
        }
        Err(SignInError::NotPending) => Ok(over(&before, &onward)),
        Err(error) => Err(error.into()),
    }
}

/// Whose sign-in is in progress in this browser, and what it needs.
pub(super) async fn pending(
    portal: &PortalState,
    visit: &Visit,
) -> Result<(User, Needs), SignInError> {
    let token = visit.pending().ok_or(SignInError::NotPending)?;
    portal.identity.pending_user(token).await
}

/// Of whom what is asked.
pub(super) struct Asked {
    pub(super) user: UserId,
    pub(super) methods: Vec<Method>,
}

impl Asked {
    /// The button for a passkey, the form for what is typed, and the other way, on the page at `path`.
    pub(super) async fn put_on(
        &self,
        sheet: &mut Sheet,
        portal: &PortalState,
        (visit, onward, path): (&Visit, &Onward, &'static str),
        recovery: bool,
    ) -> Result<(), PortalError> {
        let ask = Ask::of(&self.methods, recovery);
        let new_form = |submit| visit.form(path, submit).hidden(onward.hidden());
        if self.methods.contains(&Method::Passkey) && !recovery {
            let ceremony = portal.identity.ask_for_passkey(Some(self.user)).await?;
            sheet.push(new_form(words::USE_PASSKEY).passkey("get", &ceremony).into());
        }
        if ask != Ask::Nothing {
            ask.put_on(sheet, new_form(words::GO_ON));
        }
        if let Some((label, query)) = ask.other_way(&self.methods) {
            sheet.push(Block::link(label, onward.link(path, query)));
        }
        Ok(())
    }
}

async fn sheet(
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
    asked: &Asked,
    recovery: bool,
) -> Result<Sheet, PortalError> {
    let mut sheet = Sheet::new(portal, words::SECOND_FACTOR);
    asked.put_on(&mut sheet, portal, (visit, onward, PATH), recovery).await?;
    sheet.push(Block::link(words::BEGIN_AGAIN, onward.link(sign_in::PATH, &[])));
    Ok(sheet)
}

/// Which factor is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    Code,
    /// There is a passkey, and nothing that could be typed.
    Nothing,
    RecoveryCode,
}

impl Ask {
    /// `recovery`: whether somebody wants to use a recovery code.
    fn of(methods: &[Method], recovery: bool) -> Self {
        let there = |method| methods.contains(&method);
        match (there(Method::Totp), there(Method::RecoveryCode)) {
            (true, _) if !recovery => Self::Code,
            (false, false) if there(Method::Passkey) => Self::Nothing,
            (false, true) if there(Method::Passkey) && !recovery => Self::Nothing,
            (true | false, true) => Self::RecoveryCode,
            (true | false, false) => Self::Code,
        }
    }

    fn put_on(self, sheet: &mut Sheet, form: Form) {
        let (text, field) = match self {
            Self::Code | Self::Nothing => (words::ASK_CODE, Field::code("code", words::CODE)),
            Self::RecoveryCode => {
                let field = Field::text("recovery_code", words::RECOVERY_CODE, "off").verbatim();
                (words::ASK_RECOVERY_CODE, field)
            }
        };
        sheet.push(Block::text(text));
        sheet.push(form.field(field.focus()).into());
    }

    /// The label of the other way and what its link has in the query.
    fn other_way(
        self,
        methods: &[Method],
    ) -> Option<(&'static str, &'static [(&'static str, &'static str)])> {
        match self {
            Self::Code | Self::Nothing if methods.contains(&Method::RecoveryCode) => {
                Some((words::USE_RECOVERY_CODE, &[("recovery", "1")]))
            }
            Self::RecoveryCode if methods.contains(&Method::Totp) => Some((words::USE_APP, &[])),
            Self::RecoveryCode if methods.contains(&Method::Passkey) => {
                Some((words::USE_PASSKEY, &[]))
            }
            Self::Code | Self::Nothing | Self::RecoveryCode => None,
        }
    }
}

/// The factor of a form.
pub(super) fn given(fields: &mut Fields) -> (GivenFactor, bool) {
    if let Some(answer) = passkey::answer(fields) {
        return (GivenFactor::Passkey(answer), false);
    }
    match fields.get("recovery_code") {
        Some(_) => (GivenFactor::RecoveryCode(fields.take("recovery_code")), true),
        None => (GivenFactor::Totp(fields.take("code")), false),
    }
}

/// So that the message stands beside the field that was filled in.
pub(super) fn beside_its_field(error: PortalError, recovery: bool) -> PortalError {
    match error {
        PortalError::WrongFactor if recovery => PortalError::WrongRecoveryCode,
        error => error,
    }
}

/// Too late, or finished in another tab.
pub(super) fn over(MaybeSignedIn(principal): &MaybeSignedIn, onward: &Onward) -> Response {
    match principal {
        Some(_) => onward.go(),
        None => see_other(&onward.link(sign_in::PATH, &[("done", "over")])),
    }
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&posted.fields);
    let (factor, recovery) = given(&mut posted.fields);
    match give(&portal, &posted, factor).await {
        Ok(signed_in) => arrive(&portal, &posted.visit, &onward, before, signed_in).await,
        Err(PortalError::NotPending) => Ok(over(&before, &onward)),
        Err(error) => {
            let pending = pending(&portal, &posted.visit).await;
            let Ok((user, Needs::SecondFactor(methods))) = pending else {
                return Ok(over(&before, &onward));
            };
            let asked = Asked { user: user.id, methods };
            let sheet = sheet(&portal, &posted.visit, &onward, &asked, recovery).await?;
            posted.visit.again(sheet, beside_its_field(error, recovery))
        }
    }
}

async fn give(
    portal: &PortalState,
    posted: &Posted,
    factor: GivenFactor,
) -> Result<SignedIn, PortalError> {
    let token = posted.visit.pending().ok_or(PortalError::NotPending)?;
    posted.genuine()?;
    let (method, began) = (factor.method().name(), portal.clock.now());
    let signed_in = portal.identity.give_factor(token, factor, &posted.visit.client).await;
    count(portal, method, signed_in.as_ref().err(), began);
    Ok(signed_in?)
}
