//! Where in the order written a path leads: a tree of segments that answers "the first that matches".
//!
//! The order decides, not the exactness of a pattern, so a look-up follows the literal branch *and* the `*` branches of each
//! segment. It leaves a branch as soon as nothing in it could come before what it has found. A look-up visits no more
//! nodes than there are patterns that begin like the path, whatever the client sends.

use std::collections::{BTreeMap, HashMap};

use super::PathPattern;
use super::pattern::Part;

/// Patterns by their segments; what they lead to are positions in a list.
#[derive(Debug)]
pub(super) struct Index {
    /// The first position anywhere in this tree.
    first: usize,
    /// Positions of patterns that end here, and match a path that ends here, too. Ascending.
    closed: Vec<usize>,
    /// Positions of patterns that end here with `**`. Ascending.
    open: Vec<usize>,
    named: HashMap<Box<str>, Index>,
    /// By how a segment begins. There are few.
    beginning: BTreeMap<Box<str>, Index>,
    any: Option<Box<Index>>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            first: usize::MAX,
            closed: Vec::new(),
            open: Vec::new(),
            named: HashMap::new(),
            beginning: BTreeMap::new(),
            any: None,
        }
    }
}

impl Index {
    /// Adds `pattern` at `position`, which is larger than all before it.
    pub(super) fn insert(&mut self, pattern: &PathPattern, position: usize) {
        let (names, open) = pattern.parts();
        let mut node = self;
        node.first = node.first.min(position);
        for name in names {
            node = match name {
                Part::Exact(name) => node.named.entry(name.into()).or_default(),
                Part::Beginning(start) => node.beginning.entry(start.into()).or_default(),
                Part::Any => node.any.get_or_insert_default(),
            };
            node.first = node.first.min(position);
        }
        if open { node.open.push(position) } else { node.closed.push(position) }
    }

    /// The first position whose pattern matches the decoded segments `path` and which `accepts` takes.
    pub(super) fn first<'a>(
        &self,
        path: impl Iterator<Item = &'a str> + Clone,
        accepts: &impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut best = usize::MAX;
        self.search(path, accepts, &mut best);
        (best != usize::MAX).then_some(best)
    }

    fn search<'a>(
        &self,
        mut path: impl Iterator<Item = &'a str> + Clone,
        accepts: &impl Fn(usize) -> bool,
        best: &mut usize,
    ) {
        if self.first >= *best {
            return;
        }
        improve(&self.open, accepts, best);
        let Some(segment) = path.next() else {
            improve(&self.closed, accepts, best);
            return;
        };
        if let Some(named) = self.named.get(segment) {
            named.search(path.clone(), accepts, best);
        }
        for (start, index) in &self.beginning {
            if segment.starts_with(&**start) {
                index.search(path.clone(), accepts, best);
            }
        }
        if let Some(any) = &self.any {
            any.search(path, accepts, best);
        }
    }
}

fn improve(positions: &[usize], accepts: &impl Fn(usize) -> bool, best: &mut usize) {
    let mut earlier = positions.iter().copied().take_while(|position| *position < *best);
    if let Some(position) = earlier.find(|position| accepts(*position)) {
        *best = position;
    }
}
