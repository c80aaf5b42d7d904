//! Figures of the requests: how many are worked on, and how long each route took, by status.
//!
//! The labels are bounded: methods that HTTP knows, routes of this API, statuses.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::database::{Histogram, HistogramCounts};

/// Durations of the requests of one route, method and status.
#[derive(Debug, Clone)]
pub(super) struct RouteCounts {
    pub(super) method: &'static str,
    /// The route's template; empty for a path that is none of ours.
    pub(super) route: String,
    pub(super) status: u16,
    pub(super) duration: HistogramCounts,
}

type RouteKey = (String, &'static str, u16);

/// Counts requests.
#[derive(Debug, Default)]
pub(super) struct HttpMetrics {
    active: Arc<AtomicU64>,
    routes: RwLock<BTreeMap<RouteKey, Arc<Histogram>>>,
}

/// A request that is worked on, until it is dropped.
pub(super) struct ActiveRequest(Arc<AtomicU64>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpMetrics {
    pub(super) fn begin(&self) -> ActiveRequest {
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(&self.active))
    }

    pub(super) fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    pub(super) fn record(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let route = route.unwrap_or_default().to_owned();
        let key = (route, known(method), status.as_u16());
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let seen = routes.get(&key).cloned();
        drop(routes);
        let histogram = seen.unwrap_or_else(|| {
            let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(routes.entry(key).or_default())
        });
        histogram.record(took);
    }

    pub(super) fn snapshot(&self) -> Vec<RouteCounts> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let counts = routes
            .iter()
            .map(|((route, method, status), histogram)| RouteCounts {
                method,
                route: route.clone(),
                status: *status,
                duration: histogram.counts(),
            });
        counts.collect()
    }
}

/// OpenTelemetry's word for a method that nobody knows is `_OTHER`.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let metrics = HttpMetrics::default();
        let took = Duration::from_millis(2);
        metrics.record(&Method::GET, Some("/api/instruments"), StatusCode::OK, took);
        metrics.record(&Method::GET, Some("/api/instruments"), StatusCode::OK, took);
        let odd = Method::from_bytes(b"BREW").unwrap();
        metrics.record(&odd, None, StatusCode::NOT_FOUND, took);
        let seen = metrics.snapshot();
        let of = |place: usize| (seen[place].method, &*seen[place].route, seen[place].status);
        assert_eq!(of(0), ("_OTHER", "", 404));
        assert_eq!(of(1), ("GET", "/api/instruments", 200));
        assert_eq!(seen[1].duration.count(), 2);
    }

    #[test]
    fn a_request_is_active_until_it_ends() {
        let metrics = HttpMetrics::default();
        let one = metrics.begin();
        let two = metrics.begin();
        assert_eq!(metrics.active(), 2);
        drop(one);
        drop(two);
        assert_eq!(metrics.active(), 0);
    }
}
