# docker build -t replicate . && docker run --rm -v results:/results replicate --all
# docker build -t replicate:cuda --build-arg WITH="cuda enwik8 texts" . && docker run --rm --gpus all -v results:/results replicate:cuda --all
#
# WITH names what scripts/setup --with knows. `cuda` brings NVIDIA's libraries and compiler from pinned packages, so that the base
# image is the same and the host needs its driver and the NVIDIA container toolkit alone; `enwik8` is the text of the profile
# `nightly`, which a GPU runs unless told otherwise.
#
# The image holds LibTorch, the default model, prose and tokenizer, so that it runs without a network.
#   /assets    models and texts; a volume, so that more models can be added
#   /results   what the runs write; the working folder
# Both belong to the user `replicate` (1000). A folder of the host's own that is mounted on /assets
# hides what the image has there: fill it with scripts/setup --assets-only first. A model by its Hugging Face name goes into a volume
# on /assets/hub: docs/install.md, "In a container".
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS builder
ARG WITH=
WORKDIR /opt/replicate
# LibTorch lies where the last stage has it too, as the program looks for it there.
ENV REPLICATE_ASSETS=/opt/replicate/assets
# Set-up first: its layer is kept as long as the pins and scripts are the same.
COPY scripts scripts
COPY configs/assets.yaml configs/
RUN scripts/setup --yes $(for name in $WITH; do echo "--with $name"; done)
COPY . .
RUN bash -c 'source scripts/common.sh && build replicate && install -D -s -t stage/bin "$BUILD/replicate" "$BUILD/replicate-compute"' \
 && cp -r configs LICENSE NOTICE README.md stage/
# Of LibTorch what runs, and its licences: no headers, no compiler.
RUN mkdir volume && cd assets \
 && for folder in ./libtorch/lib ./libtorch/licenses ./cuda/torch/lib ./cuda/nvidia/*/lib ./cuda/licenses; do \
      test ! -d "$folder" || { mkdir -p "../stage/assets/$(dirname "$folder")" && mv "$folder" "../stage/assets/$folder"; }; \
    done \
 && for folder in models prose text tokenizers; do test ! -d "$folder" || mv "$folder" ../volume/; done

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
COPY --from=builder --chown=replicate:replicate /opt/replicate/volume /assets
COPY --from=builder /opt/replicate/stage .
ENV REPLICATE_HOME=/opt/replicate REPLICATE_ASSETS=/assets
# For NVIDIA's container runtime; nobody else reads them.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER replicate
WORKDIR /results
VOLUME ["/assets", "/results"]
ENTRYPOINT ["replicate"]
CMD ["--help"]
