#!/usr/bin/env bash
# Checks and joins the parts that lie beside this script.
#   ./unpack.sh [DIR]    default: replicate beside this script
# Over an earlier bundle, only files that differ are replaced and those that went are removed, so that the
# next build compiles no more than it must; results and builds stay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(realpath -m "${1:-$here/replicate}")

die() {
  printf '%s\n' "$*" >&2
  exit 2
}

check() {
  (cd "$here" && sha256sum --quiet -c SHA256SUMS) ||
    die "parts are missing or damaged ($here): copy those that are named above again"
}

# A folder beside the target, so that moving costs nothing.
extract() {
  mkdir -p "$(dirname "$target")" || die "cannot make a folder ($(dirname "$target")): make it writable"
  stage=$(mktemp -d "$target.unpacking.XXXXXX")
  trap 'rm -rf "$stage"' EXIT
  (cd "$here" && sed -n 's/.*\(replicate-.*[.]tar[.]gz[.]\)/\1/p' SHA256SUMS | xargs cat) | tar -xzf - -C "$stage" ||
    die "the archive cannot be unpacked ($stage): make room"
}

move_changed() {
  local file
  while read -r file; do
    cmp -s "$1/$file" "$target/$file" && continue
    mkdir -p "$target/$(dirname "$file")"
    touch "$1/$file"  # a commit may be older than the build of the one that it replaces
    mv -f "$1/$file" "$target/$file"
  done
}

update() {
  local new=$stage/replicate
  LC_ALL=C comm -23 "$target/MANIFEST" "$new/MANIFEST" | (cd "$target" && xargs -r -d '\n' rm -f)
  (cd "$new" && find . -type f ! -name MANIFEST) | move_changed "$new"
  mv -f "$new/MANIFEST" "$target/MANIFEST"  # last: an interrupted update removes the same files again
}

check
extract
if [[ -e $target/MANIFEST ]]; then
  update
elif [[ ! -e $stage/replicate/third_party ]]; then
  die "this bundle has sources alone ($here): unpack it over a whole one: ./unpack.sh DIR"
elif [[ -e $target ]]; then
  die "the folder is not an unpacked bundle ($target): name another one"
else
  mv "$stage/replicate" "$target"
fi
echo "unpacked: $target; build with $target/build.sh"
