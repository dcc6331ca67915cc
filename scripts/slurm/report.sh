#!/usr/bin/env bash
# Behind the tasks of scripts/slurm/submit.sh: one run folder for each model and seed, its report, and the matrix.
set -euo pipefail
out=$1
runs=()
for parts in "$out"/parts/*/; do
  run=$out/$(basename "$parts")
  mkdir -p "$run"
  for part in "$parts"*/; do
    claim=$(basename "$part")
    [[ -e $part/$claim/record.json ]] || { echo "$claim of $(basename "$run") left no record: see $out/log" >&2 && continue; }
    cp -r "$part/$claim" "$run/"
  done
  [[ -n $(find "$run" -name record.json -print -quit) ]] || continue
  "$REPLICATE_PROGRAM" report "$run"
  runs+=("$run")
done
((${#runs[@]})) || { echo "no task left a record: see $out/log" >&2 && exit 3; }
if ((${#runs[@]} > 1)); then
  "$REPLICATE_PROGRAM" report "${runs[@]}" --out "$out"
fi
