//! A client that writes HTTP by hand, right or wrong, and reads what comes.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::process::{PATIENCE, Serving};

/// How often a client that does nothing else looks whether its connection still stands.
const LOOK: Duration = Duration::from_millis(50);

/// A connection to a server.
pub(crate) struct Wire(BufReader<TcpStream>);

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) fn to(serving: &Serving) -> Self {
        let stream = TcpStream::connect(serving.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends bytes that must arrive.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes to a server that may have closed.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more comes.
    pub(crate) fn say_no_more(&self) {
        // A server that has closed already is told nothing.
        let _ = self.0.get_ref().shutdown(Shutdown::Write);
    }

    /// The line with the status of the next answer, whatever follows it.
    #[track_caller]
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// The next answer, head and body.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).unwrap();
            assert!(read > 0, "the connection ended in {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        Answer { status, head, body }
    }

    /// What still comes until the server closes, in order or not.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if is_end(&error) => {}
            Err(error) => panic!("the connection stays open: {error}"),
        }
        rest
    }

    /// Sends byte after byte, slowly, until the server closes; how many there were.
    pub(crate) fn drip(&mut self, byte: u8) -> usize {
        self.0.get_ref().set_read_timeout(Some(LOOK)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        for sent in 0.. {
            assert!(Instant::now() < deadline, "the connection stays open");
            if self.try_send([byte]).is_err() {
                return sent;
            }
            match self.0.get_mut().read(&mut [0; 1]) {
                Ok(0) => return sent,
                Ok(_) => {}
                Err(error) if is_end(&error) => return sent,
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                ),
            }
        }
        unreachable!("it counts to the end of time")
    }

    /// Whether the server has broken the connection; reads nothing.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.get_ref().take_error().unwrap().is_some()
    }
}

fn is_end(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

impl Answer {
    /// Checks the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}{}", self.head, self.body);
        self
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
