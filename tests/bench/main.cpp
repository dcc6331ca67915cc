// Of every benchmark.

#include <benchmark/benchmark.h>

#include "models/core/nvrtc.h"
#include "models/kernels/heap.h"

int main(int argc, char** argv) {
  replicate::keep_freed_memory();  // as the program does
  replicate::load_nvrtc_builtins();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
