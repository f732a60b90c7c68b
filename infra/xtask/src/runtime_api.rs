//! What Lambda is to a function: an HTTP server that hands out events and takes answers, as slow as nothing at all.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{run::Failure, suites::now};

/// A function asked for an event.
pub(crate) struct RuntimeApi {
    listener: TcpListener,
}

/// One process of a function, which waits for an event.
pub(crate) struct Waiting {
    stream: BufReader<TcpStream>,
    /// When it first asked.
    pub(crate) asked_at: Instant,
    requests: u32,
}

impl RuntimeApi {
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self { listener: TcpListener::bind(("127.0.0.1", 0))? })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> Result<String, Failure> {
        Ok(self.listener.local_addr()?.to_string())
    }

    /// Waits until a process asks for its first event.
    pub(crate) fn accept(&self) -> Result<Waiting, Failure> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let (path, body) = read(&mut stream)?;
        if !path.ends_with("/next") {
            return Err(format!("it began with {path}: {body}").into());
        }
        Ok(Waiting { stream, asked_at: now(), requests: 0 })
    }
}

impl Waiting {
    /// Hands out an event, waits for the answer and for the next question. The time from event to answer, in
    /// milliseconds, and the answer.
    pub(crate) fn invoke(&mut self, api: &RuntimeApi, event: &str) -> Result<(f64, String), Failure> {
        self.requests += 1;
        let started_at = now();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: {0:08}\r\n\
             lambda-runtime-deadline-ms: 4102444800000\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:local:000000000000:function:f\r\n\
             lambda-runtime-trace-id: Root=1-00000000-000000000000000000000000;Sampled=0\r\ncontent-length: {1}\r\n\r\n",
            self.requests,
            event.len()
        );
        self.stream.get_mut().write_all((head + event).as_bytes())?;
        // A client may answer on the connection it asked on, or on a new one.
        let (path, body) = self.next_request(api)?;
        let millis = started_at.elapsed().as_secs_f64() * 1000.0;
        if !path.ends_with("/response") {
            return Err(format!("it answered with {path}: {body}").into());
        }
        self.stream.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        let (path, _) = self.next_request(api)?;
        if !path.ends_with("/next") {
            return Err(format!("it went on with {path}").into());
        }
        Ok((millis, body))
    }

    fn next_request(&mut self, api: &RuntimeApi) -> Result<(String, String), Failure> {
        api.listener.set_nonblocking(true)?;
        self.stream.get_ref().set_read_timeout(Some(std::time::Duration::from_micros(200)))?;
        let found = loop {
            if let Ok((stream, _)) = api.listener.accept() {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                self.stream = BufReader::new(stream);
                break Ok(());
            }
            match self.stream.fill_buf() {
                Ok(bytes) if !bytes.is_empty() => break Ok(()),
                Ok(_) => break Err("it hung up".into()),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(error) => break Err(Failure::from(error)),
            }
        };
        api.listener.set_nonblocking(false)?;
        self.stream.get_ref().set_read_timeout(None)?;
        found?;
        read(&mut self.stream)
    }
}

/// The path and body of one request.
fn read(stream: &mut BufReader<TcpStream>) -> Result<(String, String), Failure> {
    let mut line = || -> Result<String, Failure> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err("it hung up".into());
        }
        Ok(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let header = line()?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse()?;
        }
        chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let size = usize::from_str_radix(&line_of(stream)?, 16)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
    }
    Ok((path, String::from_utf8(body)?))
}

fn line_of(stream: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
