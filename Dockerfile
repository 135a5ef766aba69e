# Builds a small image that serves the folder mounted at /srv:
#
#   docker build -t ifmatch .
#   docker run --rm -p 8080:8080 -v "$PWD:/srv:ro" ifmatch
#
# Best run as the owner of the served files, with `--user "$(id -u):$(id -g)"`. The program asks the
# kernel for a lease to prove that nobody is writing a file, and a lease is granted to the file's
# owner only. As another user it has to tell that from the age of the timestamps, which takes longer
# after each change.
#
# tests/dockerfile-check carries out these instructions without Docker, with every test run. To stay
# that simple, the build stage uses relative paths only, and the last stage runs no command.

FROM rust:1-slim-bookworm AS build
WORKDIR /build

# The dependencies, compiled against an empty program: this layer is rebuilt only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin ifmatch

# The program. COPY keeps the files' times, which may be older than the empty program's: without
# the touch, cargo would take the empty program for up to date.
COPY src ./src
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin ifmatch

# Not a bare or a static image: the health check needs something that speaks HTTP, and the bash of
# Debian's smallest image is enough for that, where curl or wget would have to be installed. The
# Debian release is the build stage's, so that both have the same C library.
FROM debian:bookworm-slim
COPY --from=build /build/target/release/ifmatch /usr/local/bin/ifmatch

# Inside a container the loopback address would be out of reach.
ENV IFMATCH_BIND=0.0.0.0
EXPOSE 8080

# Nobody in particular: no name, no home, no rights. Files that everybody may read can be served.
USER 65532:65532

# No VOLUME: it would hide files that an image built on this one copies to /srv.
WORKDIR /srv

# Tells the program to finish the answers it has begun.
STOPSIGNAL SIGTERM

# bash opens the connection itself (/dev/tcp). It asks the port that the environment names; a port
# chosen with --port is unknown here, so choose another one with IFMATCH_PORT.
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD exec 3<>"/dev/tcp/127.0.0.1/${IFMATCH_PORT:-${PORT:-8080}}" \
        && printf 'GET /__ifmatch__/health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 \
        && read -r -t 2 _ status _ <&3 \
        && [[ $status == 200 ]]

ENTRYPOINT ["ifmatch"]
CMD ["/srv"]
