#!/usr/bin/env bash
# One task of scripts/slurm/submit.sh: its claim, model and seed stand in its line of tasks.tsv.
set -euo pipefail
out=$1 profile=$2
IFS=$'\t' read -r claim model seed folder < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$out/tasks.tsv")

# Claims of one folder run at the same time on different nodes: each has a run of its own, put together by report.sh.
part=$out/parts/$(basename "$folder")/$claim
resume=()
[[ ! -d $part ]] || resume=(--resume)
exec "$REPLICATE_PROGRAM" --only "^$claim\$" --profile "$profile" --model "$model" --seed "$seed" \
  --threads "${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}" --out "$part" "${resume[@]}"
