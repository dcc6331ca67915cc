#!/usr/bin/env bash
# Builds an unpacked bundle without a network, with the LibTorch that is there; scripts/bundle puts this file
# at the bundle's top, as build.sh. A second start compiles what changed.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$(realpath "$0")")/scripts/common.sh"

usage() {
  cat <<'TEXT'
./build.sh [--tests] [--cpu]
  --tests   build the tests and benchmarks too, and run the tests
  --cpu     no CUDA, even where nvcc and a LibTorch with CUDA are there
Environment:
  LIBTORCH                     folder of LibTorch 2.11 or newer (include/, lib/); default: that of python3's torch
  CMAKE_BUILD_PARALLEL_LEVEL   jobs; default: as many as cores and memory allow
TEXT
}

with_tests=OFF with_cuda=true
for argument in "$@"; do
  case $argument in
    --tests) with_tests=ON ;;
    --cpu) with_cuda=false ;;
    --help | -h) usage && exit 0 ;;
    *) die "unknown option ($argument): ./build.sh --help lists them" ;;
  esac
done

need_tools() {
  local tool
  for tool in c++ cmake ninja; do
    command -v "$tool" >/dev/null || die "$tool is missing (PATH): load the node's module that has it"
  done
  [[ -d $ROOT/third_party ]] || die "no third_party ($ROOT): unpack a whole bundle here, not one of --source-only"
}

# Where a python's torch lies; it is not imported, as that takes seconds and may want a driver. From the
# root folder: python would take a folder torch/ here for it.
python_libtorch() (
  cd /
  for python in python3 python; do
    "$python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null && exit
  done
  exit 1
)

find_libtorch() {
  local folder=${LIBTORCH:-}
  [[ -n $folder ]] || folder=$(python_libtorch) || folder=$ASSETS/libtorch
  [[ -e $folder/lib/libtorch_cpu.so ]] ||
    die "no LibTorch ($folder): set LIBTORCH to the folder that holds include/ and lib/, or load a python with torch"
  realpath "$folder"
}

choose_preset() {
  local why
  why=$(why_no_cuda)
  if ! $with_cuda; then
    echo release
  elif [[ -n $why ]]; then
    say "$why: building for the processor"
    echo release
  else
    echo cuda
  fi
}

build_all() {
  local targets=(replicate)
  [[ $with_tests == OFF ]] || targets=(all observation_bench)
  (cd "$ROOT" && cmake --preset "$PRESET" --log-level=WARNING -DLIBTORCH="$LIBTORCH" \
    -DREPLICATE_THIRD_PARTY="$ROOT/third_party" -DREPLICATE_TESTS=$with_tests >/dev/null) ||
    die "the build cannot be configured (above): put that right, or remove $BUILD and try again"
  ninja -C "$BUILD" -j "$(build_jobs)" "${targets[@]}" ||
    die "the build failed (above): put that right and run build.sh again, it goes on where it stopped"
}

need_tools
LIBTORCH=$(find_libtorch)
PRESET=$(choose_preset)
BUILD=$ROOT/build/$PRESET
say "LibTorch: $LIBTORCH; build: $BUILD"
lock "$ROOT/build/.lock" build
build_all
export REPLICATE_ASSETS=$ASSETS
"$BUILD/replicate" doctor || true  # it says what is missing; the build is done all the same
if [[ $with_tests == ON ]]; then
  ctest --test-dir "$BUILD" --output-on-failure || die "tests failed (above)"
fi
say "run it: $BUILD/replicate --all"
