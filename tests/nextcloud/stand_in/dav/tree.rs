//! Everything that WebDAV can see, by full path: `/files/alice/a.txt`, `/uploads/alice/x/1`, `/calendars/alice/personal`.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    AddressBook,
    Calendar,
    File,
    Folder,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: String,
    /// Without the quotes.
    pub(crate) etag: String,
    pub(crate) file_id: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) checksum: Option<String>,
    /// Properties that somebody has set, by namespace and name.
    pub(crate) properties: BTreeMap<(String, String), String>,
    /// The token and its owner's comment.
    pub(crate) lock: Option<(String, String)>,
}

impl Node {
    pub(crate) fn is_folder(&self) -> bool {
        self.kind != Kind::File
    }
}

/// Whether something was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Created,
    Replaced,
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
    numbered: u64,
}

impl Tree {
    /// The home, the calendar and the address book that a first login makes.
    pub(crate) fn add_user(&mut self, user: &str, skeleton: &[(String, String)], now: i64) {
        for home in ["files", "uploads", "calendars", "addressbooks/users"] {
            self.make(&format!("/{home}/{user}"), Kind::Folder, now);
        }
        self.make(&format!("/calendars/{user}/personal"), Kind::Calendar, now);
        self.make(&format!("/addressbooks/users/{user}/contacts"), Kind::AddressBook, now);
        for (name, text) in skeleton {
            self.put(&format!("/files/{user}/{name}"), text.clone().into_bytes(), None, now);
        }
    }

    pub(crate) fn remove_user(&mut self, user: &str) {
        for home in ["files", "uploads", "calendars", "addressbooks/users"] {
            self.remove(&format!("/{home}/{user}"));
        }
    }

    /// How many bytes the files of a user hold.
    pub(crate) fn used_by(&self, user: &str) -> i64 {
        let home = format!("/files/{user}");
        self.size(&home)
    }

    /// The bytes of a file, or of all files below a folder.
    pub(crate) fn size(&self, path: &str) -> i64 {
        let sizes = self.below(path).map(|(_, node)| node.bytes.len());
        i64::try_from(sizes.sum::<usize>()).unwrap_or(i64::MAX)
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.find(path).filter(|node| !node.is_folder()).map(|node| node.bytes.clone())
    }

    pub(crate) fn find_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// The path itself and everything below it.
    pub(crate) fn below<'t>(&'t self, path: &str) -> impl Iterator<Item = (&'t String, &'t Node)> {
        let (path, inside) = (path.to_owned(), format!("{path}/"));
        self.nodes
            .range(path.clone()..)
            .filter(move |(key, _)| **key == path || key.starts_with(&inside))
    }

    /// The direct children.
    pub(crate) fn children(&self, path: &str) -> Vec<(&String, &Node)> {
        let direct = |key: &&String| key.rsplit_once('/').is_some_and(|(parent, _)| parent == path);
        self.nodes.iter().filter(|(key, _)| direct(key)).collect()
    }

    pub(crate) fn make(&mut self, path: &str, kind: Kind, now: i64) {
        let node = self.new_node(kind, Vec::new(), now);
        self.nodes.insert(path.to_owned(), node);
        self.touch_parents(path);
    }

    pub(crate) fn put(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        content_type: Option<&str>,
        modified: i64,
    ) -> Stored {
        let stored = match self.nodes.get_mut(path) {
            Some(node) => {
                node.etag = etag(&bytes, node.file_id, self.numbered);
                node.bytes = bytes;
                node.modified = modified;
                self.numbered += 1;
                Stored::Replaced
            }
            None => {
                let node = self.new_node(Kind::File, bytes, modified);
                self.nodes.insert(path.to_owned(), node);
                Stored::Created
            }
        };
        let guessed = guess_type(path).or(content_type).unwrap_or("application/octet-stream");
        if let Some(node) = self.nodes.get_mut(path) {
            guessed.clone_into(&mut node.content_type);
        }
        self.touch_parents(path);
        stored
    }

    pub(crate) fn remove(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.nodes.retain(|key, _| key != path && !key.starts_with(&inside));
        self.touch_parents(path);
    }

    /// Copies with everything below; locks stay where they are.
    pub(crate) fn copy(&mut self, from: &str, to: &str) {
        let found: Vec<(String, Node)> =
            self.below(from).map(|(key, node)| (key.clone(), node.clone())).collect();
        self.remove(to);
        for (key, mut node) in found {
            let rest = key.strip_prefix(from).unwrap_or_default();
            self.numbered += 1;
            node.file_id = self.numbered;
            node.lock = None;
            self.nodes.insert(format!("{to}{rest}"), node);
        }
        self.touch_parents(to);
    }

    /// Moves with everything below; ids of files stay.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let found: Vec<(String, Node)> =
            self.below(from).map(|(key, node)| (key.clone(), node.clone())).collect();
        self.remove(from);
        self.remove(to);
        for (key, mut node) in found {
            let rest = key.strip_prefix(from).unwrap_or_default();
            node.lock = None;
            self.nodes.insert(format!("{to}{rest}"), node);
        }
        self.touch_parents(to);
    }

    fn new_node(&mut self, kind: Kind, bytes: Vec<u8>, modified: i64) -> Node {
        self.numbered += 1;
        Node {
            kind,
            etag: etag(&bytes, self.numbered, self.numbered),
            bytes,
            content_type: String::new(),
            file_id: self.numbered,
            modified,
            checksum: None,
            properties: BTreeMap::new(),
            lock: None,
        }
    }

    /// Folders get a new `ETag` when something below them changes: that is how sync clients find it.
    fn touch_parents(&mut self, path: &str) {
        let mut rest = path;
        while let Some((parent, _)) = rest.rsplit_once('/') {
            self.numbered += 1;
            if let Some(node) = self.nodes.get_mut(parent) {
                node.etag = etag(&[], node.file_id, self.numbered);
            }
            rest = parent;
        }
    }
}

fn etag(bytes: &[u8], id: u64, change: u64) -> String {
    let mut text = bytes.to_vec();
    text.extend(format!("{id} {change}").into_bytes());
    let hash = digest(&SHA256, &text);
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn guess_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" => "text/html",
        "json" => "application/json",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "ics" => "text/calendar; charset=utf-8",
        "vcf" => "text/vcard; charset=utf-8",
        _ => return None,
    })
}
