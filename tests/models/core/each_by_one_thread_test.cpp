#include "models/core/each_by_one_thread.h"

#include <gtest/gtest.h>

#include <thread>

namespace replicate {
namespace {

/// Which thread did each of 64 pieces of work on tensors of this device.
std::vector<std::thread::id> workers(at::Device device) {
  std::vector<std::thread::id> all(64);
  each_by_one_thread(64, device, [&](int64_t i) {
    EXPECT_TRUE(c10::InferenceMode::is_enabled());
    all[static_cast<size_t>(i)] = std::this_thread::get_id();
  });
  return all;
}

TEST(EachByOneThread, WorkForAnyOtherDeviceThanTheProcessorIsDoneByTheCallingThread) {
  const auto before = at::get_num_threads();
  at::set_num_threads(2);
  const auto caller = std::this_thread::get_id();
  const auto all_by_caller = std::vector<std::thread::id>(64, caller);
  for (const auto type : {at::kCUDA, at::kMeta}) EXPECT_EQ(workers(type), all_by_caller) << type;
  const auto on_processor = workers(at::kCPU);
  EXPECT_NE(on_processor, all_by_caller);
  EXPECT_EQ(std::count(on_processor.begin(), on_processor.end(), std::thread::id()), 0) << "all of it is done";
  at::set_num_threads(before);
}

}  // namespace
}  // namespace replicate
