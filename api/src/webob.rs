//! Bodies that WebOb writes for Heat: 202, 302, 404 of an unknown path, 503.
//!
//! They come as JSON, HTML or plain text, as `Accept` asks (WebOb's `WSGIHTTPException`). What makes such an answer does
//! not know the request's `Accept`: it leaves a [`Page`] in the response, and [`render`] writes it on the way out.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::fault::explanation;

/// A body that is still to be written: HTML, already escaped.
#[derive(Debug, Clone)]
struct Page(String);

/// An answer with WebOb's words for a status. `detail` is ours, or empty.
pub(crate) fn page(status: StatusCode, detail: &str) -> Response {
    leave(status, format!("{}<br /><br />\n{}\n\n", explanation(status), escape(detail)))
}

/// 302 to an absolute URL.
pub(crate) fn found(location: &str) -> Response {
    let shown = escape(location);
    let text = format!(
        "The resource was found at <a href=\"{shown}\">{shown}</a>;\nyou should be redirected automatically.\n\n"
    );
    let mut response = leave(StatusCode::FOUND, text);
    // A URL made of a path and a host that were headers and URIs themselves; what can't be one leads nowhere.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn leave(status: StatusCode, text: String) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Page(text));
    response
}

/// Writes the body of an answer that has none yet.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut response = next.run(request).await;
    let Some(Page(text)) = response.extensions_mut().remove() else { return response };
    let (kind, body) = write(response.status(), &text, &accept);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    response
}

fn write(status: StatusCode, text: &str, accept: &str) -> (&'static str, String) {
    let title = status.canonical_reason().unwrap_or_default();
    let line = format!("{} {title}", status.as_u16());
    let (html, json) = (quality(accept, "text", "html"), quality(accept, "application", "json"));
    if html > 0 && html >= json {
        let page = format!(
            "<html>\n <head>\n  <title>{line}</title>\n </head>\n <body>\n  <h1>{line}</h1>\n  {text}\n </body>\n</html>"
        );
        ("text/html; charset=UTF-8", page)
    } else if json > 0 {
        ("application/json", json!({"message": text, "code": line, "title": title}).to_string())
    } else {
        ("text/plain; charset=UTF-8", format!("{line}\n\n{}", plain(text)))
    }
}

/// How much a media type is wanted, in thousandths; the most specific range counts (RFC 9110, 12.5.1). 0: not at all.
fn quality(accept: &str, kind: &str, subtype: &str) -> u16 {
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let (main, sub) = parts.next().and_then(|media| media.split_once('/')).unwrap_or_default();
        let specific = match (main.eq_ignore_ascii_case(kind), sub.eq_ignore_ascii_case(subtype)) {
            (true, true) => 3,
            (true, false) if sub == "*" => 2,
            _ if (main, sub) == ("*", "*") => 1,
            _ => continue,
        };
        let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f64>().ok());
        let thousandths = (q.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16;
        if specific > best.0 {
            best = (specific, thousandths);
        }
    }
    best.1
}

/// WebOb's `strip_tags`.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.replace('\n', " ");
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else { break };
        if rest[open..].starts_with("<br") {
            out.push('\n');
        }
        rest = rest[open + close + 1..].to_owned();
    }
    out.push_str(&rest);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_accept_asks_for() {
        let text = "The resource could not be found.<br /><br />\n\n\n";
        let kind = |accept: &str| write(StatusCode::NOT_FOUND, text, accept).0;
        assert_eq!(kind("application/json"), "application/json");
        assert_eq!(kind("text/html"), "text/html; charset=UTF-8");
        assert_eq!(kind("*/*"), "text/html; charset=UTF-8");
        assert_eq!(kind("text/html;q=0.5, application/json"), "application/json");
        assert_eq!(kind("*/*, text/html;q=0"), "application/json");
        assert_eq!(kind(""), "text/plain; charset=UTF-8");
        assert_eq!(kind("image/png"), "text/plain; charset=UTF-8");
        assert_eq!(kind(";;,/,q="), "text/plain; charset=UTF-8");
        // As in transcript 110.
        let json = r#"{"message":"The resource could not be found.<br /><br />\n\n\n","code":"404 Not Found","title":"Not Found"}"#;
        assert_eq!(write(StatusCode::NOT_FOUND, text, "application/json").1, json);
        assert!(
            write(StatusCode::NOT_FOUND, text, "")
                .1
                .starts_with("404 Not Found\n\nThe resource could not be found.\n\n")
        );
    }

    #[test]
    fn nothing_of_a_url_becomes_markup() {
        let response = found("http://h/v1/p/stacks/<script>&\"");
        let text = response.extensions().get::<Page>().map(|page| page.0.clone()).unwrap_or_default();
        assert!(!text.contains("<script>"), "{text}");
    }
}
