//! A connection on which a test sends exactly the bytes it names, and sees what came back byte for byte.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::answer::Answer;
use super::soon;

/// One connection of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    head: Vec<u8>,
}

/// How an answer's content is delimited.
#[derive(Debug)]
enum Framing {
    Nothing,
    Length(u64),
    Chunked,
    Close,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        Self { stream: BufReader::new(stream), head: Vec::new() }
    }

    /// Sends bytes.
    ///
    /// # Panics
    ///
    /// If the other side has closed.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the connection is open");
    }

    /// Sends bytes for as long as the other side takes them.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Reads the answer to any request but HEAD.
    ///
    /// # Panics
    ///
    /// If it is not whole.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("the answer is whole")
    }

    /// Reads the answer to any request but HEAD.
    ///
    /// # Errors
    ///
    /// If the connection ends within it.
    pub(crate) async fn try_answer(&mut self) -> io::Result<Answer> {
        let (status, fields) = soon(self.read_head()).await?;
        let content = soon(self.read_content(framing(status, &fields))).await?;
        Ok(Answer { status, fields, content })
    }

    /// Reads an answer that has no content, as that to HEAD.
    pub(crate) async fn answer_without_content(&mut self) -> Answer {
        let (status, fields) = soon(self.read_head()).await.expect("the head is whole");
        Answer { status, fields, content: Bytes::new() }
    }

    /// The bytes of the last head that was read, with the empty line.
    pub(crate) fn head(&self) -> &str {
        std::str::from_utf8(&self.head).expect("heads are text")
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends it too.
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// Waits until the other side closes without another byte.
    pub(crate) async fn closes(&mut self) {
        assert_eq!(self.rest().await.escape_ascii().to_string(), "");
    }

    /// Reads content and only counts it, so that its size does not matter.
    pub(crate) async fn count_content(&mut self, length: u64) -> u64 {
        let mut content = (&mut self.stream).take(length);
        soon(tokio::io::copy(&mut content, &mut tokio::io::sink())).await.expect("the content can be read")
    }

    async fn read_head(&mut self) -> io::Result<(u16, HeaderMap)> {
        self.head.clear();
        loop {
            let line_start = self.head.len();
            self.stream.read_until(b'\n', &mut self.head).await?;
            match &self.head[line_start..] {
                b"\r\n" => break,
                line if line.ends_with(b"\r\n") => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(parse(std::str::from_utf8(&self.head).expect("heads are text")))
    }

    async fn read_content(&mut self, framing: Framing) -> io::Result<Bytes> {
        let mut content = Vec::new();
        match framing {
            Framing::Nothing => {}
            Framing::Length(length) => self.read_exactly(length, &mut content).await?,
            Framing::Chunked => self.read_chunks(&mut content).await?,
            Framing::Close => drop(self.stream.read_to_end(&mut content).await?),
        }
        Ok(content.into())
    }

    async fn read_chunks(&mut self, content: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let size = self.read_line().await?;
            let size = u64::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a chunk size: {size}"));
            if size == 0 {
                break;
            }
            self.read_exactly(size, content).await?;
            assert_eq!(self.read_line().await?, "");
        }
        while !self.read_line().await?.is_empty() {}
        Ok(())
    }

    async fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn read_exactly(&mut self, length: u64, content: &mut Vec<u8>) -> io::Result<()> {
        let read = (&mut self.stream).take(length).read_to_end(content).await?;
        if read as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn parse(head: &str) -> (u16, HeaderMap) {
    let mut lines = head.split_terminator("\r\n").filter(|line| !line.is_empty());
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a field: {line}"));
        let name = name.parse::<HeaderName>().expect("the name is good");
        (name, HeaderValue::from_str(value.trim()).expect("the value is good"))
    });
    let mut all = HeaderMap::new();
    for (name, value) in fields {
        all.append(name, value);
    }
    (status.unwrap_or_else(|| panic!("not an answer: {head}")), all)
}

fn framing(status: u16, fields: &HeaderMap) -> Framing {
    if matches!(status, 100..200 | 204 | 304) {
        return Framing::Nothing;
    }
    if fields.contains_key("transfer-encoding") {
        assert!(!fields.contains_key("content-length"), "an answer has both framing fields");
        return Framing::Chunked;
    }
    let length = fields.get("content-length").map(|length| length.to_str().ok().and_then(|length| length.parse().ok()));
    length.map_or(Framing::Close, |length| Framing::Length(length.expect("a length is a number")))
}
