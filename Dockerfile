# docker build -t replicate . && docker run --rm -v results:/results replicate --all
#
# The image holds LibTorch, the default model, prose and tokenizer, so that it runs without a network.
#   /assets    models and texts; a volume, so that more models can be added
#   /results   what the runs write; the working folder
# Both belong to the user `replicate` (1000). A folder of the host's own that is mounted on /assets
# hides what the image has there: fill it with scripts/setup --assets-only first.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS builder
WORKDIR /opt/replicate
# LibTorch lies where the last stage has it too, as the program looks for it there.
ENV REPLICATE_ASSETS=/opt/replicate/assets
# Set-up first: its layer is kept as long as the pins and scripts are the same.
COPY scripts scripts
COPY configs/assets.yaml configs/
RUN scripts/setup --yes
COPY . .
RUN bash -c 'source scripts/common.sh && build replicate' \
 && mkdir stage \
 && cp -r configs LICENSE NOTICE README.md stage/ \
 && install -D -s build/release/replicate stage/bin/replicate

FROM ${BASE}
WORKDIR /opt/replicate
COPY scripts/packages.txt scripts/
RUN apt-get update \
 && awk '$1 == "run" {print $2}' scripts/packages.txt \
    | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home replicate \
 && install -d -o replicate -g replicate /assets /results \
 && ln -s /opt/replicate/bin/replicate /usr/local/bin/replicate \
 && ln -s /results results
COPY --from=builder /opt/replicate/assets/libtorch/licenses assets/libtorch/licenses
COPY --from=builder /opt/replicate/assets/libtorch/lib assets/libtorch/lib
COPY --from=builder --chown=replicate:replicate /opt/replicate/assets/models /assets/models
COPY --from=builder --chown=replicate:replicate /opt/replicate/assets/prose /assets/prose
COPY --from=builder --chown=replicate:replicate /opt/replicate/assets/tokenizers /assets/tokenizers
COPY --from=builder /opt/replicate/stage .
ENV REPLICATE_HOME=/opt/replicate REPLICATE_ASSETS=/assets
USER replicate
WORKDIR /results
VOLUME ["/assets", "/results"]
ENTRYPOINT ["replicate"]
CMD ["--help"]
