//! What can stand on a page: texts, forms, lists. One template draws it all, so that every form has its labels, its errors
//! and its token.

use askama::Template;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::asset::Asset;
use super::words;
use crate::clock::Timestamp;
use crate::identity::proof_of_work::Puzzle;
use crate::identity::second_factor::Ceremony;

/// One page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Sheet {
    title: String,
    style: String,
    /// The host, on pages that belong to it.
    service: Option<String>,
    /// The path of the current part, on pages of the account.
    part: Option<&'static str>,
    notice: Option<&'static str>,
    refresh: Option<String>,
    /// Those that its blocks need.
    scripts: Vec<Asset>,
    blocks: Vec<Block>,
}

impl Sheet {
    /// A page of the portal.
    pub(super) fn new(portal: &PortalState, title: &str) -> Self {
        let url = &portal.identity.settings().public_url;
        let service = url.trim_start_matches("https://").to_owned();
        Self { service: Some(service), ..Self::anywhere(title) }
    }

    /// A page that can be shown on every host.
    pub(super) fn anywhere(title: &str) -> Self {
        let (title, style) = (title.to_owned(), Asset::Style.path());
        let (service, part, notice, refresh) = (None, None, None, None);
        let (scripts, blocks) = (vec![], vec![]);
        Self { title, style, service, part, notice, refresh, scripts, blocks }
    }

    /// As a part of the account, by its path.
    pub(super) fn part(self, path: &'static str) -> Self {
        Self { part: Some(path), ..self }
    }

    /// With what was done just now, by the key of [`words::notice`].
    pub(super) fn notice(self, key: Option<&str>) -> Self {
        Self { notice: key.and_then(words::notice), ..self }
    }

    /// Goes on by itself.
    pub(super) fn refresh(self, location: String) -> Self {
        Self { refresh: Some(location), ..self }
    }

    pub(super) fn with(mut self, block: Block) -> Self {
        self.push(block);
        self
    }

    pub(super) fn push(&mut self, block: Block) {
        let script = block.script().filter(|script| !self.scripts.contains(script));
        self.scripts.extend(script);
        self.blocks.push(block);
    }

    /// Puts what is wrong beside its field, or above the form.
    pub(super) fn refuse(&mut self, error: &PortalError) {
        let said = words::refused(error);
        let forms = self.blocks.iter_mut().filter_map(|block| match block {
            Block::Form(form) => Some(form),
            _ => None,
        });
        let mut forms: Vec<&mut Form> = forms.collect();
        self.title = words::with_error(&self.title);
        let mut fields = forms.iter_mut().flat_map(|form| form.fields.iter_mut());
        if let Some(field) = fields.find(|field| said.field == Some(field.name)) {
            field.error = Some(said.text);
        } else if let Some(form) = forms.first_mut() {
            form.error = Some(said.text);
        } else {
            self.blocks.insert(0, Block::Error(said.text));
        }
        self.focus_on_error();
    }

    /// What is wrong is where one goes on, and not what is first.
    fn focus_on_error(&mut self) {
        let fields = self.blocks.iter_mut().flat_map(|block| match block {
            Block::Form(form) => form.fields.as_mut_slice(),
            _ => &mut [],
        });
        let mut fields: Vec<&mut Field> = fields.collect();
        if fields.iter().any(|field| field.error.is_some()) {
            for field in &mut fields {
                field.focus = field.error.is_some();
            }
        }
    }

    pub(super) fn into_html(self) -> Result<String, PortalError> {
        self.render().map_err(|_| PortalError::Internal("a page cannot be rendered"))
    }

    fn is_part(&self, path: &str) -> bool {
        self.part == Some(path)
    }

    fn heading(&self) -> &str {
        self.title.strip_prefix(words::ERROR_PREFIX).unwrap_or(&self.title)
    }
}

/// A part of a page, from top to bottom.
pub(super) enum Block {
    /// Codes to be kept.
    Codes(Vec<String>),
    /// What is wrong, where there is no form.
    Error(String),
    /// Names and values.
    Facts(Vec<Fact>),
    /// Something to fill in.
    Form(Form),
    /// Room between parts that must not be mistaken for each other.
    Gap,
    /// A heading within the page.
    Heading(String),
    /// Things of one kind.
    Items(Vec<Item>),
    /// A way on.
    Link(Link),
    /// The main way on.
    MainLink(Link),
    /// A QR code: markup of ours, and the same as text.
    Qr { svg: String, secret: String },
    /// A secret that is shown once.
    Secret(String),
    /// Beside the point.
    Small(String),
    /// A paragraph.
    Text(String),
}

impl Block {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn link(label: &'static str, location: impl Into<String>) -> Self {
        Self::Link(Link { label, location: location.into() })
    }

    pub(super) fn main_link(label: &'static str, location: impl Into<String>) -> Self {
        Self::MainLink(Link { label, location: location.into() })
    }

    /// What it needs beside the stylesheet.
    fn script(&self) -> Option<Asset> {
        let has_time = |facts: &[Fact]| facts.iter().any(|(_, value)| value.is_time());
        match self {
            Self::Form(form) if form.passkey.is_some() => Some(Asset::PasskeyScript),
            Self::Form(form) if form.puzzle_bits.is_some() => Some(Asset::PuzzleScript),
            Self::Facts(facts) if has_time(facts) => Some(Asset::TimeScript),
            Self::Items(items) if items.iter().any(|item| has_time(&item.facts)) => {
                Some(Asset::TimeScript)
            }
            _ => None,
        }
    }
}

/// A name and what stands behind it.
pub(super) type Fact = (&'static str, Value);

/// What stands behind a name.
pub(super) enum Value {
    Text(String),
    /// In UTC, until the script tells it in the browser's own zone and language.
    Time(Timestamp),
}

impl Value {
    /// When it was, or `otherwise`.
    pub(super) fn time_or(at: Option<Timestamp>, otherwise: impl Into<String>) -> Self {
        at.map_or_else(|| Self::Text(otherwise.into()), Self::Time)
    }

    fn is_time(&self) -> bool {
        matches!(self, Self::Time(_))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

/// A way to another page.
pub(super) struct Link {
    label: &'static str,
    location: String,
}

/// One thing of a list.
pub(super) struct Item {
    pub(super) title: String,
    pub(super) mark: Option<&'static str>,
    pub(super) facts: Vec<Fact>,
    pub(super) form: Option<Form>,
}

/// Something to fill in.
pub(super) struct Form {
    action: &'static str,
    token: String,
    hidden: Vec<(&'static str, String)>,
    /// Whose password it is, for password managers.
    name: Option<String>,
    fields: Vec<Field>,
    error: Option<String>,
    submit: &'static str,
    /// What the button is about, for whoever hears it alone.
    about: Option<String>,
    tone: &'static str,
    /// What the script asks the browser for.
    passkey: Option<Passkey>,
    /// How hard the puzzle is that the script solves meanwhile.
    puzzle_bits: Option<u8>,
}

/// What the script asks the browser for.
struct Passkey {
    /// `create` or `get`.
    kind: &'static str,
    /// As JSON.
    options: String,
}

impl Form {
    /// A form that is sent to `action`, with the token of [`form_token`](super::form_token).
    pub(super) fn new(action: &'static str, token: String, submit: &'static str) -> Self {
        let (hidden, fields, error, about, tone) = (vec![], vec![], None, None, "main");
        let (name, passkey, puzzle_bits) = (None, None, None);
        Self {
            action,
            token,
            hidden,
            name,
            fields,
            error,
            submit,
            about,
            tone,
            passkey,
            puzzle_bits,
        }
    }

    pub(super) fn hidden(mut self, pairs: Vec<(&'static str, String)>) -> Self {
        self.hidden.extend(pairs);
        self
    }

    pub(super) fn hidden_name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Hidden until the script knows that the browser has passkeys. `kind`: `create` or `get`.
    pub(super) fn passkey(self, kind: &'static str, ceremony: &Ceremony) -> Self {
        let options = ceremony.options.to_string();
        let token = ("passkey_token", ceremony.token.expose().to_owned());
        let response = ("passkey_response", String::new());
        let form = self.hidden(vec![token, response]);
        Self { passkey: Some(Passkey { kind, options }), ..form }
    }

    /// Sent when the script has solved `puzzle`, if there is one.
    pub(super) fn puzzle(self, puzzle: Option<Puzzle>) -> Self {
        let Some(Puzzle { text, bits, .. }) = puzzle else { return self };
        let form = self.hidden(vec![("puzzle", text), ("solution", String::new())]);
        Self { puzzle_bits: Some(bits), ..form }
    }

    /// Whether a page without it lacks something: whoever signs in has a password, too.
    fn misses_script(&self) -> bool {
        self.passkey.as_ref().is_some_and(|passkey| passkey.kind == "create" || self.tone == "main")
    }

    /// Something that cannot be undone.
    pub(super) fn danger(self) -> Self {
        Self { tone: "danger", ..self }
    }

    /// Beside the main thing of the page.
    pub(super) fn quiet(self) -> Self {
        Self { tone: "quiet", ..self }
    }

    pub(super) fn about(self, about: String) -> Self {
        Self { about: Some(about), ..self }
    }
}

impl From<Form> for Block {
    fn from(form: Form) -> Self {
        Self::Form(form)
    }
}

/// One input with its label.
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    /// `one` or `several` of its choices, or the type of an input.
    kind: &'static str,
    /// What can be chosen, where nothing is typed.
    choices: Vec<Choice>,
    /// As in the HTML standard, §4.10.18.7: by it, password managers know what is asked.
    autocomplete: &'static str,
    value: String,
    hint: Option<String>,
    error: Option<String>,
    optional: bool,
    focus: bool,
    numeric: bool,
    /// Names, addresses and codes: neither spelling nor capital letters are to be mended.
    verbatim: bool,
    max_length: u16,
}

impl Field {
    pub(super) fn text(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        let (value, hint, error, max_length) = (String::new(), None, None, 254);
        let (optional, focus, numeric, verbatim) = (false, false, false, false);
        Self {
            name,
            label,
            kind: "text",
            choices: vec![],
            autocomplete,
            value,
            hint,
            error,
            optional,
            focus,
            numeric,
            verbatim,
            max_length,
        }
    }

    pub(super) fn email(name: &'static str, label: &'static str) -> Self {
        Self { kind: "email", verbatim: true, ..Self::text(name, label, "email") }
    }

    /// Nothing that was typed in it is ever sent back.
    pub(super) fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { kind: "password", max_length: 1024, ..Self::text(name, label, autocomplete) }
    }

    /// Six digits.
    pub(super) fn code(name: &'static str, label: &'static str) -> Self {
        let text = Self::text(name, label, "one-time-code").verbatim();
        Self { numeric: true, max_length: 16, ..text }
    }

    /// One of these.
    pub(super) fn one_of(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self { kind: "one", choices, ..Self::text(name, label, "off") }
    }

    /// Any of these: boxes to be ticked.
    pub(super) fn several(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self { kind: "several", choices, ..Self::text(name, label, "off") }
    }

    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    pub(super) fn focus(self) -> Self {
        Self { focus: true, ..self }
    }

    pub(super) fn verbatim(self) -> Self {
        Self { verbatim: true, ..self }
    }

    /// The ids of what describes it.
    fn described_by(&self) -> Option<String> {
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.name));
        let ids: Vec<String> = error.into_iter().chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// One of several that a field offers.
pub(super) struct Choice {
    /// As it is sent.
    pub(super) value: String,
    /// As it is read.
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::problem::PortalError;

    fn sheet() -> Sheet {
        let form = Form::new("/x", "token".into(), "Send")
            .field(Field::text("name", "Name", "username").value("<b>\"'&"))
            .field(Field::password("password", "Password", "current-password").focus());
        Sheet::anywhere("Title").with(form.into())
    }

    #[test]
    fn what_people_typed_is_never_markup() {
        let page = sheet().into_html().expect("a page");
        assert!(!page.contains("<b>") && !page.contains("\"\"'"), "{page}");
    }

    #[test]
    fn an_error_stands_beside_its_field_and_is_told_to_whoever_cannot_see_it() {
        let mut sheet = sheet();
        sheet.refuse(&PortalError::WrongPassword);
        let page = sheet.into_html().expect("a page");
        assert!(page.contains("aria-describedby=\"password-error\""), "{page}");
        assert!(page.contains("id=\"password-error\" role=\"alert\""), "{page}");
        assert!(page.contains("aria-invalid=\"true\""), "{page}");
    }

    #[test]
    fn a_time_is_told_in_utc_and_brings_the_script_that_tells_it_otherwise() {
        let at = Timestamp::from_millis(1_795_264_440_123);
        let facts = vec![("Added", at.into()), ("Last used", Value::time_or(None, "never"))];
        let page = Sheet::anywhere("x").with(Block::Facts(facts)).into_html().expect("a page");
        let time =
            "<dd><time datetime=\"2026-11-21T12:34:00.123Z\">2026-11-21 12:34 UTC</time></dd>";
        assert!(page.contains(time), "{page}");
        assert!(page.contains("<dd>never</dd>"), "{page}");
        assert_eq!(page.matches("<script src=").count(), 1, "{page}");
    }

    #[test]
    fn nothing_on_a_page_needs_more_than_its_policy_allows() {
        let page = sheet().into_html().expect("a page");
        for forbidden in ["<script", "style=", "<style", "onclick", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
    }
}
