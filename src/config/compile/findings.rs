//! What is wrong with the meaning of the file, without what only follows from something that was reported already.

use std::path::Path;

use crate::config::yaml::Node;
use crate::config::{Problem, Problems};

/// The problems of a file, beside the tree that says which parts of it are stand-ins.
pub(super) struct Findings<'a> {
    tree: &'a Node,
    problems: &'a mut Problems,
}

impl<'a> Findings<'a> {
    pub(super) fn new(tree: &'a Node, problems: &'a mut Problems) -> Self {
        Self { tree, problems }
    }

    /// Reports what is wrong with `path` by itself. Nothing more is said about a part that does not even have the right form.
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>) {
        if !self.tree.is_unfit(path) {
            self.problems.push(Problem::new(path, message));
        }
    }

    /// Reports what is wrong with `path` because of what stands, or does not stand, at `others`: not when that is in doubt.
    pub(super) fn add_beside(&mut self, path: &str, others: &[&str], message: impl Into<String>) {
        if !others.iter().any(|other| self.is_doubtful(other)) {
            self.add(path, message);
        }
    }

    /// Whether nobody can tell what is meant to stand at `path`.
    pub(super) fn is_doubtful(&self, path: &str) -> bool {
        self.tree.is_doubtful(path) || self.problems.iter().any(|problem| problem.path == path)
    }

    /// The name of the file that `path` names; without what a variable held, which may have been meant for somewhere else.
    pub(super) fn name_of(&self, path: &str, file: &Path) -> String {
        match self.tree.at(path).and_then(|node| node.written.as_deref()) {
            Some(written) => written.to_owned(),
            None => file.display().to_string(),
        }
    }
}
