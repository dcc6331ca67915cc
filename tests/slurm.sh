#!/usr/bin/env bash
# Proves scripts/slurm on a Slurm of one node, from Debian's packages slurm-wlm and munge: two claims on two models and
# two seeds, then the report job. Needs root, the packages and a build; starts daemons of its own and ends them.
#
#   tests/slurm.sh [OUT]     default: a temporary folder
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")
out=${1:-$(mktemp -d -t slurm.XXXXXX)}
for tool in munged slurmctld slurmd sbatch squeue; do
  command -v "$tool" >/dev/null || { echo "$tool is missing (PATH): apt-get install slurm-wlm munge" >&2 && exit 2; }
done

work=$(mktemp -d -t slurm-daemons.XXXXXX)
host=$(hostname -s)
cat >"$work/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES State=UP
CONF
mkdir -p "$work/state" "$work/spool"
export SLURM_CONF=$work/slurm.conf

stop() {
  pkill -F "$work/slurmd.pid" 2>/dev/null || true
  pkill -F "$work/slurmctld.pid" 2>/dev/null || true
  pkill -F "$work/munged.pid" 2>/dev/null || true
}
trap stop EXIT

head -c 1024 /dev/urandom >"$work/munge.key"
chown -R root: "$work"
chmod 700 "$work" "$work/munge.key"
chmod 711 "$work"
munged --force --key-file="$work/munge.key" --socket="$work/munge.socket" --pid-file="$work/munged.pid" \
  --log-file="$work/munged.log" --seed-file="$work/munge.seed"
slurmctld
slurmd
until sinfo --noheader --format=%T 2>/dev/null | grep -q idle; do sleep 1; done

"$root/scripts/slurm/submit.sh" --profile smoke --claims sink_onset,dimension_disparity --models smollm2,smollm2-null --seeds 1,2 --out "$out"
while [[ -n $(squeue --noheader) ]]; do sleep 2; done

for run in smollm2-seed1 smollm2-seed2 smollm2-null-seed1 smollm2-null-seed2; do
  for file in report.html sink_onset/record.json dimension_disparity/record.json; do
    [[ -e $out/$run/$file ]] || { echo "missing: $out/$run/$file" >&2 && exit 1; }
  done
done
[[ -e $out/matrix.html ]] || { echo "missing: $out/matrix.html" >&2 && exit 1; }
echo "8 tasks, 4 reports, 1 matrix: $out"
