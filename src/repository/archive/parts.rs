//! The bytes of a file, in rows of 256 KiB: a range of it reads the rows that it needs.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use diesel::prelude::*;

use crate::database::{BackendConnection, Database, Invalidation};
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::segment::SegmentBytes;
use crate::tables::archive_parts;

/// Bytes of a row. Smaller ones take more rows for a file, larger ones more than a look-up needs.
const PART_BYTES: u64 = 256 * 1_024;

/// Rows of one transaction, a megabyte: the writer is held for some 10 ms.
const PARTS_PER_TRANSACTION: usize = 4;

/// Stores the bytes of a version of a file that nobody reads yet, some rows a transaction. `is_ours`
/// says in each of them that the segment is still ours.
pub(super) fn store(
    db: &Database,
    segment: &ArchiveSegment,
    bytes: &Bytes,
    is_ours: impl Fn(&mut BackendConnection<'_>) -> Result<()> + Clone + Send + 'static,
) -> Result<()> {
    let (id, version) = (segment.id, segment.version + 1);
    let size = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
    let starts: Vec<usize> = (0..bytes.len()).step_by(size).collect();
    for (chunk, starts) in (0..).zip(starts.chunks(PARTS_PER_TRANSACTION)) {
        let (is_ours, first) = (is_ours.clone(), chunk * PARTS_PER_TRANSACTION);
        let parts: Vec<Bytes> = starts
            .iter()
            .map(|start| bytes.slice(*start..bytes.len().min(start + size)))
            .collect();
        db.write("archive.store_parts", move |conn| {
            let _said = conn.invalidates(Invalidation::Nothing);
            is_ours(conn)?;
            for (part, content) in (first..).zip(&parts) {
                let insert = diesel::insert_into(archive_parts::table).values((
                    archive_parts::segment_id.eq(id),
                    archive_parts::version.eq(version),
                    archive_parts::part.eq(i64::try_from(part).unwrap_or(i64::MAX)),
                    archive_parts::content.eq(content.as_ref()),
                ));
                crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Deletes the bytes of other versions than that of the segment, some rows a transaction: older ones, and
/// those of a file that a crash left unfinished. Whoever reads them still does so in a snapshot.
pub(super) fn delete_others(
    db: &Database,
    segment: &ArchiveSegment,
    is_ours: impl Fn(&mut BackendConnection<'_>) -> Result<()> + Clone + Send + 'static,
) -> Result<()> {
    let (id, version) = (segment.id, segment.version);
    loop {
        let is_ours = is_ours.clone();
        let deleted = db.write("archive.delete_parts", move |conn| {
            let _said = conn.invalidates(Invalidation::Nothing);
            is_ours(conn)?;
            let others = archive_parts::table
                .filter(archive_parts::segment_id.eq(id))
                .filter(archive_parts::version.ne(version))
                .select((archive_parts::version, archive_parts::part))
                .limit(i64::try_from(PARTS_PER_TRANSACTION).unwrap_or(i64::MAX));
            let others: Vec<(i64, i64)> = crate::on_backend!(&mut *conn, |c| others.load(c))?;
            for (version, part) in &others {
                let delete = diesel::delete(archive_parts::table.find((id, version, part)));
                crate::on_backend!(&mut *conn, |c| delete.execute(c))?;
            }
            Ok(others.len())
        })?;
        if deleted == 0 {
            return Ok(());
        }
    }
}

/// The bytes of a segment's file, read on a connection whose snapshot the segment was read in.
pub(super) struct PartBytes<'c, 'b> {
    conn: &'c mut BackendConnection<'b>,
    segment_id: i64,
    version: i64,
    length: u64,
}

impl<'c, 'b> PartBytes<'c, 'b> {
    pub(super) fn of(conn: &'c mut BackendConnection<'b>, segment: &ArchiveSegment) -> Self {
        Self {
            conn,
            segment_id: segment.id,
            version: segment.version,
            length: u64::try_from(segment.bytes).unwrap_or(0),
        }
    }
}

impl SegmentBytes for PartBytes<'_, '_> {
    fn length(&self) -> Result<u64> {
        Ok(self.length)
    }

    fn read(&mut self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let part = |at: u64| i64::try_from(at / PART_BYTES).unwrap_or(i64::MAX);
        let (first, last) = (part(range.start), part(range.end - 1));
        let query = archive_parts::table
            .filter(archive_parts::segment_id.eq(self.segment_id))
            .filter(archive_parts::version.eq(self.version))
            .filter(archive_parts::part.between(first, last))
            .order(archive_parts::part.asc())
            .select(archive_parts::content);
        let parts: Vec<Vec<u8>> = crate::on_backend!(&mut *self.conn, |c| query.load(c))?;
        let start = usize::try_from(range.start % PART_BYTES).unwrap_or(usize::MAX);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(length);
        let whole = parts.iter().map(Vec::len).sum::<usize>() >= end;
        if !whole || parts.len() as i64 != last - first + 1 {
            return Err(Error::Corrupt {
                what: "archive_parts",
                value: format!("segment {}", self.segment_id),
                reason: "lacks a part of its file; restore a backup".to_owned(),
            });
        }
        if let [only] = &parts[..] {
            return Ok(Bytes::copy_from_slice(
                only.get(start..end).unwrap_or_default(),
            ));
        }
        let mut joined = BytesMut::with_capacity(parts.iter().map(Vec::len).sum());
        parts.iter().for_each(|part| joined.extend_from_slice(part));
        Ok(joined.freeze().slice(start..end))
    }
}
