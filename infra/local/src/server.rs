//! HTTP/1.1 on a loopback port.

use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use lambda_http::Body;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::Mutex};

use crate::{
    Service,
    gateway::{Gateway, HttpRequest, HttpResponse, refused},
    mailbox,
    trace::Operation,
};

/// What API Gateway takes; the functions take less.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// What API Gateway takes.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// For the headers, and again for the body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests that are under way when the server is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A server, ready to be run.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    gateway: Arc<Gateway>,
    trace: Option<Arc<Mutex<tokio::fs::File>>>,
}

impl Server {
    /// A server of this service.
    ///
    /// - `trace`: where to write, for each request, the calls of DynamoDB and KMS that it made, as a line of JSON.
    ///
    /// # Errors
    ///
    /// If that file cannot be opened.
    pub async fn new(service: Arc<Service>, trace: Option<PathBuf>) -> io::Result<Self> {
        let trace = match trace {
            Some(path) => {
                let file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
                Some(Arc::new(Mutex::new(file)))
            }
            None => None,
        };
        Ok(Self { gateway: Arc::new(Gateway::new(&service.template)), service, trace })
    }

    /// Serves until `stopped`, then lets what is under way finish.
    pub async fn run(self, listener: TcpListener, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let graceful = GracefulShutdown::new();
        let this = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stopped => break,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of file handles: give those that are open time to close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let this = this.clone();
            let service = service_fn(move |request| {
                let this = this.clone();
                async move { Ok::<_, Infallible>(this.answer(request, peer).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(READ_TIMEOUT)
                .max_buf_size(MAX_HEADER_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            let watched = graceful.watch(connection);
            // An error here is the client's: it went away or sent what is no HTTP.
            tokio::spawn(async move { drop(watched.await) });
        }
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = match tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return to_http(refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
            }
            Ok(Err(_)) => return to_http(refused(StatusCode::BAD_REQUEST, "the body is malformed")),
            Err(_) => return to_http(refused(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        };
        if parts.method == hyper::Method::GET && parts.uri.path() == "/dev/mail" {
            return self.mail_page();
        }
        let request =
            HttpRequest { method: parts.method, uri: parts.uri, headers: parts.headers, body, source: peer.ip() };
        let (response, operations) = self.gateway.call(&self.service, request).await;
        self.note(&operations).await;
        to_http(response)
    }

    fn mail_page(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(mailbox::page(&self.service.mailbox.list())));
        let html = hyper::header::HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, html);
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let policy = hyper::header::HeaderValue::from_static(policy);
        response.headers_mut().insert(hyper::header::CONTENT_SECURITY_POLICY, policy);
        functions::http::add_headers(&mut response);
        response
    }

    async fn note(&self, operations: &[Operation]) {
        if let Some(file) = &self.trace {
            let line = json!(operations).to_string() + "\n";
            // A trace that cannot be written is missed by the test that reads it.
            let _ = file.lock().await.write_all(line.as_bytes()).await;
        }
    }
}

fn to_http(response: HttpResponse) -> Response<Full<Bytes>> {
    response.map(|body| match body {
        Body::Text(text) => Full::from(text),
        Body::Binary(bytes) => Full::from(bytes),
        _ => Full::default(),
    })
}
