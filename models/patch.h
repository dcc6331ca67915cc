#pragma once

// A patch changes the forward pass and is plain, comparable data: two lanes whose patches are equal up to
// a layer are the same computation up to that layer, and the executor runs them once.

#include "models/attention.h"
#include "models/site.h"

namespace replicate {

/// Layers first..last, both included, counted from 1.
struct LayerRange {
  int64_t first = 1;
  int64_t last = 0;
  bool contains(int64_t layer) const { return first <= layer && layer <= last; }
  bool operator==(const LayerRange&) const = default;
};

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
/// of what the site holds per position (heads flattened; all when empty). scale 0 replaces or clamps, shift (1 - lambda) mu with scale lambda amplifies
/// a deviation from mu. `shift` holds one value per dimension for each layer of the range, in order; one
/// value list for all layers when it has a single entry, zero when empty.
struct AffinePatch {
  Site site = Site::head_output;
  LayerRange layers;
  std::vector<int64_t> positions;
  std::vector<int64_t> dimensions;
  float scale = 1;
  std::vector<std::vector<float>> shift;
  bool operator==(const AffinePatch&) const = default;
};

using Patch = std::variant<RowMask, IdentityAttention, AffinePatch>;

const LayerRange& layers_of(const Patch& patch);

/// The patches that act in `layer`, in their order.
std::vector<Patch> active_patches(const std::vector<Patch>& patches, int64_t layer);

/// Attention under the active patches, for `sequences` sequences of a batch from `first_sequence` on.
AttentionSpec attention_spec(const std::vector<Patch>& active, double scale, int64_t first_sequence,
                             int64_t sequences);

/// The value at `site` after the active patches; the tensor itself when none applies.
Tensor apply_patches(const std::vector<Patch>& active, int64_t layer, Site site,
                     const Tensor& value);

/// Error when a patch names a position outside 0..length-1, a layer outside 1..layers or an empty row.
void check_patches(const std::vector<Patch>& patches, int64_t layers, int64_t sequences,
                   int64_t length);

}  // namespace replicate
