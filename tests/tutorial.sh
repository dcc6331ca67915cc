#!/usr/bin/env bash
# Does what docs/add_a_claim.md tells a reader to do: builds the claim's files, runs its tests and its commands, and holds
# the verdict against the one that the text promises and the record against the schema. Needs a build and the default model.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$(realpath "$0")")/../scripts/common.sh"
text=$ROOT/docs/add_a_claim.md
home=$BUILD/tutorial # the settings that the tutorial's programs read: the project's and the new claim's
work=$(mktemp -d -t tutorial.XXXXXX)
record=$work/results/value_drain/value_drain/record.json
trap 'rm -rf "$work"' EXIT

fail() {
  say "tutorial: $*"
  exit 1
}

# The YAML comes from the text by itself here: writing the sources again would have them compiled again.
write_settings() {
  rm -rf "$home/configs"
  cp -r "$ROOT/configs" "$home/configs"
  python3 -B "$ROOT/tests/tutorial_files.py" "$text" "$work/files"
  cp "$work"/files/configs/claims/*.yaml "$home/configs/claims/"
}

# The commands of the text, with the program that has the new claim in place of the launcher.
run_commands() {
  local command words
  while read -r command; do
    [[ $command == ./replicate\ * ]] || fail "the text has a command that is not ./replicate ($command)"
    read -r -a words <<<"${command#./replicate }"
    (cd "$work" && "$BUILD/tests/tutorial_replicate" "${words[@]}" </dev/null) >"$work/log" 2>&1 ||
      { cat "$work/log" >&2 && fail "a command failed ($command)"; }
  done < <(python3 -B "$ROOT/tests/tutorial_files.py" "$text" --commands)
}

check_verdict() {
  local promised found
  # shellcheck disable=SC2016
  promised=$(sed -n 's/^The verdict is `\([a-z]*\)`.*/\1/p' "$text")
  found=$(sed -n 's/^ "verdict": "\([a-z]*\)",$/\1/p' "$record")
  [[ -n $promised && $found == "$promised" ]] ||
    fail "the text promises '$promised', the record says '$found' ($(grep '^ "reason"' "$record"))"
}

python=$(python_with jsonschema) || die "no python3 with jsonschema (PATH): install python3-jsonschema"
build tutorial
export REPLICATE_ASSETS=$ASSETS REPLICATE_HOME=$home
write_settings
"$BUILD/tests/tutorial_tests" >"$work/log" || { cat "$work/log" >&2 && fail "its tests failed"; }
run_commands
check_verdict
"$python" -B "$ROOT/tests/record_schema.py" "$record" >"$work/log" || fail "its record does not fit docs/record.schema.json"
say "tutorial: the claim builds, passes its tests and ends as promised"
