//! What a check came to.

/// How good it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As it must be.
    Ok,
    /// It works, but something will be missed.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be, or need not be, looked at.
    Skip,
}

impl Verdict {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What was looked at, in a few words that stay the same.
    pub check: &'static str,
    /// How good it is.
    pub verdict: Verdict,
    /// What was found; when it was skipped, why.
    pub found: String,
    /// The command or the line of `config.yaml` that mends it. There is one for most that is not good.
    pub mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    pub(super) fn warn(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn fail(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn skip(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skip, found: why.into(), mend: None }
    }
}

/// What a judgement of one check came to, for tables in tests.
#[cfg(test)]
pub(super) fn told(finding: &Finding) -> (&'static str, &str) {
    (finding.verdict.name(), finding.mend.as_deref().unwrap_or_default())
}
