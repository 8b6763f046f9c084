# Two images from one build: `api`, without any privilege, and `worker`, whose binary may have three capabilities.
#
#   docker build --target api .       docker build --target worker .
#
# CARGO_PROFILE=dev builds faster and runs slower. Nothing here needs BuildKit.

FROM rust:1.95-bookworm AS build
ARG CARGO_PROFILE=release
WORKDIR /build
COPY . .
# Cargo's `dev` profile lies in target/debug; every other one under its own name.
RUN cargo build --locked --profile "$CARGO_PROFILE" \
 && dir="$CARGO_PROFILE" && if [ "$dir" = dev ]; then dir=debug; fi \
 && strip -o /stacksnap "target/$dir/stacksnap"

FROM debian:bookworm-slim AS runtime
# pg_dump, pg_restore and psql for Stacksnap::PostgreSQL; certificates for object stores and TLS; curl for health checks.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl postgresql-client \
 && rm -rf /var/lib/apt/lists/*
# New named volumes take owner and mode of these directories. Compose's `init` fills those in /run/stacksnap.
RUN groupadd --gid 10001 stacksnap \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stacksnap \
 && install -d -o stacksnap -g stacksnap -m 0700 \
      /var/lib/stacksnap /var/lib/stacksnap/state /var/lib/stacksnap/vault \
      /run/stacksnap /run/stacksnap/client /run/stacksnap/key /run/stacksnap/tokens \
 && install -d -o stacksnap -g stacksnap -m 0755 /run/stacksnap/redis /run/stacksnap/rabbitmq /srv/data
USER stacksnap
WORKDIR /var/lib/stacksnap
ENTRYPOINT ["/usr/local/bin/stacksnap"]

FROM runtime AS api
COPY --from=build /stacksnap /usr/local/bin/stacksnap
EXPOSE 8004
CMD ["api"]

# An engine gives capabilities to root alone. A process of another user gets them from its file, as far as the container
# may have them: without the matching cap_add this binary does not start ("operation not permitted"). They are set here,
# and not in a stage to copy from, because builders other than BuildKit lose them in a copy.
FROM api AS worker
USER root
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcap2-bin \
 && setcap cap_dac_read_search,cap_chown,cap_fowner+ep /usr/local/bin/stacksnap \
 && apt-get purge -y --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/*
USER stacksnap
CMD ["worker"]
