//! Answers that were written to the disk, because their parts are asked for one after the other: each a
//! temporary file without a name, kept while somebody asks for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;

use super::ranged::RangedBytes;

/// Files that are kept at once.
const FILES_MAX: u64 = 8;
/// The time that a file is kept after the last look at it.
const KEPT: Duration = Duration::from_secs(60);

/// The files, by path and query.
#[derive(Clone)]
pub(super) struct SpooledFiles(Cache<String, SpooledFile>);

impl Default for SpooledFiles {
    fn default() -> Self {
        // The newest is kept, however often others were asked for: its reader has only begun.
        let files = Cache::builder().eviction_policy(EvictionPolicy::lru());
        Self(files.max_capacity(FILES_MAX).time_to_idle(KEPT).build())
    }
}

impl SpooledFiles {
    /// The file of a key, unless it is older than its reader takes it.
    pub(super) fn get(&self, key: &str, age_max: Option<Duration>) -> Option<SpooledFile> {
        let file = self.0.get(key)?;
        let is_young = age_max.is_none_or(|most| file.made_at.elapsed() <= most);
        is_young.then_some(file)
    }

    /// Keeps a file for a while.
    pub(super) fn insert(&self, key: String, file: SpooledFile) {
        self.0.insert(key.clone(), file);
        let files = self.0.clone();
        // The cache lets go of what nobody has looked at only when it is asked to.
        tokio::spawn(async move {
            while files.contains_key(&key) {
                tokio::time::sleep(KEPT).await;
                files.run_pending_tasks();
            }
        });
    }
}

/// A whole file on the disk.
#[derive(Clone)]
pub(super) struct SpooledFile {
    file: Arc<Mutex<File>>,
    size: u64,
    /// Names this file among all that were made for the same query.
    tag: HeaderValue,
    media_type: &'static str,
    made_at: Instant,
}

impl SpooledFile {
    pub(super) fn new(file: File, size: u64, media_type: &'static str) -> Self {
        let tag = HeaderValue::try_from(format!("\"{}\"", uuid::Uuid::new_v4().simple()));
        Self {
            file: Arc::new(Mutex::new(file)),
            size,
            tag: tag.unwrap_or(HeaderValue::from_static("\"\"")),
            media_type,
            made_at: Instant::now(),
        }
    }

    fn piece(&self, from: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut piece = vec![0; length];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut piece)?;
        Ok(piece)
    }
}

impl RangedBytes for SpooledFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn tag(&self) -> HeaderValue {
        self.tag.clone()
    }

    fn media_type(&self) -> &'static str {
        self.media_type
    }

    async fn read(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        let file = self.clone();
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let read = tokio::task::spawn_blocking(move || file.piece(range.start, length));
        read.await.map_err(std::io::Error::other)?.map(Bytes::from)
    }
}
