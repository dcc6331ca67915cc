#include "models/training/ranks.h"

#include <gtest/gtest.h>

#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

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

}  // namespace
}  // namespace replicate
