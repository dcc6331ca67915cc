#!/usr/bin/env bash
# Proves the two commands on a bare Debian 12: in a debootstrap chroot that has certificates and this
# machine's package sources and nothing else, a clone of HEAD runs ./check and ./replicate --all.
# No configuration of pip is carried in. Needs root and debootstrap.
#
#   tests/fresh_machine.sh [COMMAND...]     default: './check' './replicate --all'
#   tests/fresh_machine.sh --no-root [COMMAND...]   as a user without root, where root has installed g++, git and python3 with
#                                           venv and nothing else; default: set-up is refused, works with --no-root, and the
#                                           smoke profile runs
#   FRESH_DIR    work folder; default: a temporary one. It keeps bare.tar for the next run
#   FRESH_KEEP=1 keeps the chroot to look at
set -euo pipefail
# shellcheck source=tests/bare_debian.sh
source "$(dirname "$0")/bare_debian.sh"

user=root
if [[ ${1:-} == --no-root ]]; then
  user=reader
  shift
fi
commands=("$@")
if ((${#commands[@]} == 0)); then
  commands=('./check' './replicate --all')
  [[ $user == root ]] ||
    commands=('! scripts/setup' 'scripts/setup --no-root --yes' './replicate --all --profile smoke --yes' 'scripts/setup --offline')
fi
work=${FRESH_DIR:-$(mktemp -d -t fresh_machine.XXXXXX)}
machine=$work/machine

# Mounts end with the namespace, whatever happens to this script. The environment is a login's.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child --propagation private bash -c '
    mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" &&
    exec chroot --userspec="$2:$2" "$0" /usr/bin/env -i HOME="$3" PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      bash -c "cd /srv/replicate && $1"' "$machine" "$1" "$user" "$(home)" </dev/null
}

home() { if [[ $user == root ]]; then echo /root; else echo "/home/$user"; fi; }

# What whoever runs a machine gives to its users.
give_compiler_and_python() {
  # shellcheck disable=SC2016
  chroot "$machine" bash -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    g++ git python3 python3-venv && rm -rf /var/lib/apt/lists/* && useradd --create-home "$0"' "$user" >"$work/given.log" 2>&1 ||
    { tail -3 "$work/given.log" >&2; exit 2; }
  has_no_libraries "$machine" || exit 2
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
chmod 755 "$machine"  # mktemp made its original for root alone
carry_network_settings "$machine"
[[ $user == root ]] || give_compiler_and_python
git -C "$ROOT" -c advice.detachedHead=false clone -q --no-local "$ROOT" "$machine/srv/replicate"
chown -R --reference="$machine$(home)" "$machine/srv/replicate"
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
