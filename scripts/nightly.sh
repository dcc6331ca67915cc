#!/usr/bin/env bash
# One night's run, for cron or a CI runner: all claims, then what changed since the last night, as a summary that a team
# reads in a minute. Arguments are the program's. Without them the run is --all with the profile nightly.
#
#   scripts/nightly.sh [--profile NAME] [--model NAME] [--only REGEX] ...
#   NIGHTLY_DIR     where nights are kept; default: results/nightly. One folder per night, and `last`, a link to the newest
#                   whole one: a night that was cut off, or in which a claim ended in an error, is not compared with
#   NIGHTLY_KEEP    how many nights are kept; default: 30
#   In crontab:     30 1 * * * cd /path/to/replicate && scripts/nightly.sh --yes >>nightly.log 2>&1
#
# Exit code: 1 when a verdict differs from the last night's (the first night: from the recorded one), or when numbers
# drifted beyond noise; 2, 3 and 130 are the run's, and 2 is also that of a comparison that could not be made. A claim
# that fails as it did before is no news, and time and memory decide nothing.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$(realpath "$0")")/common.sh"

nights=$(realpath -m "${NIGHTLY_DIR:-$ROOT/results/nightly}")
keep=${NIGHTLY_KEEP:-30}
tonight=$nights/$(date -u +%Y-%m-%dT%H%M%SZ)
last=$nights/last

arguments=("$@")
[[ " $* " == *" --profile"* ]] || arguments+=(--profile nightly)
[[ " $* " == *" --only"* || " $* " == *" --all "* ]] || arguments+=(--all)
if [[ " $* " != *" --fail-on"* ]]; then
  arguments+=(--fail-on new)
  [[ ! -e $last ]] || arguments+=(--against "$(realpath "$last")")
fi

compare() {
  local code=0
  [[ -e $last ]] || { echo "The first night: nothing to compare with."; return; }
  "$BUILD/replicate" diff "$(realpath "$last")" "$tonight" --format markdown || code=$?
  "$BUILD/replicate" diff "$(realpath "$last")" "$tonight" --format junit >"$tonight/diff-junit.xml" || true
  return "$code"
}

# What flipped is in the first line.
summarise() {
  local code=0 before=() changes
  changes=$(compare) || code=$?
  [[ ! -e $last ]] || before=("$(realpath "$last")" "$(tail -n 1 <<<"$changes")")
  python3 -B "$ROOT/scripts/nightly_summary.py" "$tonight" "${before[@]}"
  printf '\n### Since the last night\n\n%s\n' "$changes"
  return "$code"
}

# Names sort by time.
forget_old_nights() {
  local old
  find "$nights" -mindepth 1 -maxdepth 1 -type d -name '20*Z' | sort | head -n "-$keep" | while read -r old; do
    [[ $old == "$(realpath -m "$last")" ]] || rm -rf "$old"
  done
}

mkdir -p "$nights"
code=0
"$ROOT/replicate" "${arguments[@]}" --out "$tonight" || code=$?
if [[ ! -e $tonight/summary.json ]]; then
  say "the run left no summary (exit $code): $tonight"
  exit "$((code ? code : 3))"
fi
changed=0
summarise >"$tonight/summary.md" || changed=$?
cat "$tonight/summary.md"
[[ -z ${GITHUB_STEP_SUMMARY:-} ]] || cat "$tonight/summary.md" >>"$GITHUB_STEP_SUMMARY"
((code > 1)) || ln -sfn "$tonight" "$last"
forget_old_nights
exit "$((code ? code : changed))"
