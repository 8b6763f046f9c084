//! Bodies that are too large to be held: an answer that is read part by part, and a request whose body is made as it goes.
//!
//! A time limit is for each part here, not for the whole: what moves may take as long as it takes. What asks
//! ([`Session::open`]) is sent again as other requests are, as long as nothing of its body was read. What carries a body
//! ([`Session::pour`]) too: the body is made anew for each try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Body, StatusCode};

use crate::error::{Call, Error};
use crate::http::{self, Http};
use crate::request::Request;
use crate::session::Session;

/// An answer below 400 whose body is still to come.
#[derive(Debug)]
pub struct Open {
    call: Call,
    pub status: StatusCode,
    pub headers: HeaderMap,
    response: reqwest::Response,
    /// For one part of the body.
    patience: Duration,
}

impl Open {
    /// The next part of the body, `None` at its end. An answer that ends too early is an error.
    pub async fn part(&mut self) -> Result<Option<Bytes>, Error> {
        let none = |why: String| Error::NoAnswer { call: self.call.clone(), why, sent: true };
        match tokio::time::timeout(self.patience, self.response.chunk()).await {
            Ok(part) => part.map_err(|error| none(http::root(&error))),
            Err(_) => Err(none("no part of the answer in time".to_owned())),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Session {
    /// Sends a question and leaves its answer's body to be read. Errors are as those of [`Session::send`].
    pub async fn open(&self, request: Request) -> Result<Open, Error> {
        let mut renewed = false;
        loop {
            let (carrying, issued) = self.carrying_token(request.clone()).await?;
            match self.http().open(carrying).await {
                Err(error) if !renewed && self.may_renew(&error, issued).await => renewed = true,
                answer => return answer,
            }
        }
    }

    /// Sends what `body` gives, which must be `length` bytes, and reads the answer whole; its headers. A body that ends with
    /// an error breaks the request off, and a service keeps nothing of it.
    pub async fn pour<S, E>(
        &self,
        request: Request,
        length: u64,
        mut body: impl FnMut() -> S,
    ) -> Result<HeaderMap, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let mut renewed = false;
        loop {
            let (carrying, issued) = self.carrying_token(request.clone()).await?;
            match self.http().pour(carrying, length, &mut body).await {
                Err(error) if !renewed && self.may_renew(&error, issued).await => renewed = true,
                answer => return answer,
            }
        }
    }
}

impl Http {
    async fn open(&self, request: Request) -> Result<Open, Error> {
        let mut tried = 0;
        loop {
            match self.open_once(&request).await {
                Err(error) => self.may_try_again(&request, &mut tried, error).await?,
                open => return open,
            }
        }
    }

    async fn open_once(&self, request: &Request) -> Result<Open, Error> {
        // Given back with the headers: who reads several answers at a time must not wait for himself.
        let _turn = self.turn(request).await?;
        let patience = self.settings().answer;
        let Ok(answer) = tokio::time::timeout(patience, self.built(request).send()).await else {
            return Err(Error::NoAnswer { call: request.call(), why: "no answer in time".to_owned(), sent: true });
        };
        let mut response = answer.map_err(|error| http::unanswered(request, &error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut open = Open { call: request.call(), status, headers, response, patience };
        if status.is_client_error() || status.is_server_error() {
            let body = open.part().await?.unwrap_or_default();
            return Err(http::answered(request, status, &open.headers, &body));
        }
        Ok(open)
    }

    async fn pour<S, E>(&self, request: Request, length: u64, body: &mut impl FnMut() -> S) -> Result<HeaderMap, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let mut tried = 0;
        loop {
            match self.pour_once(&request, length, body()).await {
                Err(error) => self.may_try_again(&request, &mut tried, error).await?,
                done => return done,
            }
        }
    }

    async fn pour_once<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        request: &Request,
        length: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<HeaderMap, Error> {
        let _turn = self.turn(request).await?;
        let (patience, began) = (self.settings().answer, Instant::now());
        // When the last part was taken, in milliseconds since the beginning.
        let moved = Arc::new(AtomicU64::new(0));
        let tell = Arc::clone(&moved);
        let body = body.inspect(move |_| tell.store(began.elapsed().as_millis() as u64, Relaxed));
        let sent = self.built(request).header(CONTENT_LENGTH, length).body(Body::wrap_stream(body)).send();
        let mut sent = std::pin::pin!(sent);
        let response = loop {
            tokio::select! {
                answer = &mut sent => break answer.map_err(|error| http::unanswered(request, &error))?,
                () = tokio::time::sleep(patience / 10) => {
                    if began.elapsed() > Duration::from_millis(moved.load(Relaxed)) + patience {
                        let why = "nothing was taken, and nothing answered, in time".to_owned();
                        return Err(Error::NoAnswer { call: request.call(), why, sent: true });
                    }
                }
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = tokio::time::timeout(patience, response.bytes()).await.map(Result::unwrap_or_default);
        if status.is_client_error() || status.is_server_error() {
            return Err(http::answered(request, status, &headers, &body.unwrap_or_default()));
        }
        Ok(headers)
    }
}
