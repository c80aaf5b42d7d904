//! A web site of somebody else: a server of one page, which can make room for another on its port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A site that answers each request with one page until it is dropped.
pub(crate) struct Stranger {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    /// Serves this text as HTML on a free port.
    pub(crate) fn serve(page: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                answer(stream, page);
            }
        });
        Self {
            address,
            ends,
            thread: Some(thread),
        }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It waits for a connection.
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn answer(mut stream: TcpStream, page: &str) {
    // A browser connects ahead of what it asks for: such a connection says nothing.
    stream
        .set_read_timeout(Some(std::time::Duration::from_millis(300)))
        .ok();
    // A request of a browser for a page is one packet.
    if stream.read(&mut [0; 16_384]).is_err() {
        return;
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).ok();
    stream.write_all(page.as_bytes()).ok();
}
