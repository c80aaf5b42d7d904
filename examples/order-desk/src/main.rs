//! The program: settings from the environment, such as `DATABASE_URL`; it serves until Ctrl-C.

use std::error::Error;

use tickbase::config::Settings;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let app = order_desk::start(&Settings::load(None, std::env::vars())?)?;
    let listener = tokio::net::TcpListener::from_std(app.listen()?)?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, order_desk::router(&app))
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    app.stop();
    Ok(())
}
