# The image of the functions and Batch jobs of a tool: the image that the tool names, with mapreel's program and an ffmpeg of its own. infra
# builds one for each image that the tools of -c tools=FILE name, in a folder that also has toolfiles: the files beside FILE.
# The base images are named by digest; tools/pin-images.sh functions/tool.Dockerfile renews them.
ARG BASE=debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
# Unset for a tool that names no image. It then has the programs of BASE.
ARG TOOL_IMAGE=
FROM golang:1.26-bookworm@sha256:b305420a68d0f229d91eb3b3ed9e519fcf2cf5461da4bef997bf927e8c0bfd2b AS build
ENV GOTOOLCHAIN=go1.26.10
WORKDIR /src
COPY go.mod go.sum ./
COPY pkg pkg
COPY functions functions
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /opt/mapreel/ ./functions/...

# The ffmpeg of the other functions, with all libraries and the loader that it needs, so that it runs in an image of any distribution and
# neither it nor the tool meets the other's libraries. A library with a search path of its own would not follow that of the program. An
# ffmpeg that does not start fails to build.
FROM ${BASE} AS ffmpeg
# As in functions/Dockerfile: a new value installs the packages again.
ARG PACKAGES=
RUN echo "packages as of ${PACKAGES:-the first build}" \
 && apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates ffmpeg patchelf \
 && mkdir -p /opt/mapreel/ffmpeg/lib \
 && cd /opt/mapreel/ffmpeg \
 && cp /usr/bin/ffmpeg /usr/bin/ffprobe . \
 && cp $(ldd ffmpeg ffprobe | grep -o '/[^ ]*\.so[^ ]*' | sort -u) lib/ \
 && loader=$(basename "$(patchelf --print-interpreter ffmpeg)") \
 && for library in lib/*; do \
      if [ -n "$(patchelf --print-rpath "$library" 2>/dev/null)" ]; then patchelf --remove-rpath "$library" || exit 1; fi; \
    done \
 && for program in ffmpeg ffprobe; do \
      patchelf --set-interpreter "/opt/mapreel/ffmpeg/lib/$loader" --force-rpath --set-rpath /opt/mapreel/ffmpeg/lib "$program" \
      && "./$program" -version || exit 1; \
    done \
 && cp /etc/ssl/certs/ca-certificates.crt /opt/mapreel/ \
 && rm -rf /var/lib/apt/lists/*

FROM ${TOOL_IMAGE:-${BASE}}
USER 0:0
COPY --from=ffmpeg /opt/mapreel/ /opt/mapreel/
COPY --from=build /opt/mapreel/ /opt/mapreel/
COPY toolfiles /opt/mapreel/toolfiles
# The variables of the tool's image are for the tool. The worker gives it these and no others, since its own have credentials.
RUN ["/opt/mapreel/worker", "record-environment"]
# For tools on a GPU: see functions/Dockerfile.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,video,utility
# infra starts the worker, with the class as its argument.
ENTRYPOINT []
USER 1000:1000
