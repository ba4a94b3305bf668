//! Just enough XML to read what WebDAV clients ask for.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The root element, or nothing if there is none or it does not end.
    pub(crate) fn parse(document: &str) -> Option<Self> {
        let mut rest = document;
        let mut open: Vec<(Self, BTreeMap<String, String>)> = Vec::new();
        loop {
            let (text, after) = rest.split_once('<')?;
            if let Some((element, _)) = open.last_mut() {
                element.text.push_str(&unescaped(text.trim()));
            }
            if let Some(comment) = after.strip_prefix("!--") {
                rest = comment.split_once("-->")?.1;
                continue;
            }
            let (tag, after) = after.split_once('>')?;
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            let closes = tag.starts_with('/');
            if !closes {
                let names = open.last().map(|(_, names)| names.clone()).unwrap_or_default();
                open.push(Self::opened(tag.trim_end_matches('/'), names));
            }
            if closes || tag.ends_with('/') {
                let (element, _) = open.pop()?;
                match open.last_mut() {
                    Some((parent, _)) => parent.children.push(element),
                    None => return Some(element),
                }
            }
        }
    }

    fn opened(tag: &str, mut names: BTreeMap<String, String>) -> (Self, BTreeMap<String, String>) {
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let mut rest = attributes;
        while let Some((key, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().unwrap_or('"');
            let Some((value, after)) = after.get(1..).and_then(|text| text.split_once(quote))
            else {
                break;
            };
            let key = key.trim();
            if key == "xmlns" {
                names.insert(String::new(), value.to_owned());
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                names.insert(prefix.to_owned(), value.to_owned());
            }
            rest = after;
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let namespace = names.get(prefix).cloned().unwrap_or_default();
        (Self { namespace, name: local.trim().to_owned(), ..Self::default() }, names)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The properties that its `prop` names.
    pub(crate) fn named_properties(&self) -> Option<Vec<(String, String)>> {
        let names = self.child("prop")?.children.iter();
        Some(names.map(|child| (child.namespace.clone(), child.name.clone())).collect())
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&#039;", "'").replace("&amp;", "&")
}
