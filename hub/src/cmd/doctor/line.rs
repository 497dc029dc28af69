//! One question over HTTP to a program on this machine: no library, no TLS, a few seconds of patience.

use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const MOST: u64 = 1024 * 1024;

/// `GET /health`: status and page.
pub(super) fn health(address: SocketAddr) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes)?;
    read(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not a health page"))
}

fn read(bytes: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let page: Value = serde_json::from_str(body).ok()?;
    page["parts"].is_object().then_some((status, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_health_page_is_one() {
        let page = b"HTTP/1.0 503 Service Unavailable\r\nx: y\r\n\r\n{\"parts\":{}}";
        assert_eq!(read(page).map(|(status, _)| status), Some(503));
        for other in [&b""[..], b"HTTP/1.0 200 OK\r\n\r\nhello", b"HTTP/1.0 200 OK\r\n\r\n{}", b"SSH-2.0-x\r\n\r\n{}"] {
            assert_eq!(read(other), None);
        }
    }
}
