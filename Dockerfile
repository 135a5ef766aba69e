# Builds an image that holds one program, and serves the folder mounted at /srv:
#
#   docker build -t ifmatch .
#   docker run --rm -p 8080:8080 -v "$PWD:/srv:ro" ifmatch
#
# Best run as the owner of the served files, with `--user "$(id -u):$(id -g)"`. The program asks the
# kernel for a lease to prove that nobody is writing a file, and a lease is granted to the file's
# owner only. As another user it has to tell that from the age of the timestamps, which takes longer
# after each change.
#
# Nothing is written but to /srv, where that is allowed, and to /var/cache/ifmatch: `--read-only`, `--cap-drop ALL` and
# `--security-opt no-new-privileges` take nothing away. deploy/compose.yaml has them all.
#
# tests/dockerfile-check carries out these instructions without Docker, with every test run. To stay
# that simple, the build stage uses relative paths only, and the last stage runs no command.

FROM rust:1-slim-bookworm AS build
WORKDIR /build

# One file that needs no other, not even a C library; deploy/static says why it is glibc. The target is named below, since
# these flags would be for build scripts and macros as well if it were not.
ENV RUSTFLAGS=-Ctarget-feature=+crt-static

# The dependencies, compiled against an empty program: this layer is rebuilt only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin ifmatch --target "$(rustc --print host-tuple)"

# The program. COPY keeps the files' times, which may be older than the empty program's: without
# the touch, cargo would take the empty program for up to date.
COPY src ./src
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin ifmatch --target "$(rustc --print host-tuple)" \
    && cp target/*/release/ifmatch ifmatch \
    && mkdir index

FROM scratch
COPY --from=build /build/ifmatch /usr/local/bin/ifmatch

# The index: what a large file has cost to hash is kept from one start to the next, if a volume is.
COPY --from=build --chown=65532:65532 /build/index /var/cache/ifmatch
ENV IFMATCH_INDEX_CACHE=/var/cache/ifmatch
VOLUME ["/var/cache/ifmatch"]

# Inside a container the loopback address would be out of reach.
ENV IFMATCH_BIND=0.0.0.0
EXPOSE 8080

# Nobody in particular: no name, no home, no rights. Files that everybody may read can be served.
USER 65532:65532

# No VOLUME: it would hide files that an image built on this one copies to /srv.
WORKDIR /srv

# Tells the program to finish the answers it has begun.
STOPSIGNAL SIGTERM

# Asks where the environment says that the server listens. What is said with flags is unknown here: choose another port with
# IFMATCH_PORT, or name the address behind `health`.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD ["/usr/local/bin/ifmatch", "health"]

ENTRYPOINT ["/usr/local/bin/ifmatch"]
CMD ["/srv"]
