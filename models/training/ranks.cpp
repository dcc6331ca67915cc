#include "models/training/ranks.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.h"
#include "models/core/devices.h"

#ifdef REPLICATE_NCCL
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>
#endif

namespace replicate {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr int64_t kMessage = 1 << 20;                 ///< floats in one message: the store takes 8 MiB at most
constexpr auto kPatience = std::chrono::minutes(30);  ///< a rank may validate, or save, while others wait

// ---- the environment

[[noreturn]] void refuse(const std::string& what, const std::string& where) {
  throw Error(what, where, "start all processes with torchrun or srun, or one without these variables");
}

int64_t number(const Variables& variable, const char* name) {
  const auto text = variable(name);
  if (!text) refuse("the environment says that several processes train together, but lacks a variable", name);
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < 0)
    refuse("not a number (" + *text + ")", name);
  return value;
}

/// Where the ranks meet.
struct Meeting {
  std::string host;
  uint16_t port;
  bool served = false;        ///< by the launcher; otherwise by the first rank
  std::string attempt = "0";  ///< the launcher's count of how often it has started the ranks again
};

uint16_t port_from(int64_t number, const char* name) {
  if (number < 1 || number > 65535) refuse("no port", name);
  return static_cast<uint16_t>(number);
}

Meeting torchrun_meeting(const Variables& variable) {
  const auto host = variable("MASTER_ADDR");
  if (!host) refuse("several processes train together, and nothing says where they meet", "MASTER_ADDR");
  return {*host, port_from(number(variable, "MASTER_PORT"), "MASTER_PORT"),
          variable("TORCHELASTIC_USE_AGENT_STORE") == "True", variable("TORCHELASTIC_RESTART_COUNT").value_or("0")};
}

/// Without MASTER_ADDR the ranks must be on one node; steps of one node differ in their ports.
Meeting slurm_meeting(const Variables& variable) {
  if (variable("MASTER_ADDR")) return torchrun_meeting(variable);
  if (number(variable, "SLURM_STEP_NUM_NODES") != 1) {
    refuse("the step spans several nodes, and nothing says where they meet", "MASTER_ADDR");
  }
  const auto step = number(variable, "SLURM_JOB_ID") * 16 + number(variable, "SLURM_STEP_ID");
  return {"127.0.0.1", static_cast<uint16_t>(20000 + step % 30000)};
}

// ---- GPUs

/// What each rank computes on, by rank; empty for a processor.
void refuse_shared(const std::vector<std::string>& gpus) {
  if (std::all_of(gpus.begin(), gpus.end(), [](const auto& gpu) { return gpu.empty(); })) return;
  std::map<std::string, std::string> users;
  for (size_t i = 0; i < gpus.size(); ++i) {
    const auto rank = std::to_string(i);
    if (gpus[i].empty()) throw Error("rank " + rank + " would use no GPU, as others do", "--device", "give it one");
    const auto [user, alone] = users.emplace(gpus[i], rank);
    if (alone) continue;
    throw Error("ranks " + user->second + " and " + rank + " would use one GPU", gpus[i],
                "start at most as many processes on a node as it has GPUs, and name no GPU with --device");
  }
}

}  // namespace

// ---- the exchange

class Ranks::Exchange {
 public:
  Exchange(const Meeting& meeting, int64_t rank, int64_t size) : rank_(rank), size_(size) {
    c10d::TCPStoreOptions options;
    options.port = meeting.port;
    options.isServer = rank == 0 && !meeting.served;
    if (!meeting.served) options.numWorkers = static_cast<size_t>(size);
    options.timeout = kPatience;
    try {
      // A launcher's store still holds the keys of ranks that it has started before.
      store_ = c10::make_intrusive<c10d::PrefixStore>("replicate/" + meeting.attempt,
                                                      c10::make_intrusive<c10d::TCPStore>(meeting.host, options));
    } catch (const std::exception& error) {
      const std::string text = error.what();
      refuse("the " + std::to_string(size) + " processes did not meet (" + text.substr(0, text.find('\n')) + ")",
             meeting.host + ":" + std::to_string(meeting.port));
    }
  }

  /// Sums in the order of ranks, so that every rank gets the same bits.
  void add_up_through_store(Tensor flat) {
    const auto n = flat.numel();
    auto* values = flat.mutable_data_ptr<float>();
    std::vector<float> sums(static_cast<size_t>(n), 0.f);
    ++round_;
    for (int64_t first = 0; first < n; first += kMessage) {
      const auto count = std::min(kMessage, n - first);
      const auto* bytes = reinterpret_cast<const uint8_t*>(values + first);
      store_->set(key(round_, rank_, first), Bytes(bytes, bytes + count * sizeof(float)));
    }
    for (int64_t rank = 0; rank < size_; ++rank) {
      for (int64_t first = 0; first < n; first += kMessage) add(key(round_, rank, first), sums.data() + first);
    }
    std::copy(sums.begin(), sums.end(), values);
    forget(n);
  }

  int64_t agreed(int64_t mine) {
    const auto key = "agreed/" + std::to_string(++agreements_);
    Bytes bytes(sizeof mine);
    if (rank_ == 0) {
      std::memcpy(bytes.data(), &mine, sizeof mine);
      store_->set(key, bytes);
      return mine;
    }
    bytes = get(key);
    TORCH_CHECK(bytes.size() == sizeof mine, "another program's ranks");
    std::memcpy(&mine, bytes.data(), sizeof mine);
    return mine;
  }

  /// What each rank says, by rank.
  std::vector<std::string> from_all(const std::string& mine) {
    const auto key = "text/" + std::to_string(++texts_) + "/";
    store_->set(key + std::to_string(rank_), Bytes(mine.begin(), mine.end()));
    std::vector<std::string> all;
    for (int64_t rank = 0; rank < size_; ++rank) {
      const auto bytes = get(key + std::to_string(rank));
      all.emplace_back(bytes.begin(), bytes.end());
    }
    return all;
  }

  void part() {
    const std::string key = "parted";
    if (rank_ > 0) {
      store_->add(key, 1);
      return;
    }
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (store_->add(key, 0) < size_ - 1 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

#ifdef REPLICATE_NCCL
  ~Exchange() {
    if (communicator_) ncclCommDestroy(communicator_);
  }

  void average_by_nccl(Tensor flat) {
    const c10::cuda::CUDAGuard guard(flat.device());
    if (!communicator_) communicator_ = begin_nccl();
    const auto stream = c10::cuda::getCurrentCUDAStream(flat.get_device());
    check(ncclAllReduce(flat.const_data_ptr(), flat.mutable_data_ptr(), static_cast<size_t>(flat.numel()), ncclFloat32,
                        ncclAvg, communicator_, stream.stream()));
  }
#endif

 private:
  static std::string key(int64_t round, int64_t rank, int64_t first) {
    return "sum/" + std::to_string(round) + "/" + std::to_string(rank) + "/" + std::to_string(first);
  }

  Bytes get(const std::string& key) {
    try {
      return store_->get(key);
    } catch (const std::exception&) {
      throw Error("another process of this training has ended, or was silent for half an hour",
                  "rank " + std::to_string(rank_) + " of " + std::to_string(size_), "its own message says why");
    }
  }

  void add(const std::string& key, float* sums) {
    const auto bytes = get(key);
    const auto count = bytes.size() / sizeof(float);
    std::vector<float> part(count);
    std::memcpy(part.data(), bytes.data(), bytes.size());
    for (size_t i = 0; i < count; ++i) sums[i] += part[i];
  }

  /// Who is in round n has read everything of round n - 1, so that all have read what round n - 2 left.
  void forget(int64_t n) {
    if (round_ > 2) {
      for (int64_t first = 0; first < forgotten_size_; first += kMessage)
        store_->deleteKey(key(round_ - 2, rank_, first));
    }
    forgotten_size_ = previous_size_;
    previous_size_ = n;
  }

#ifdef REPLICATE_NCCL
  static void check(ncclResult_t result) { TORCH_CHECK(result == ncclSuccess, "NCCL: ", ncclGetErrorString(result)); }

  ncclComm_t begin_nccl() {
    ncclUniqueId id;
    if (rank_ == 0) {
      check(ncclGetUniqueId(&id));
      const auto* bytes = reinterpret_cast<const uint8_t*>(&id);
      store_->set("nccl", Bytes(bytes, bytes + sizeof id));
    } else {
      const auto bytes = get("nccl");
      TORCH_CHECK(bytes.size() == sizeof id, "another NCCL's ranks");
      std::memcpy(&id, bytes.data(), sizeof id);
    }
    ncclComm_t communicator = nullptr;
    check(ncclCommInitRank(&communicator, static_cast<int>(size_), id, static_cast<int>(rank_)));
    return communicator;
  }

  ncclComm_t communicator_ = nullptr;
#endif

  int64_t rank_, size_;
  int64_t round_ = 0, agreements_ = 0, texts_ = 0;
  int64_t previous_size_ = 0, forgotten_size_ = 0;  // floats that the last round and the one before it left
  c10::intrusive_ptr<c10d::Store> store_;
};

std::optional<std::string> environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

at::Device own_gpu(at::Device asked, int64_t local, int64_t visible) {
  const auto index = asked.has_index() ? asked.index() : visible > 0 ? local % visible : local;
  if (index < visible) return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  const auto seen = std::to_string(visible) + " that this process sees";
  throw Error("there is no GPU " + std::to_string(index) + " among the " + seen, "--device",
              "nvidia-smi and CUDA_VISIBLE_DEVICES say which there are");
}

int64_t Ranks::size_in_environment(const Variables& variable) {
  for (const char* name : {"WORLD_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (variable(name)) return number(variable, name);
  }
  return 1;
}

Ranks Ranks::from_environment(const Variables& variable) {
  Ranks ranks;
  const auto size = size_in_environment(variable);
  if (size <= 1) return ranks;
  const bool torchrun = variable("WORLD_SIZE").has_value();
  const char* name = torchrun ? "RANK" : "SLURM_PROCID";
  ranks.size_ = size;
  ranks.rank_ = number(variable, name);
  ranks.local_ = number(variable, torchrun ? "LOCAL_RANK" : "SLURM_LOCALID");
  if (ranks.rank_ >= size)
    refuse("rank " + std::to_string(ranks.rank_) + " of " + std::to_string(size) + " processes", name);
  ranks.exchange_ =
      std::make_shared<Exchange>(torchrun ? torchrun_meeting(variable) : slurm_meeting(variable), ranks.rank_, size);
  return ranks;
}

at::Device Ranks::device(at::Device asked) const {
  if (!asked.is_cuda()) return device(asked, {});
#ifndef REPLICATE_NCCL
  if (!alone()) {
    throw Error("this program was built without NCCL", "several processes on GPUs",
                "build it with LibTorch's CUDA packages (scripts/setup --with cuda), or use --device cpu");
  }
#endif
  return device(asked, gpu_names());
}

at::Device Ranks::device(at::Device asked, const std::vector<std::string>& visible) const {
  const auto own = asked.is_cuda() ? own_gpu(asked, local_, static_cast<int64_t>(visible.size())) : asked;
  if (alone()) return own;
  refuse_shared(exchange_->from_all(own.is_cuda() ? visible[static_cast<size_t>(own.index())] : ""));
  return own;
}

void Ranks::average(Tensor flat) const {
  if (alone()) return;
#ifdef REPLICATE_NCCL
  if (flat.is_cuda()) return exchange_->average_by_nccl(flat);
#endif
  TORCH_CHECK(flat.is_cpu() && flat.is_contiguous(), "several ranks average float32 on a processor or by NCCL");
  exchange_->add_up_through_store(flat);
  flat.div_(size_);
}

int64_t Ranks::agreed(int64_t mine) const { return alone() ? mine : exchange_->agreed(mine); }

void Ranks::part() const {
  if (!alone()) exchange_->part();
}

}  // namespace replicate
