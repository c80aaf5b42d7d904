//! tickbase inside another axum application: its API beside the application's own routes and
//! state, its services under the application's start and stop.
//!
//! `cargo run --example embed -- [URL]` serves until Ctrl-C; without a URL it takes
//! `DATABASE_URL`, and without that a temporary SQLite file.

use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::Request;
use axum::routing::get;
use tickbase::app::App;
use tickbase::config::{DatabaseConfig, DatabaseUrl, Settings};
use tickbase::database::Database;
use tickbase::repository::market_data::MarketDataRepository;
use tower::ServiceExt;

/// The application's own state; tickbase knows nothing of it.
#[derive(Clone)]
struct Desk {
    name: Arc<str>,
    /// Cheap to clone: the application's own handlers use the same doors.
    database: Database,
}

/// A route of the application's own, over the same database.
async fn greeting(State(desk): State<Desk>) -> String {
    let database = desk.database.clone();
    let read = move || MarketDataRepository::new(&database).latest(&[1]);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(ticks)) => format!("{}: {} instruments with a tick", desk.name, ticks.len()),
        _ => format!("{}: no answer", desk.name),
    }
}

/// The application's router, with all of tickbase's paths in it.
fn router(app: &App) -> Router {
    let desk = Desk {
        name: "trading desk".into(),
        database: app.database().clone(),
    };
    Router::new()
        .route("/hello", get(greeting))
        .with_state(desk)
        // The paths /api/.., /livez, /readyz and /metrics.
        .merge(app.router())
}

/// Opens and migrates the database, and starts the services on it.
fn start(url: &str) -> tickbase::Result<App> {
    let mut settings = Settings::default();
    settings.database = DatabaseConfig::new(url)?;
    App::start(settings)
}

/// Calls routes of both, as a client would, and writes down the answers.
pub async fn run(url: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let app = start(url)?;
    let router = router(&app);
    for path in ["/hello", "/readyz", "/api/instruments/1", "/nowhere"] {
        let request = Request::get(path).body(Body::empty())?;
        let response = router.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await?;
        let text = String::from_utf8_lossy(&body);
        let shown: String = text.trim().chars().take(60).collect();
        writeln!(out, "{path} {status} {shown}")?;
    }
    app.stop();
    Ok(())
}

/// Serves until Ctrl-C; what is under way is answered, what waits for the writer committed.
async fn serve(url: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let app = start(url)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let ends = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, router(&app))
        .with_graceful_shutdown(ends)
        .await?;
    app.stop();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::temp_dir().join(format!("tickbase-embed-{}", std::process::id()));
    let given = std::env::args().nth(1);
    let url = given.or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.unwrap_or_else(|| place.join("embed.db").display().to_string());
    DatabaseUrl::parse(&url)?;
    let mut out = std::io::stdout();
    run(&url, &mut out).await?;
    let served = serve(&url, &mut out).await;
    drop(std::fs::remove_dir_all(place));
    served
}
