#!/usr/bin/env bash
# Claims x models x seeds as a job array on a Slurm cluster, and a report job that waits for all of them.
#
#   scripts/slurm/submit.sh --models smollm2,smollm2-null --seeds 1,2 [--profile cpu] [--claims a,b] [--out DIR] [-- SBATCH...]
#   --models NAMES   of configs/models, or paths       --seeds NUMBERS
#   --claims IDS     default: all but those that train  --out DIR  default: results/slurm/<time>, seen by all nodes
#   What follows -- goes to sbatch for the array: -- --gres=gpu:1 --time=01:00:00
#
# Each task runs one claim on one model with one seed in DIR/<model>-seed<seed>/, where the claims of one model share a
# folder. The report job writes each folder's report and the matrix of all of them into DIR. Build once before:
# ./replicate --list
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$(realpath "$0")")/../common.sh"

models=smollm2 seeds=1 profile=cpu claims='' out=$ROOT/results/slurm/$(date -u +%Y%m%d-%H%M%S) sbatch_arguments=()
while (($#)); do
  case $1 in
    --models | --seeds | --profile | --claims | --out) (($# > 1)) || die "a value is missing ($1)" ;;&
    --models) models=$2 && shift ;;
    --seeds) seeds=$2 && shift ;;
    --profile) profile=$2 && shift ;;
    --claims) claims=$2 && shift ;;
    --out) out=$(realpath -m "$2") && shift ;;
    --) shift && sbatch_arguments=("$@") && break ;;
    --help | -h) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "unknown option ($1): see $0 --help" ;;
  esac
  shift
done
command -v sbatch >/dev/null || die "there is no sbatch (PATH): run this on a node that submits jobs"
[[ -x $BUILD/replicate ]] || die "the program is not built ($BUILD): run ./replicate --list first"

mapfile -t all < <("$BUILD/replicate" --list --profile "$profile" | awk '/^  /{print $1}' |
  grep -vxE 'sink_mitigation|sigmoid_mitigation|statistical_parity|rank_preservation|convergence_speedup|gated_attention|dense_ffn|emergence')
[[ -z $claims ]] || IFS=, read -ra all <<<"$claims"
IFS=, read -ra model_list <<<"$models"
IFS=, read -ra seed_list <<<"$seeds"

# One line a task: claim, model, seed, folder.
mkdir -p "$out/log"
for model in "${model_list[@]}"; do
  for seed in "${seed_list[@]}"; do
    for claim in "${all[@]}"; do
      printf '%s\t%s\t%s\t%s\n' "$claim" "$model" "$seed" "$out/$(basename "$model")-seed$seed"
    done
  done
done >"$out/tasks.tsv"
tasks=$(wc -l <"$out/tasks.tsv")

export REPLICATE_ASSETS=$ASSETS REPLICATE_PROGRAM=$BUILD/replicate SLURM_ROOT=$ROOT
array=$(sbatch --parsable --job-name=replicate --array="0-$((tasks - 1))" --output="$out/log/%a.log" \
  "${sbatch_arguments[@]}" "$ROOT/scripts/slurm/task.sh" "$out" "$profile")
report=$(sbatch --parsable --job-name=replicate-report --dependency="afterany:${array%%;*}" --output="$out/log/report.log" \
  "$ROOT/scripts/slurm/report.sh" "$out")
say "$tasks tasks in job $array, the report in job $report: $out"
