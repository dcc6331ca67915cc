#!/usr/bin/env bash
# Proves the two commands on a bare Debian 12: in a debootstrap chroot that has certificates and this
# machine's package sources and nothing else, a clone of HEAD runs ./check and ./replicate --all.
# No configuration of pip is carried in. Needs root and debootstrap.
#
#   tests/fresh_machine.sh [COMMAND...]     default: './check' './replicate --all'
#   FRESH_DIR    work folder; default: a temporary one. It keeps bare.tar for the next run
#   FRESH_KEEP=1 keeps the chroot to look at
set -euo pipefail
# shellcheck source=tests/bare_debian.sh
source "$(dirname "$0")/bare_debian.sh"

commands=("$@")
((${#commands[@]})) || commands=('./check' './replicate --all')
work=${FRESH_DIR:-$(mktemp -d -t fresh_machine.XXXXXX)}
machine=$work/machine

# Mounts end with the namespace, whatever happens to this script. The environment is a login's.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child --propagation private bash -c '
    mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" &&
    exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      bash -c "cd /srv/replicate && $1"' "$machine" "$1" </dev/null
}

timed() {
  local start=$SECONDS code=0
  echo "== $1"
  inside "$1" || code=$?
  echo "== $1: exit $code after $((SECONDS - start)) s; the machine takes $(du -sm "$machine" | cut -f1) MB"
  return $code
}

sizes() {
  inside 'du -m --max-depth=2 . | sort -n | tail -12; ls results/*/report.html' || true
}

bare_debian "$work/bare.tar"
rm -rf "$machine"
mkdir -p "$machine"
tar -xf "$work/bare.tar" -C "$machine"
carry_network_settings "$machine"
git -C "$ROOT" -c advice.detachedHead=false clone -q --no-local "$ROOT" "$machine/srv/replicate"
echo "bare machine: $(du -sm "$machine" | cut -f1) MB, commit $(git -C "$ROOT" rev-parse --short HEAD)"

failed=0
for command in "${commands[@]}"; do
  timed "$command" || failed=$((failed + 1))
done
timed './replicate --version' || failed=$((failed + 1))
sizes
[[ -n ${FRESH_KEEP:-} ]] || rm -rf "$machine"
((failed == 0)) || { echo "$failed of ${#commands[@]} commands failed"; exit 1; }
echo "fresh machine: all commands succeeded"
