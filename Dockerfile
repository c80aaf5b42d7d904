# The binary with SQLite and PostgreSQL, run as a user without rights. Build: docker build -t tickbase .
# Run: docker run -p 8000:8000 -v tickbase:/var/lib/tickbase -e TICKBASE_SERVER_TOKEN=... tickbase
FROM rust:1.95-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libpq-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo install --locked --path . --features postgres --root /out

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/tickbase tickbase
COPY --from=build /out/bin/tickbase /usr/local/bin/tickbase
USER 10001
WORKDIR /var/lib/tickbase
ENV DATABASE_URL=sqlite:///var/lib/tickbase/tickbase.db \
    TICKBASE_SERVER_BIND=0.0.0.0:8000
VOLUME /var/lib/tickbase
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["tickbase"]
CMD ["serve"]
