//! What Diesel does not tell of a PostgreSQL server, asked of libpq over a connection beside
//! Diesel's: the SQLSTATE of a refusal, and which process of the server answers.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use pq_sys as ffi;

/// A connection of libpq, closed when it is dropped.
pub(super) struct RawConnection(NonNull<ffi::PGconn>);

/// What became of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Accepted,
    /// With the SQLSTATE, if it was the server that refused.
    Refused(Option<String>),
}

/// Tries to connect once and tells by which SQLSTATE the server refuses it. Its texts do not tell:
/// they are in the server's language.
pub(super) fn attempt(url: &str, timeout: Duration) -> Attempt {
    use ffi::PostgresPollingStatusType::{
        PGRES_POLLING_FAILED, PGRES_POLLING_OK, PGRES_POLLING_READING,
    };
    let deadline = Instant::now() + timeout;
    // SAFETY: the text ends with a NUL.
    let Some(conn) = started(url, |url| unsafe { ffi::PQconnectStart(url) }) else {
        return Attempt::Refused(None);
    };
    // SAFETY: the connection is open or being opened until it is dropped, here and below.
    unsafe { ffi::PQsetErrorVerbosity(conn.0.as_ptr(), ffi::PGVerbosity::PQERRORS_SQLSTATE) };
    let mut readable = false;
    loop {
        if !conn.wait(readable, deadline) {
            return Attempt::Refused(None);
        }
        // SAFETY: as above.
        match unsafe { ffi::PQconnectPoll(conn.0.as_ptr()) } {
            PGRES_POLLING_OK => return Attempt::Accepted,
            PGRES_POLLING_FAILED => return Attempt::Refused(sqlstate(&conn.error())),
            state => readable = state == PGRES_POLLING_READING,
        }
    }
}

/// The code in `connection to server at .. failed: FATAL:  53300`; the last one, as there is one
/// for each way that was tried.
fn sqlstate(message: &str) -> Option<String> {
    let is_code = |word: &&str| {
        word.len() == 5
            && word
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_digit())
    };
    let mut codes = message.lines().rev().filter_map(|line| {
        let (_, code) = line.trim_end().rsplit_once(":  ")?;
        Some(code).filter(is_code)
    });
    codes.next().map(str::to_owned)
}

fn started(
    url: &str,
    start: impl FnOnce(*const std::ffi::c_char) -> *mut ffi::PGconn,
) -> Option<RawConnection> {
    let url = CString::new(url).ok()?;
    NonNull::new(start(url.as_ptr())).map(RawConnection)
}

impl RawConnection {
    /// Opens one; libpq bounds the time by the URL's `connect_timeout`. The error is its text.
    pub(super) fn open(url: &str) -> Result<Self, String> {
        // SAFETY: the text ends with a NUL.
        let conn = started(url, |url| unsafe { ffi::PQconnectdb(url) });
        let conn = conn.ok_or("the URL holds a NUL, or memory is short")?;
        // SAFETY: the connection lives until it is dropped, here and below.
        match unsafe { ffi::PQstatus(conn.0.as_ptr()) } {
            ffi::ConnStatusType::CONNECTION_OK => Ok(conn),
            _ => Err(conn.error()),
        }
    }

    /// The process that whoever accepted the connection said would serve it.
    pub(super) fn announced_process(&self) -> i32 {
        // SAFETY: as above.
        unsafe { ffi::PQbackendPID(self.0.as_ptr()) }
    }

    /// The process of the server that answers now; `None` when none does in time.
    pub(super) fn answering_process(&self, timeout: Duration) -> Option<i32> {
        let deadline = Instant::now() + timeout;
        let conn = self.0.as_ptr();
        // SAFETY: as above; the text ends with a NUL.
        let sent = unsafe { ffi::PQsendQuery(conn, c"SELECT pg_backend_pid()".as_ptr()) };
        if sent != 1 {
            return None;
        }
        loop {
            // SAFETY: as above.
            let (read, busy) = unsafe { (ffi::PQconsumeInput(conn), ffi::PQisBusy(conn)) };
            match (read, busy) {
                (0, _) => return None,
                (_, 0) => break,
                _ if self.wait(true, deadline) => {}
                _ => return None,
            }
        }
        // SAFETY: the result is there, or null, and is freed here alone; the value of a row that
        // is there ends with a NUL.
        unsafe {
            let result = ffi::PQgetResult(conn);
            if result.is_null() {
                return None;
            }
            let value = (ffi::PQntuples(result) == 1)
                .then(|| CStr::from_ptr(ffi::PQgetvalue(result, 0, 0)).to_str().ok())
                .flatten()
                .and_then(|text| text.parse().ok());
            ffi::PQclear(result);
            value
        }
    }

    fn error(&self) -> String {
        // SAFETY: as above; libpq always has a text, if an empty one.
        let text = unsafe { CStr::from_ptr(ffi::PQerrorMessage(self.0.as_ptr())) };
        text.to_string_lossy().into_owned()
    }

    /// Waits until its socket can be read or written; `false` when the time is over.
    #[cfg(unix)]
    fn wait(&self, readable: bool, deadline: Instant) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // SAFETY: as above.
        let socket = unsafe { ffi::PQsocket(self.0.as_ptr()) };
        if socket < 0 {
            // It failed before there was one; libpq tells so when it is asked.
            return Instant::now() < deadline;
        }
        // SAFETY: the socket is open as long as the connection, which outlives this function.
        let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
        let events = if readable {
            PollFlags::IN
        } else {
            PollFlags::OUT
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&socket, events)], left.as_ref()) {
            Ok(ready) => ready > 0,
            Err(error) => error == rustix::io::Errno::INTR,
        }
    }

    #[cfg(not(unix))]
    fn wait(&self, _readable: bool, deadline: Instant) -> bool {
        std::thread::sleep(Duration::from_millis(1));
        Instant::now() < deadline
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        // SAFETY: it was opened by libpq and is closed here alone.
        unsafe { ffi::PQfinish(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_refusal_is_read_whatever_the_language() {
        let at = "connection to server at \"h\" (::1), port 5432 failed";
        for (message, code) in [
            (format!("{at}: FATAL:  53300\n"), Some("53300")),
            (format!("{at}: ВАЖНО:  57P03\n"), Some("57P03")),
            (
                format!("{at}: FATAL:  28000\n{at}: FATAL:  3D000\n"),
                Some("3D000"),
            ),
            (
                format!("{at}: Connection refused\n\tIs the server running?\n"),
                None,
            ),
            (format!("{at}: timeout expired\n"), None),
            (format!("{at}: FATAL:  WORDS\n"), None),
            (String::new(), None),
        ] {
            assert_eq!(sqlstate(&message).as_deref(), code, "{message}");
        }
    }

    #[test]
    fn where_nobody_listens_there_is_no_code() {
        // Port 1 is for the superuser's services, of which no machine of today runs that one.
        let url = "postgres://nobody@127.0.0.1:1/none";
        let timeout = Duration::from_secs(10);
        assert_eq!(attempt(url, timeout), Attempt::Refused(None));
        assert!(RawConnection::open(url).is_err());
        assert_eq!(attempt("postgres://\0", timeout), Attempt::Refused(None));
    }
}
