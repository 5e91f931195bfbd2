# The image of the functions and Batch jobs that run Blender: those of the class render, and Analyse, which asks it what a scene has. It
# also has ffmpeg and runs all other classes, so that one image may serve a whole deployment (imageUri). infra builds it with
# -c render=true. Built from the project's root: docker build -f functions/render.Dockerfile .
# The base images are named by digest; tools/pin-images.sh functions/render.Dockerfile renews them.
ARG BASE=debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
FROM golang:1.26-bookworm@sha256:b305420a68d0f229d91eb3b3ed9e519fcf2cf5461da4bef997bf927e8c0bfd2b AS build
ENV GOTOOLCHAIN=go1.26.10
WORKDIR /src
COPY go.mod go.sum ./
COPY pkg pkg
COPY functions functions
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /opt/mapreel/ ./functions/...

# An official build of Blender (x86_64), where BLENDER_URL names its archive and BLENDER_SHA256 the archive's checksum. Else nothing.
FROM ${BASE} AS blender
ARG BLENDER_URL=
ARG BLENDER_SHA256=
RUN mkdir -p /opt/blender \
 && if [ -n "$BLENDER_URL" ]; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends ca-certificates curl xz-utils \
      && curl --fail --silent --show-error --location --proto '=https' --output /tmp/blender.tar.xz "$BLENDER_URL" \
      && echo "$BLENDER_SHA256  /tmp/blender.tar.xz" | sha256sum --check --strict \
      && tar --extract --xz --file /tmp/blender.tar.xz --directory /opt/blender --strip-components 1 \
      && rm /tmp/blender.tar.xz; \
    fi

FROM ${BASE}
# As in functions/Dockerfile: a new value installs the packages again.
ARG PACKAGES=
ARG BLENDER_URL=
# Debian's Blender, or the libraries that an official build expects of the system. Neither Lambda nor Docker's default profile lets
# bubblewrap make namespaces, so it is left out: docs/render.md says what confines Blender there.
RUN echo "packages as of ${PACKAGES:-the first build}" \
 && apt-get update \
 && if [ -n "$BLENDER_URL" ]; then \
      blender='libegl1 libgl1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxrender1 libxxf86vm1'; \
    else blender=blender; fi \
 && apt-get install --yes --no-install-recommends ca-certificates ffmpeg $blender \
 && rm -rf /var/lib/apt/lists/*
COPY --from=blender /opt/blender/ /opt/blender/
# The official build comes first in PATH, where there is one.
ENV PATH=/opt/blender:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /opt/mapreel/ /opt/mapreel/
# compute and utility are CUDA, graphics has OptiX, and video the encoders, where this image serves a whole deployment: see functions/Dockerfile.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,video,utility,graphics
# An image whose Blender does not start fails to build.
RUN blender --background --factory-startup --version
# The owner of the shared file system's access point (infra/storage.go). Lambda has a user of its own.
USER 1000:1000
