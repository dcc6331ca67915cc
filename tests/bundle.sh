#!/usr/bin/env bash
# Proves scripts/bundle: on a bare Debian 12 with a compiler, CMake, Ninja, this machine's LibTorch and none of
# the libraries, without a network, the parts are checked, unpacked and built, and the program runs; then the
# same with a damaged part (refused), a second build (compiles nothing) and an update by --source-only.
# Needs root, debootstrap, and a network to make the machine and the bundle.
#
#   tests/bundle.sh [ARGUMENTS...]    the program's; default: --all --profile smoke
#   BUNDLE_DIR       work folder; default: a temporary one. It keeps bare.tar and compiler.tar for the next run
#   BUNDLE_TESTS=1   build and run the tests in there too
#   BUNDLE_KEEP=1    keeps the machine to look at
#   BUNDLE_RESUME=1  goes on in the machine that an interrupted run left: unpacks over it, builds what is missing
set -euo pipefail
# shellcheck source=tests/bare_debian.sh
source "$(dirname "$0")/bare_debian.sh"
need debootstrap unshare

arguments=("$@")
((${#arguments[@]})) || arguments=(--all --profile smoke)
work=${BUNDLE_DIR:-$(mktemp -d -t bundle.XXXXXX)}
machine=$work/machine
libtorch=$(realpath "${LIBTORCH:-${REPLICATE_ASSETS:-$ROOT/.assets}/libtorch}")

# What a compute node has; packages.txt's libraries are left out on purpose.
compiler() {
  local folder
  [[ ! -e $work/compiler.tar ]] || return 0
  folder=$(mktemp -d "$work/compiler.XXXXXX")
  tar -xf "$work/bare.tar" -C "$folder"
  carry_network_settings "$folder"
  chroot "$folder" bash -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
    --no-install-recommends g++ cmake ninja-build' >"$work/compiler.log" 2>&1 || { tail -3 "$work/compiler.log" >&2; exit 2; }
  rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
  tar -cf "$work/compiler.tar.part" -C "$folder" .
  rm -rf "$folder"
  mv "$work/compiler.tar.part" "$work/compiler.tar"
}

fresh_machine() {
  rm -rf "$machine"
  mkdir -p "$machine"
  tar -xf "$work/compiler.tar" -C "$machine"
  mkdir -p "$machine/opt/libtorch"
}

# Mounts end with the namespace; its network is a loopback that is down.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --net --pid --fork --kill-child --propagation private bash -c '
    mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind -o ro "$2" "$0/opt/libtorch" &&
    exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LIBTORCH=/opt/libtorch \
      CMAKE_BUILD_PARALLEL_LEVEL="$3" bash -c "cd /srv && $1"' \
    "$machine" "$1" "$libtorch" "${CMAKE_BUILD_PARALLEL_LEVEL:-}" </dev/null
}

timed() {
  local start=$SECONDS code=0
  echo "== $1"
  inside "$1" || code=$?
  echo "== exit $code after $((SECONDS - start)) s"
  return $code
}

fail() {
  echo "bundle: $*" >&2
  exit 1
}

run_program() {
  local code=0
  timed "replicate/build/release/replicate ${arguments[*]} --out /srv/run" || code=$?
  ((code == 0)) || fail "the run ended with $code"
  [[ -e $machine/srv/run/report.html ]] || fail "the run left no report"
}

refuses_a_damaged_part() {
  # shellcheck disable=SC2016
  inside 'cp -r bundle damaged && echo >>"$(ls damaged/*.gz.000)" && ! damaged/unpack.sh /srv/damaged/out && rm -r damaged' ||
    fail "a damaged part was unpacked"
}

# As after a commit that changes one line of one file.
update() {
  "$ROOT/scripts/bundle" --source-only --out "$machine/srv/update"
  inside 'echo "// changed" >>replicate/harness/cli/replicate.cpp && touch replicate/harness/gone.h && echo ./harness/gone.h >>replicate/MANIFEST &&
    LC_ALL=C sort -o replicate/MANIFEST replicate/MANIFEST && update/unpack.sh /srv/replicate && [[ ! -e replicate/harness/gone.h ]] &&
    replicate/build.sh 2>&1 | grep -c "\] Building C"' >"$work/steps" || fail "the update failed"
  (($(tail -1 "$work/steps") == 1)) || fail "an update of one file compiles $(tail -1 "$work/steps")"
}

mkdir -p "$work"
bare_debian "$work/bare.tar"
compiler
[[ -n ${BUNDLE_RESUME:-} && -d $machine/srv ]] || fresh_machine
rm -rf "$machine"/srv/{bundle,damaged,update,run}
has_no_libraries "$machine" || fail "another machine is needed"
"$ROOT/scripts/bundle" --out "$machine/srv/bundle"
ls -l "$machine/srv/bundle"
refuses_a_damaged_part
timed 'bundle/unpack.sh /srv/replicate' || fail "the parts could not be unpacked"
timed "replicate/build.sh ${BUNDLE_TESTS:+--tests}" || fail "the build failed"
inside 'replicate/build/release/replicate --version' | grep -F "$(git -C "$ROOT" rev-parse --short=12 HEAD)" ||
  fail "the program does not know its commit"
run_program
timed 'replicate/build.sh 2>&1 | tee /srv/again' || fail "the second build failed"
! grep -E '\] (Building|Linking)' "$machine/srv/again" || fail "the second build compiled something"
update
[[ -n ${BUNDLE_KEEP:-} ]] || rm -rf "$machine"
echo "bundle: all succeeded"
