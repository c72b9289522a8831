//! Requests and answers of HTTP/1.1, read whole and passed on as they are.

use std::io::{self, BufRead, Write};

/// A request or an answer.
pub(super) struct Message {
    /// All of it, as it came.
    pub(super) bytes: Vec<u8>,
    head: usize,
}

impl Message {
    /// A client's next request; none where it has no more. A client that asks whether it may send its body is let.
    pub(super) fn request(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<Option<Message>> {
        let Some(mut message) = Message::head(from)? else { return Ok(None) };
        if message.header("expect").is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue")) {
            to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        message.body(from)?;
        Ok(Some(message))
    }

    /// A server's answer to a request; none where it said nothing.
    pub(super) fn answer(from: &mut impl BufRead, to: &Message) -> io::Result<Option<Message>> {
        loop {
            let Some(mut message) = Message::head(from)? else { return Ok(None) };
            if message.status().is_some_and(|status| (100..200).contains(&status)) {
                continue;
            }
            if to.method() != "HEAD" {
                message.body(from)?;
            }
            return Ok(Some(message));
        }
    }

    fn head(from: &mut impl BufRead) -> io::Result<Option<Message>> {
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            if from.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes[before..] == *b"\r\n" {
                return Ok(Some(Message { head: bytes.len(), bytes }));
            }
        }
    }

    fn body(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        if self.header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
            return chunks(from, &mut self.bytes);
        }
        if let Some(length) = self.header("content-length") {
            let mut body = vec![0; length.parse().map_err(io::Error::other)?];
            from.read_exact(&mut body)?;
            self.bytes.extend(body);
        }
        Ok(())
    }

    /// A header's value, by any case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A request's method.
    pub(super) fn method(&self) -> &str {
        self.start_line().split(' ').next().unwrap_or_default()
    }

    /// A request's path, and its query.
    pub(super) fn target(&self) -> (&str, &str) {
        let target = self.start_line().split(' ').nth(1).unwrap_or_default();
        target.split_once('?').unwrap_or((target, ""))
    }

    /// What comes after the head, where that is text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.head..]).unwrap_or_default()
    }

    fn status(&self) -> Option<u16> {
        self.start_line().split(' ').nth(1)?.parse().ok()
    }

    fn start_line(&self) -> &str {
        self.lines().next().unwrap_or_default()
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(&self.bytes[..self.head]).unwrap_or_default().split("\r\n")
    }
}

fn chunks(from: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        let size = String::from_utf8_lossy(&line);
        let size = size.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        bytes.extend(&line);
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk)?;
        bytes.extend(chunk);
        if size == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_chunks_ends_where_it_ends() {
        let sent = b"PUT /b/k?x=y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let mut from = &sent[..];
        let first = Message::request(&mut from, &mut Vec::new()).unwrap().unwrap();
        assert_eq!((first.method(), first.target()), ("PUT", ("/b/k", "x=y")));
        let second = Message::request(&mut from, &mut Vec::new()).unwrap().unwrap();
        assert_eq!(second.method(), "GET");
        assert!(Message::request(&mut from, &mut Vec::new()).unwrap().is_none());
    }

    #[test]
    fn a_client_that_waits_for_leave_to_send_gets_it_and_the_server_s_is_not_passed_on() {
        let sent = b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok";
        let mut told = Vec::new();
        let request = Message::request(&mut &sent[..], &mut told).unwrap().unwrap();
        assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
        let answered = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        let answer = Message::answer(&mut &answered[..], &request).unwrap().unwrap();
        assert_eq!((answer.status(), answer.text()), (Some(200), "x"));
    }
}
