//! One endpoint of the API, told once: the router, the gate's routes, the OpenAPI document and the permission matrix of the
//! tests are all made from [`Endpoint`]s. What is not in the table does not exist.

use axum::routing::MethodRouter;
use http::Method;
use schemars::Schema;
use schemars::generate::SchemaGenerator;

use super::PortalState;

/// One method of one path.
pub(super) struct Endpoint {
    /// Its name in logs, in metrics and as `operationId`.
    pub(super) name: &'static str,
    /// The method.
    pub(super) method: Method,
    /// The path, with `{names}` for segments.
    pub(super) path: &'static str,
    /// Who may use it.
    pub(super) access: Access,
    /// How often one client network may, beside the general limits.
    pub(super) limit: Limit,
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// What is sent.
    pub(super) body: Option<Body>,
    /// What is in the query.
    pub(super) query: &'static [Parameter],
    /// What comes back: status, meaning, and for JSON its schema.
    pub(super) answers: Vec<Answer>,
    /// Slugs of the problems that it has of its own.
    pub(super) problems: &'static [&'static str],
    /// What serves it.
    pub(super) handler: MethodRouter<PortalState>,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in, about themselves.
    SignedIn,
    /// Whoever is signed in and [proved it lately](crate::identity::account::is_fresh).
    Fresh,
    /// Whoever has this permission.
    May(&'static str),
}

/// How often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Limit {
    /// As any request.
    General,
    /// As signing in.
    Login,
    /// What sends a mail to somebody.
    Mail,
    /// As trading refresh tokens.
    Refresh,
    /// As signing up.
    Register,
    /// As making the first admin.
    Setup,
}

/// A body, by its example and schema.
pub(super) struct Body {
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(super) example: serde_json::Value,
    /// In which forms it is taken.
    pub(super) forms: Forms,
}

/// How a body may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Forms {
    /// As an OAuth 2.0 form.
    Form,
    /// As JSON.
    Json,
    /// As either.
    JsonOrForm,
}

/// A parameter of the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) media_type: &'static str,
}

impl Endpoint {
    /// An endpoint without body and answers of its own yet.
    pub(super) fn new(
        name: &'static str,
        method: Method,
        path: &'static str,
        access: Access,
        handler: MethodRouter<PortalState>,
        summary: &'static str,
    ) -> Self {
        let (limit, body, query, answers, problems) =
            (Limit::General, None, &[][..], vec![], &[][..]);
        Self { name, method, path, access, limit, summary, body, query, answers, problems, handler }
    }

    pub(super) fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn takes<T: schemars::JsonSchema>(self, example: serde_json::Value) -> Self {
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<T>();
        Self { body: Some(Body { schema, example, forms: Forms::Json }), ..self }
    }

    pub(super) fn or_form(self) -> Self {
        self.written(Forms::JsonOrForm)
    }

    pub(super) fn only_form(self) -> Self {
        self.written(Forms::Form)
    }

    fn written(mut self, forms: Forms) -> Self {
        if let Some(body) = &mut self.body {
            body.forms = forms;
        }
        self
    }

    pub(super) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    pub(super) fn answers<T: schemars::JsonSchema>(
        mut self,
        status: u16,
        about: &'static str,
    ) -> Self {
        let schema: fn(&mut SchemaGenerator) -> Schema = |generator| generator.subschema_for::<T>();
        let media_type = "application/json";
        self.answers.push(Answer { status, about, schema: Some(schema), media_type });
        self
    }

    pub(super) fn answers_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, schema: None, media_type: "" });
        self
    }

    /// The last answer has another media type than JSON's own.
    pub(super) fn written_as(mut self, media_type: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.media_type = media_type;
        }
        self
    }

    pub(super) fn problems(self, problems: &'static [&'static str]) -> Self {
        Self { problems, ..self }
    }
}
