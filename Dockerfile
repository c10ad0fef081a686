# The agent's image: Node and one bundled file on a base without shell or package manager. The arguments of a release
# (VERSION, COMMIT) and of a machine without registry (BASE, BUILDER) come from scripts/image; `docker build .` needs none.

# Anything with a shell, Node 24 or newer and npm. With node_modules in /src it needs no registry.
ARG BUILDER=docker.io/library/node:26-trixie-slim
# Anything with Node 26 at /nodejs/bin/node. It stays on Debian 13, whose C library Node's own builds can run on.
ARG BASE=gcr.io/distroless/nodejs26-debian13

# The bundle is the same for every architecture, so it is made once, on the one that builds.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS bundle
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN test -d node_modules/esbuild || npm ci --ignore-scripts
COPY . .
ARG VERSION
ARG COMMIT=unknown
RUN NODETENDER_VERSION="$VERSION" NODETENDER_COMMIT="$COMMIT" node scripts/bundle.ts /bundle
# Readable by all and written by nobody: without capabilities, root too is held to these bits.
RUN cp LICENSE /bundle/ && chmod -R a=rX /bundle

# What runs commands on the host, for reboot.method command and reboot.sentinel.command. Of the image's architecture, but only
# copied: nothing of it runs here. The platform is said although it is the default: buildah goes on with that of an earlier stage
# (https://github.com/containers/buildah/issues/4742).
FROM --platform=$TARGETPLATFORM ${BUILDER} AS host

FROM --platform=$TARGETPLATFORM ${BASE}
ARG VERSION
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="nodetender" \
      org.opencontainers.image.description="One agent per Kubernetes node: removes images nobody needs, reboots nodes that ask for it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/nodetender/nodetender" \
      org.opencontainers.image.documentation="https://github.com/nodetender/nodetender/tree/main/docs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=bundle /bundle /opt/nodetender
COPY --from=host --chmod=0555 /usr/bin/nsenter /usr/bin/
COPY --from=host --chmod=0444 /usr/lib/*-linux-gnu/libselinux.so.1 /usr/lib/*-linux-gnu/libpcre2-8.so.0 /usr/lib/
# The runtime's socket and the host's bus belong to root; the chart takes every capability away.
USER 0:0
WORKDIR /
STOPSIGNAL SIGTERM
# No shell and no init: Node is PID 1, ends on SIGTERM and starts no process that it does not wait for. The options of V8
# and of the C library are those of scripts/bundle.ts, which says why; NODE_OPTIONS would refuse some of them.
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
ENTRYPOINT ["/nodejs/bin/node", "--optimize-for-size", "--max-semi-space-size=1", "--max-old-space-size=128", "--no-opt", "--no-maglev", "--no-sparkplug", "/opt/nodetender/nodetender.cjs"]
CMD ["agent"]
