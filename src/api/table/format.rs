//! The form of a table, as a request names it.

use axum::http::{HeaderMap, StatusCode, header};

use crate::api::error::ApiError;
use crate::export::TableFormat;

/// The form that the query names, else the first of the header `accept` that there is.
pub(super) fn of(named: Option<TableFormat>, headers: &HeaderMap) -> Result<TableFormat, ApiError> {
    if let Some(format) = named {
        return Ok(format);
    }
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    if accept.is_empty() {
        return Ok(TableFormat::default());
    }
    accepted(&accept.join(",")).ok_or_else(|| {
        let types: Vec<&str> = TableFormat::ALL.iter().map(|of| of.media_type()).collect();
        let detail = format!(
            "none of the types of the header accept is written here; accept {}",
            types.join(", ")
        );
        ApiError::new(StatusCode::NOT_ACCEPTABLE, detail)
    })
}

/// The form with the greatest weight; of two with the same one, the first.
fn accepted(header: &str) -> Option<TableFormat> {
    let mut best: Option<(f32, TableFormat)> = None;
    for part in header.split(',') {
        let mut parameters = part.split(';').map(str::trim);
        let media = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parameters.find_map(|parameter| parameter.strip_prefix("q="));
        let weight: f32 = weight.and_then(|text| text.parse().ok()).unwrap_or(1.0);
        let Some(format) = of_media(&media) else {
            continue;
        };
        if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, format));
        }
    }
    best.map(|(_, format)| format)
}

fn of_media(media: &str) -> Option<TableFormat> {
    Some(match media {
        "*/*" | "application/*" | "application/json" => TableFormat::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => TableFormat::Ndjson,
        "text/*" | "text/csv" => TableFormat::Csv,
        "application/vnd.apache.arrow.stream" => TableFormat::Arrow,
        "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => {
            TableFormat::Parquet
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weightiest_form_of_accept_is_taken() {
        for (header, expected) in [
            ("*/*", Some(TableFormat::Json)),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                Some(TableFormat::Json),
            ),
            ("text/csv", Some(TableFormat::Csv)),
            (
                "text/csv;q=0.5, application/x-ndjson",
                Some(TableFormat::Ndjson),
            ),
            (
                "application/vnd.apache.parquet;q=1.0, */*;q=0.1",
                Some(TableFormat::Parquet),
            ),
            (
                "Application/Vnd.Apache.Arrow.Stream",
                Some(TableFormat::Arrow),
            ),
            ("text/html", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(accepted(header), expected, "{header}");
        }
    }
}
