#!/usr/bin/env bash
# One night's run, for cron or a CI runner: all claims, then what changed since the last night, as a summary that a team
# reads in a minute. Arguments are the program's, besides --profile nightly.
#
#   scripts/nightly.sh [--profile NAME] [--model NAME] ...
#   NIGHTLY_DIR     where nights are kept; default: results/nightly. One folder a night, and `last`, a link to the newest whole one
#   NIGHTLY_KEEP    how many nights are kept; default: 30
#   In crontab:     30 1 * * * cd /path/to/replicate && scripts/nightly.sh --yes >>nightly.log 2>&1
#
# Exit code: the run's, or 1 when the run ended well and something drifted.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$(realpath "$0")")/common.sh"

nights=$(realpath -m "${NIGHTLY_DIR:-$ROOT/results/nightly}")
keep=${NIGHTLY_KEEP:-30}
tonight=$nights/$(date -u +%Y-%m-%dT%H%M%SZ)
last=$nights/last

arguments=("$@")
[[ " $* " == *" --profile"* ]] || arguments+=(--profile nightly)

# A night that was cut off left no `last`: the comparison is with the last whole one.
compare() {
  local code=0
  [[ -e $last ]] || { echo "The first night: nothing to compare with."; return; }
  "$BUILD/replicate" diff "$(realpath "$last")" "$tonight" --format markdown || code=$?
  "$BUILD/replicate" diff "$(realpath "$last")" "$tonight" --format junit >"$tonight/diff-junit.xml" || true
  return "$code"
}

# The verdicts, and what changed.
summarise() {
  local code=0
  echo "## replicate, $(basename "$tonight")"
  echo
  python3 -B - "$tonight/summary.json" <<'PYTHON'
import json
import sys
summary = json.load(open(sys.argv[1], encoding="utf-8"))
print("Model `%s`: %s." % (summary["model"], ", ".join(f"{n} {name}" for name, n in summary["counts"].items() if n)))
PYTHON
  echo
  echo "### Since the last night"
  echo
  compare || code=$?
  return "$code"
}

# Names sort by time.
forget_old_nights() {
  local old
  find "$nights" -mindepth 1 -maxdepth 1 -type d -name '20*Z' | sort | head -n "-$keep" | while read -r old; do
    [[ $old == "$(realpath "$last")" ]] || rm -rf "$old"
  done
}

mkdir -p "$nights"
code=0
"$ROOT/replicate" --all "${arguments[@]}" --out "$tonight" || code=$?
if [[ ! -e $tonight/summary.json ]]; then
  say "the run left no summary (exit $code): $tonight"
  exit "$((code ? code : 3))"
fi
changed=0
summarise >"$tonight/summary.md" || changed=$?
cat "$tonight/summary.md"
[[ -z ${GITHUB_STEP_SUMMARY:-} ]] || cat "$tonight/summary.md" >>"$GITHUB_STEP_SUMMARY"
ln -sfn "$tonight" "$last"
forget_old_nights
exit "$((code ? code : changed))"
