#pragma once

// A patch changes the forward pass and is plain, comparable data: two lanes whose patches are equal up to
// a layer are the same computation up to that layer, and the executor runs them once.

#include "models/core/attention.h"
#include "models/core/layer_range.h"
#include "models/core/site.h"

namespace replicate {

/// In these layers a position may attend only to the given keys.
struct RowMask {
  LayerRange layers;
  MaskedRow row;
  bool operator==(const RowMask&) const = default;
};

/// In these layers every position attends only to itself.
struct IdentityAttention {
  LayerRange layers;
  bool operator==(const IdentityAttention&) const = default;
};

/// At one site and some positions (all when empty), x becomes scale * x + shift in the chosen dimensions
/// of what the site holds per position (heads flattened; all when empty). scale 0 replaces, scale 0 without shift
/// removes. `shift` holds one value per dimension for each layer of the range, in order; one value list for all
/// layers when it has a single entry, zero when empty.
struct AffinePatch {
  Site site = Site::head_output;
  LayerRange layers;
  std::vector<int64_t> positions;
  std::vector<int64_t> dimensions;
  float scale = 1;
  std::vector<std::vector<float>> shift;
  bool operator==(const AffinePatch&) const = default;
};

/// How a transplant makes one value r for each sequence and position of its own lane from a recording [B', P', X].
enum class Combine {
  each,           ///< that of the same sequence, position by position: B' and P' as in the lane
  position_mean,  ///< the same sequence's mean over the recorded positions
  sequence_mean,  ///< the mean over the recorded sequences, for each position
  noise,          ///< a random combination of the recorded sequences' deviations from their mean: normal weights of
                  ///< unit length
};

/// x becomes scale * x + weight * r at these positions (all when empty) and dimensions (all when empty), r taken
/// from what another lane recorded at the same site in the same layer. Clamps (0, 1), amplifies a deviation from a mean
/// (lambda, 1 - lambda), adds noise (1, 1).
struct Transplant {
  Site site = Site::head_output;
  LayerRange layers;
  std::vector<int64_t> positions;
  std::vector<int64_t> dimensions;
  float scale = 0;
  float weight = 1;
  std::string source;  ///< the name of a recording
  Combine combine = Combine::each;
  bool norm_only = false;  ///< x keeps its direction and takes only the norm of that value
  uint64_t seed = 0;       ///< of Combine::noise: one draw for each sequence, coherent over layers; and of `turned`
  float turned = 0;  ///< to that value is added `turned` times x's distance from it, in a random direction, one draw
                     ///< for each sequence
  bool operator==(const Transplant&) const = default;
};

/// At these positions (all when empty) x becomes mu + dose lambda (x - mu), so that it varies over sequences `dose`
/// times as much as another position does. mu is the mean over the sequences of what was recorded of x in another lane
/// (`source`, [B', 1, X]); lambda = max(1, s' / s), where s is the standard deviation of that over the sequences, the
/// variances of its X dimensions summed, and s' is that of the other position (`reference`, [B', 1, X]).
struct MatchedSpread {
  Site site = Site::head_output;
  LayerRange layers = {};
  std::vector<int64_t> positions = {};
  float dose = 1;
  std::string source = {}, reference = {};  ///< names of recordings
  bool around_mean = true;                  ///< without: x becomes dose lambda x
  bool operator==(const MatchedSpread&) const = default;
};

/// In one layer and at some positions (all when empty) the neurons write W_down[:, neuron] + delta instead of
/// W_down[:, neuron]: a change of low rank beside the weights, so that they stay mapped. One list of changes for all
/// sequences, or one per sequence.
struct WriteEdit {
  LayerRange layers;  ///< one layer
  std::vector<int64_t> positions;
  std::vector<int64_t> neurons;
  std::vector<std::vector<std::vector<float>>> delta;  ///< [1 or sequences][neurons][D]
  bool operator==(const WriteEdit&) const = default;
};

using Patch = std::variant<RowMask, IdentityAttention, AffinePatch, Transplant, MatchedSpread, WriteEdit>;

const LayerRange& layers_of(const Patch& patch);

/// What a patch reads of other lanes.
struct RecordingRead {
  std::string source;  ///< the recording's name
  Site site;
  LayerRange layers;
  bool by_sequence;  ///< each sequence takes the values of the source's sequence of the same number
};

std::vector<RecordingRead> reads_of(const Patch& patch);

/// max(1, the standard deviation over sequences of `reference` [B', P, X] over that of `source` [B', P, X]), variances
/// summed over P and X: a number, []. 1 where `source` does not vary.
Tensor matching_factor(const Tensor& source, const Tensor& reference);

/// The patches that act in `layer`, in their order.
std::vector<Patch> active_patches(const std::vector<Patch>& patches, int64_t layer);

/// Attention under the active patches, for `sequences` sequences of a batch from `first_sequence` on.
AttentionSpec attention_spec(const std::vector<Patch>& active, double scale, int64_t first_sequence, int64_t sequences);

/// What the recording of that name holds in the current layer: [B', P', X].
using Recorded = std::function<Tensor(const std::string& name)>;

/// Applies the patches of one layer to the values of one batch, site by site in the block's order.
class PatchedSites {
 public:
  PatchedSites(const std::vector<Patch>& active, const Recorded& recorded, int64_t layer, int64_t first_sequence)
      : active_(active), recorded_(recorded), layer_(layer), first_sequence_(first_sequence) {}

  /// The value at `site` after the patches; the tensor itself when none applies.
  Tensor at(Site site, const Tensor& value);

 private:
  const std::vector<Patch>& active_;
  const Recorded& recorded_;
  int64_t layer_, first_sequence_;
  Tensor hidden_;  // [b, T, F], kept for a WriteEdit
};

/// Error when a patch names a position outside 0..length-1, no layer or one outside 1..layers, or an empty row.
void check_patches(const std::vector<Patch>& patches, int64_t layers, int64_t sequences, int64_t length);

}  // namespace replicate
