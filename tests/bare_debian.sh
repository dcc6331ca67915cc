# Sourced: a bare Debian 12 root file system, and what of this machine's network it needs.
# shellcheck shell=bash

# shellcheck disable=SC2034
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "$tool is missing (PATH): apt-get install $tool" >&2; exit 2; }
  done
  ((EUID == 0)) || { echo "root is needed (user $(id -un)): run this with sudo" >&2; exit 2; }
}

# The first package source of this machine.
debian_mirror() {
  sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] *)?([^ ]+) .*/\2/p' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1
}

# Makes FILE, a tar of the root file system, once: certificates are all that is added.
bare_debian() {
  local file=$1 folder
  [[ ! -e $file ]] || return 0
  need debootstrap
  mkdir -p "$(dirname "$file")"
  folder=$(mktemp -d "$(dirname "$file")/bare.XXXXXX")
  # shellcheck disable=SC2046
  debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" $(debian_mirror) >"$file.log" 2>&1 ||
    { tail -3 "$file.log" >&2; exit 2; }
  rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
  tar -cf "$file.part" -C "$folder" .
  rm -rf "$folder"
  mv "$file.part" "$file"
}

# This machine's package sources, resolver and own certificate authorities; no pip configuration.
carry_network_settings() {
  local root=$1
  rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d
  mkdir -p "$root"/etc/apt/sources.list.d
  cp /etc/apt/sources.list.d/*.sources "$root"/etc/apt/sources.list.d/ 2>/dev/null || true
  [[ ! -e /etc/apt/sources.list ]] || cp /etc/apt/sources.list "$root"/etc/apt/
  cp --dereference /etc/resolv.conf "$root"/etc/resolv.conf
  cp /usr/local/share/ca-certificates/*.crt "$root"/usr/local/share/ca-certificates/ 2>/dev/null || true
  chroot "$root" update-ca-certificates >/dev/null 2>&1
}

# What packages.txt brings must not be there already, else a build without it would prove nothing.
has_no_libraries() {
  local root=$1 name
  for name in boost yaml-cpp spdlog nlohmann openssl pcre2.h gnuplot-iostream.h gtest; do
    [[ ! -e $root/usr/include/$name ]] || { echo "the machine has $name, so that nothing would be proved" >&2; return 1; }
  done
  [[ ! -e $root/usr/bin/gnuplot ]] || { echo "the machine has gnuplot, so that nothing would be proved" >&2; return 1; }
}
