//! Watching the files: something changed, a moment ago, and has been quiet since.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors and certificate tools write several files, in several steps; what comes within this is one change.
const QUIET: Duration = Duration::from_millis(300);

/// Sends a message after each change of any of `files`, until the receiver is dropped.
///
/// Folders are watched, not files: most tools replace files instead of writing into them, and a file that is
/// not there yet can appear.
///
/// # Errors
///
/// When the system gives no watch. SIGHUP then still works.
pub fn watch(files: &[PathBuf]) -> notify::Result<mpsc::Receiver<()>> {
    let (raw_sender, mut raw) = mpsc::unbounded_channel::<()>();
    let watched: Vec<PathBuf> = files
        .iter()
        .map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()))
        .collect();
    let folders: BTreeSet<PathBuf> =
        watched.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
    let mut watcher: RecommendedWatcher =
        notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if event.kind.is_access() {
                return;
            }
            // Mounted secrets change by a link beside them, so a change of the folder's links counts too.
            let ours = event.paths.iter().any(|path| {
                watched.contains(path) || path.file_name().is_some_and(|name| name == "..data")
            });
            if ours {
                let _gone = raw_sender.send(());
            }
        })?;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _alive = watcher;
        loop {
            tokio::select! {
                changed = raw.recv() => if changed.is_none() { return },
                () = sender.closed() => return,
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, raw.recv()).await {}
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
