#pragma once

#include "models/core/torch.h"

namespace replicate {

/// The text of an environment variable; nothing where it is empty or not set.
using Variables = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> environment_variable(const char* name);  ///< of this process

/// The GPU for a process that sees so many: the one asked for, or where that has no number, the one with the process's
/// number on its node. srun binds one GPU to each process, which then sees that one alone, as number 0. Error where no
/// GPU has the number.
at::Device own_gpu(at::Device asked, int64_t local, int64_t visible);

/// The processes that train one model together, as torchrun or srun started them: each computes the gradient of its
/// share of every batch. One process alone is a group of one, which exchanges nothing. All ranks call `device`,
/// `average`, `agreed` and `part` in the same order. Error there when another rank has ended.
class Ranks {
 public:
  Ranks() = default;  ///< alone

  /// What the environment says: torchrun's RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, or srun's
  /// SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID (with MASTER_ADDR and MASTER_PORT where the step spans
  /// several nodes). The ranks meet in a store. Under TORCHELASTIC_USE_AGENT_STORE=True torchrun's agent serves it, the
  /// same one when it starts the ranks again; otherwise the first rank does, and waits until all are there. Error when
  /// the environment contradicts itself, or when the ranks do not meet.
  static Ranks from_environment(const Variables& variables = environment_variable);
  static int64_t size_in_environment(const Variables& variables = environment_variable);  ///< does not connect

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  bool first() const { return rank_ == 0; }  ///< the one that writes files and says things
  bool alone() const { return size_ == 1; }

  /// What this process computes on: its own_gpu where a GPU is asked for. All ranks call it. Error where two of them
  /// would use one GPU.
  at::Device device(at::Device asked) const;
  /// The same where this process sees GPUs of these names (devices.h).
  at::Device device(at::Device asked, const std::vector<std::string>& visible) const;

  /// The mean over ranks, in place, in the same bits on every rank: float32 [N]. On GPUs by NCCL, without waiting for
  /// it; on processors through the store that the ranks met in, which is made for tests and small runs.
  void average(Tensor flat) const;

  /// The first rank's number. Waits for it.
  int64_t agreed(int64_t mine) const;

  /// The last thing that ranks do together: the first one, which may serve the store, waits until all others are here.
  void part() const;

 private:
  class Exchange;

  int64_t rank_ = 0, size_ = 1, local_ = 0;
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace replicate
