# docker build -t docksweep .
# docker run --rm --network host docksweep scan 127.0.0.1
#
# Host networking, as a scan through Docker's bridge sees the network behind its address translation.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock askama.toml ./
COPY src src
COPY templates templates
COPY data/advisories.json data/known-keys.tsv data/releases.json data/
# The image's gcc is all that the C parts of aws-lc need: no cmake, no make.
RUN CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --locked --release --bin docksweep

# The C library is the builder's, and security updates come with the base image. Neither a shell nor any other
# program in it is used.
FROM debian:bookworm-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="docksweep" \
      org.opencontainers.image.description="Finds the Docker daemons on your networks that a stranger could take over" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /src/target/release/docksweep /usr/local/bin/docksweep
# By number: so `runAsNonRoot` can be checked without /etc/passwd.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/docksweep"]
CMD ["--help"]
