#pragma once

#include "models/torch.h"

namespace replicate {

/// The processes that train one model together, as torchrun or srun started them: each computes the gradient of its share of
/// every batch. One process alone is a group of one, which exchanges nothing. All ranks call
/// `average`, `agreed` and `part` in the same order. Error there when another rank has ended.
class Ranks {
 public:
  Ranks() = default;  ///< alone

  /// What the environment says: torchrun's RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, or srun's SLURM_PROCID,
  /// SLURM_STEP_NUM_TASKS and SLURM_LOCALID (with MASTER_ADDR and MASTER_PORT where the step spans several nodes). Waits
  /// until all are there. Error when it contradicts itself, or when they do not come.
  static Ranks from_environment();
  static int64_t size_in_environment();  ///< how many were started; meets nobody

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  bool first() const { return rank_ == 0; }  ///< the one that writes files and says things
  bool alone() const { return size_ == 1; }

  /// The GPU that is this process's own where `asked` is a GPU without a number; otherwise `asked`.
  at::Device device(at::Device asked) const;

  /// The mean over ranks, in place, in the same bits on every rank: float32 [N]. On GPUs by NCCL, without waiting for it; on
  /// processors through the store that the ranks met in, which is made for tests and small runs.
  void average(Tensor flat) const;

  /// The first rank's number. Waits for it.
  int64_t agreed(int64_t mine) const;

  /// The last thing that ranks do together: the first one, at whom they met, waits until all others have come to here.
  void part() const;

 private:
  class Exchange;

  int64_t rank_ = 0, size_ = 1, local_ = 0;
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace replicate
