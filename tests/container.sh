#!/usr/bin/env bash
# Builds the Dockerfile without a Docker engine (buildah, chroot isolation, files instead of overlays) on
# a bare Debian from debootstrap, and runs the smoke profile inside, as the image's own user and with no
# network. Needs root, debootstrap and buildah.
#
#   tests/container.sh [ARGUMENTS...]       the program's; default: --all --profile smoke
#   CONTAINER_WITH   what scripts/setup --with brings, as the Dockerfile's WITH: "cuda enwik8"
#   CONTAINER_DIR    work folder; default: a temporary one. It keeps bare.tar for the next run
#   CONTAINER_KEEP=1 keeps the images
set -euo pipefail
# shellcheck source=tests/bare_debian.sh
source "$(dirname "$0")/bare_debian.sh"
need debootstrap buildah

arguments=("$@")
((${#arguments[@]})) || arguments=(--all --profile smoke)
work=${CONTAINER_DIR:-$(mktemp -d -t container.XXXXXX)}
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
storage=(--root "$work/storage" --runroot "$work/run")

import_base() {
  local container mounted
  container=$(buildah "${storage[@]}" from scratch)
  mounted=$(buildah "${storage[@]}" mount "$container")
  tar -xf "$work/bare.tar" -C "$mounted"
  carry_network_settings "$mounted"
  buildah "${storage[@]}" umount "$container" >/dev/null
  buildah "${storage[@]}" commit -q --rm "$container" bare-debian >/dev/null
}

# Committed files only: what a stranger's clone has.
build_image() {
  local context=$work/context
  rm -rf "$context"
  git clone -q --no-local "$ROOT" "$context"
  buildah "${storage[@]}" bud --layers=false --build-arg BASE=localhost/bare-debian \
    --build-arg WITH="${CONTAINER_WITH:-}" -t replicate "$context"
}

# buildah's `run` takes no entry point, user or volume from the image by itself in chroot isolation: what
# the image says is read and given, so that this is what an engine would run.
run_image() {
  local container entry user folder
  container=$(buildah "${storage[@]}" from localhost/replicate)
  entry=$(buildah "${storage[@]}" inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$container")
  user=$(buildah "${storage[@]}" inspect --format '{{.OCIv1.Config.User}}' "$container")
  folder=$(buildah "${storage[@]}" inspect --format '{{.OCIv1.Config.WorkingDir}}' "$container")
  echo "running as $user in $folder: $entry $*"
  buildah "${storage[@]}" run --user "$user" "$container" -- sh -c 'id -un; test -w /results && test -w /assets'
  unshare --net buildah "${storage[@]}" run --user "$user" --workingdir "$folder" "$container" -- "$entry" "$@"
}

start=$SECONDS
bare_debian "$work/bare.tar"
import_base
echo "base image: $((SECONDS - start)) s"
start=$SECONDS
build_image
echo "image built: $((SECONDS - start)) s"
buildah "${storage[@]}" images
start=$SECONDS
code=0
run_image "${arguments[@]}" || code=$?
echo "container run: exit $code after $((SECONDS - start)) s"
if [[ -z ${CONTAINER_KEEP:-} ]]; then
  buildah "${storage[@]}" rm --all >/dev/null
  rm -rf "$work/storage" "$work/run" "$work/context"
fi
exit $code
