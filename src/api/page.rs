//! The page at `/`: prices, charts, alerts, health, coverage and imports for people.
//!
//! Owns which files a browser gets, and how: they are compiled in, packed once, and named by a hash
//! of their content, so that a browser asks for none of them twice. What they show, they ask the API
//! for, as any client does. They need no token, so that the page itself can ask for one.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::respond::no_such_path;
use super::state::ApiState;

/// The page takes everything from this server. Styles that its scripts set on an element need no
/// exception; those written into the text would.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; \
     frame-ancestors 'none'",
);

/// Asked again each time, answered by the hash: a new server has new files under the same names.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the page, as it is compiled in.
struct PageFile {
    /// Below `/page/`.
    path: &'static str,
    bytes: &'static [u8],
}

/// All of them; `build.rs` writes the list.
const FILES: &[PageFile] = &include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// The page itself.
const INDEX: &str = "index.html";

/// A file as it is sent.
struct ServedFile {
    of: &'static PageFile,
    gzip: Vec<u8>,
    media_type: HeaderValue,
    /// The file as it is, and packed: two representations, so two tags.
    tags: Option<(HeaderValue, HeaderValue)>,
}

static PACKED: LazyLock<Vec<ServedFile>> =
    LazyLock::new(|| FILES.iter().map(ServedFile::new).collect());

impl ServedFile {
    fn new(of: &'static PageFile) -> Self {
        let hash = Sha256::digest(of.bytes);
        let hex: String = hash[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let tag = |text: String| HeaderValue::try_from(text).ok();
        Self {
            of,
            gzip: packed(of.bytes).unwrap_or_default(),
            media_type: media_type(of.path),
            tags: tag(format!("\"{hex}\"")).zip(tag(format!("\"{hex}-gzip\""))),
        }
    }

    fn answer(&'static self, asked: &HeaderMap) -> Response {
        let is_packed = !self.gzip.is_empty() && takes_gzip(asked);
        let mut response = StatusCode::OK.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::CACHE_CONTROL, CACHING);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_TYPE, self.media_type.clone());
        if let Some((plain, gzip)) = &self.tags {
            let tag = if is_packed { gzip } else { plain };
            headers.insert(header::ETAG, tag.clone());
            if knows(asked, [plain, gzip]) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return response;
            }
        }
        if is_packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let body = match is_packed {
            true => axum::body::Body::from(self.gzip.as_slice()),
            false => axum::body::Body::from(self.of.bytes),
        };
        *response.body_mut() = body;
        response
    }
}

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(index))
        .route("/page/{*path}", get(file))
}

async fn index(uri: Uri, headers: HeaderMap) -> Response {
    answer(INDEX, uri, &headers).await
}

async fn file(Path(path): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    answer(&path, uri, &headers).await
}

async fn answer(path: &str, uri: Uri, headers: &HeaderMap) -> Response {
    match PACKED.iter().find(|file| file.of.path == path) {
        Some(file) => file.answer(headers),
        None => no_such_path(uri).await.into_response(),
    }
}

fn packed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn media_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

/// The items of a header that is a list.
fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter();
    let texts = texts.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    items(headers, header::ACCEPT_ENCODING).any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().trim_start_matches("q=");
        coding.trim().eq_ignore_ascii_case("gzip")
            && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
    })
}

/// Whether the caller has the file already, packed or not.
fn knows(headers: &HeaderMap, tags: [&HeaderValue; 2]) -> bool {
    items(headers, header::IF_NONE_MATCH).any(|item| {
        let known = item.trim_start_matches("W/");
        known == "*" || tags.iter().any(|tag| tag.as_bytes() == known.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a newcomer waits for, on a slow line.
    const BYTES_MAX: usize = 400_000;
    const GZIP_BYTES_MAX: usize = 150_000;

    #[test]
    fn the_whole_page_is_small() {
        let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        let gzip: usize = PACKED.iter().map(|file| file.gzip.len()).sum();
        println!(
            "the page: {bytes} bytes, {gzip} packed, {} files",
            FILES.len()
        );
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
        assert!(gzip <= GZIP_BYTES_MAX, "{gzip} bytes packed");
    }

    #[test]
    fn every_file_has_a_tag_and_a_type() {
        for file in PACKED.iter() {
            assert!(file.tags.is_some(), "{}", file.of.path);
            assert!(!file.gzip.is_empty(), "{}", file.of.path);
            assert_ne!(
                file.media_type, "application/octet-stream",
                "{}",
                file.of.path
            );
        }
    }

    #[test]
    fn a_weight_of_zero_refuses_gzip() {
        for (text, takes) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("GZIP", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(takes_gzip(&headers), takes, "{text}");
        }
    }
}
