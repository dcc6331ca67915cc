#include "models/training/cuda_graph.h"

#ifdef REPLICATE_CUDA_KERNELS

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <array>

namespace replicate {
namespace {

constexpr int64_t kUnrecorded = 2;  // runs in which libraries make what they keep: handles, workspaces, communicators
constexpr int64_t kAhead = 2;       // runs that the device may not have begun

}  // namespace

struct CudaGraph::Recording {
  explicit Recording(at::Device device) : device(device) {}

  void run(const std::function<void()>& work) {
    const c10::cuda::CUDAGuard guard(device);
    auto& place = done[runs % kAhead];
    place.synchronize();  // nothing to wait for where nothing was recorded
    if (runs == kUnrecorded) record(work);
    if (graph) {
      graph->replay();
    } else {
      work();
    }
    place.record();
    ++runs;
  }

  void record(const std::function<void()>& work) {
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // a graph has memory of its own
    graph = std::make_unique<at::cuda::CUDAGraph>();
    const c10::cuda::CUDAStreamGuard stream(c10::cuda::getStreamFromPool());  // the default stream cannot be recorded
    try {
      // Of this thread alone: another one may be making the next batch, in page-locked memory.
      graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
    } catch (const std::exception& error) {
      give_up(error);
    }
  }

  void give_up(const std::exception& error) {
    try {
      graph->capture_end();            // the stream would record for ever
    } catch (const std::exception&) {  // that it failed is known
    }
    graph.reset();
    const std::string text = error.what();
    TORCH_WARN("a training step cannot be recorded as a CUDA graph and is slower: ", text.substr(0, text.find('\n')));
  }

  at::Device device;
  std::unique_ptr<at::cuda::CUDAGraph> graph;
  std::array<at::cuda::CUDAEvent, kAhead> done;
  int64_t runs = 0;
};

CudaGraph::CudaGraph(at::Device device)
    : recording_(device.is_cuda() ? std::make_unique<Recording>(device) : nullptr) {}

void CudaGraph::run(const std::function<void()>& work) { recording_ ? recording_->run(work) : work(); }

}  // namespace replicate

#else

namespace replicate {

struct CudaGraph::Recording {};
CudaGraph::CudaGraph(at::Device) {}
void CudaGraph::run(const std::function<void()>& work) { work(); }

}  // namespace replicate

#endif

namespace replicate {
CudaGraph::~CudaGraph() = default;
}
