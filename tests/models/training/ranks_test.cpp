#include "models/training/ranks.h"

#include <gtest/gtest.h>

#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "tests/support/expect_error.h"

namespace replicate {
namespace {

/// A store that the ranks do not serve themselves, as under torchrun, and ranks that meet there: a thread each, with an
/// environment of its own.
class RanksTest : public testing::Test {
 protected:
  RanksTest() {
    c10d::TCPStoreOptions options;
    options.port = 0;  // any that is free
    options.isServer = true;
    options.useLibUV = false;  // that server asks for a name of each client's address, which can take seconds
    agent_ = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  }

  Variables variables(int rank, int size, int restarts) const {
    const std::map<std::string, std::string> set = {{"WORLD_SIZE", std::to_string(size)},
                                                    {"RANK", std::to_string(rank)},
                                                    {"LOCAL_RANK", std::to_string(rank)},
                                                    {"MASTER_ADDR", "127.0.0.1"},
                                                    {"MASTER_PORT", std::to_string(agent_->getPort())},
                                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                                    {"TORCHELASTIC_RESTART_COUNT", std::to_string(restarts)}};
    return [=](const char* name) {
      const auto found = set.find(name);
      return found == set.end() ? std::nullopt : std::optional(found->second);
    };
  }

  /// What each rank ends with: what its work returns, or its error.
  using Work = std::function<std::string(const Ranks&)>;
  std::vector<std::string> together(int size, const Work& work, int restarts = 0) const {
    std::vector<std::string> ends(static_cast<size_t>(size));
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          ends[static_cast<size_t>(rank)] = work(Ranks::from_environment(variables(rank, size, restarts)));
        } catch (const std::exception& error) {
          ends[static_cast<size_t>(rank)] = error.what();
        }
      });
    }
    threads.clear();
    return ends;
  }

 private:
  c10::intrusive_ptr<c10d::TCPStore> agent_;
};

TEST_F(RanksTest, MeetInAStoreThatTheLauncherServes) {
  const auto meet = [](const Ranks&) { return std::string("met"); };
  ASSERT_EQ(together(3, meet), std::vector<std::string>(3, "met"));
  const auto mean = [](const Ranks& ranks) {
    const auto flat = at::full({3}, static_cast<float>(ranks.rank()));
    for (int i = 0; i < 4; ++i) ranks.average(flat);
    ranks.part();
    return std::to_string(flat[2].item<float>());
  };
  EXPECT_EQ(together(3, mean), std::vector<std::string>(3, "1.000000"));
}

TEST_F(RanksTest, StartedAgainTheyReadNothingOfTheAttemptBefore) {
  for (const int attempt : {0, 1, 2}) {
    const auto exchanged = [&](const Ranks& ranks) {
      const auto flat = at::full({1}, static_cast<float>(10 * attempt));
      const auto agreed = ranks.agreed(attempt);
      ranks.average(flat);
      return std::to_string(agreed) + ", " + std::to_string(flat.item<int>());  // ends without a word, as after a crash
    };
    const auto expected = std::to_string(attempt) + ", " + std::to_string(10 * attempt);
    EXPECT_EQ(together(2, exchanged, attempt), std::vector<std::string>(2, expected));
  }
}

TEST_F(RanksTest, EachRankHasAGpuOfItsOwn) {
  const std::vector<std::string> node = {"a", "b", "c"}, two = {"a", "b"};
  const auto all = [](const std::string& end) { return std::vector<std::string>(3, end); };
  struct Case {
    std::string what;
    std::vector<std::vector<std::string>> visible;  // by rank
    at::Device asked;
    std::vector<std::string> expected;  // by rank: the device, or a part of the error
  };
  const Case cases[] = {
      {"torchrun: each sees all", {node, node, node}, at::kCUDA, {"cuda:0", "cuda:1", "cuda:2"}},
      {"srun: each sees its own", {{"a"}, {"b"}, {"c"}}, at::kCUDA, {"cuda:0", "cuda:0", "cuda:0"}},
      {"two nodes", {{"a"}, {"b"}, {"a on another node"}}, at::kCUDA, {"cuda:0", "cuda:0", "cuda:0"}},
      {"a processor", {{}, {}, {}}, at::kCPU, {"cpu", "cpu", "cpu"}},
      {"more ranks than GPUs", {two, two, two}, at::kCUDA, all("ranks 0 and 2 would use one GPU (a)")},
      {"one for all", {node, node, node}, at::Device(at::kCUDA, 1), all("ranks 0 and 1 would use one GPU (b)")},
  };
  std::vector<std::vector<std::string>> ends(3, std::vector<std::string>(std::size(cases)));  // by rank and case
  const auto take = [&](const Ranks& ranks) {
    const auto rank = static_cast<size_t>(ranks.rank());
    for (size_t i = 0; i < std::size(cases); ++i) {
      try {
        ends[rank][i] = ranks.device(cases[i].asked, cases[i].visible[rank]).str();
      } catch (const Error& error) {
        ends[rank][i] = error.what();
      }
    }
    return std::string("done");
  };
  EXPECT_EQ(together(3, take), all("done"));
  for (size_t i = 0; i < std::size(cases); ++i) {
    for (size_t rank = 0; rank < 3; ++rank) {
      EXPECT_TRUE(ends[rank][i].starts_with(cases[i].expected[rank])) << cases[i].what << ": " << ends[rank][i];
    }
  }
}

TEST_F(RanksTest, NoRankIsLeftWithAProcessor) {
  const auto ends = together(2, [](const Ranks& ranks) {
    return ranks.first() ? ranks.device(at::kCUDA, {"a"}).str() : ranks.device(at::kCPU).str();
  });
  for (const auto& end : ends) EXPECT_TRUE(end.starts_with("rank 1 would use no GPU")) << end;
}

TEST(Ranks, AGpuIsTheOneAskedForOrTheProcessesOwn) {
  const auto gpu = [](at::Device asked, int64_t local, int64_t seen) { return own_gpu(asked, local, seen).str(); };
  EXPECT_EQ(gpu(at::kCUDA, 0, 1), "cuda:0");
  EXPECT_EQ(gpu(at::kCUDA, 0, 8), "cuda:0");
  EXPECT_EQ(gpu(at::kCUDA, 7, 8), "cuda:7");
  EXPECT_EQ(gpu(at::kCUDA, 7, 1), "cuda:0");
  EXPECT_EQ(gpu(at::kCUDA, 5, 4), "cuda:1");
  EXPECT_EQ(gpu(at::Device(at::kCUDA, 3), 0, 8), "cuda:3");
  EXPECT_EQ(gpu(at::Device(at::kCUDA, 3), 5, 8), "cuda:3");
  expect_error([&] { gpu(at::Device(at::kCUDA, 3), 0, 1); }, "no GPU 3 among the 1");
  expect_error([&] { gpu(at::kCUDA, 0, 0); }, "no GPU 0 among the 0");
}

TEST(Ranks, OneProcessTakesTheFirstGpuUnlessItIsToldWhich) {
  EXPECT_EQ(Ranks().device(at::kCUDA, {"a", "b"}).str(), "cuda:0");
  EXPECT_EQ(Ranks().device(at::Device(at::kCUDA, 1), {"a", "b"}).str(), "cuda:1");
  EXPECT_EQ(Ranks().device(at::kCPU).str(), "cpu");
}

}  // namespace
}  // namespace replicate
