#include "models/core/patch.h"

#include <algorithm>

#include "base/error.h"
#include "base/overloaded.h"
#include "models/core/site_values.h"

namespace replicate {
namespace {

/// The rows of `mask` for `sequences` sequences from `first` on, as the attention of one batch reads them.
MaskedRow slice(const MaskedRow& row, int64_t first, int64_t sequences) {
  if (row.keys.size() == 1) return row;
  return {row.query, {row.keys.begin() + first, row.keys.begin() + first + sequences}};
}

std::vector<float> shift_of(const AffinePatch& patch, int64_t layer) {
  if (patch.shift.size() == 1) return patch.shift.front();
  return patch.shift[layer - patch.layers.first];
}

/// The value with `change` applied to what the patch's positions and dimensions select, [B, P, X].
template <typename Change>
Tensor change_at(Site site, const std::vector<int64_t>& positions, const std::vector<int64_t>& dimensions,
                 const Tensor& value, const Change& change) {
  auto flat = positions_first(site, value).clone(at::MemoryFormat::Contiguous);
  auto rows = pick(flat, 1, positions).clone();  // [B, P, all]
  put(rows, 2, dimensions, change(pick(rows, 2, dimensions)));
  put(flat, 1, positions, rows);
  return restore_layout(site, flat, value);
}

Tensor apply(const AffinePatch& patch, int64_t layer, const Tensor& value) {
  return change_at(patch.site, patch.positions, patch.dimensions, value, [&](const Tensor& x) {
    const auto scaled = x * patch.scale;
    if (patch.shift.empty()) return scaled;
    return scaled + at::tensor(shift_of(patch, layer), at::kFloat).to(x.device());
  });
}

Tensor spread(const Tensor& recorded) { return recorded.to(at::kDouble).var(0).sum().sqrt(); }

Tensor apply(const MatchedSpread& patch, const Recorded& recorded, const Tensor& value) {
  const auto source = recorded(patch.source);
  const auto factor = patch.dose * matching_factor(source, recorded(patch.reference)).to(at::kFloat);
  return change_at(patch.site, patch.positions, {}, value, [&](const Tensor& x) {
    if (!patch.around_mean) return x * factor;
    const auto mean = source.mean(0, true);
    return mean + factor * (x - mean);
  });
}

/// `count` standard normal numbers, drawn for each sequence of the lane by itself, so that batches do not matter, and
/// the same in all layers: [b, count]. As weights of recorded sequences they keep the coherence between layers.
Tensor normal_weights(uint64_t seed, int64_t first_sequence, int64_t sequences, int64_t count) {
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < sequences; ++b) {
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(seed ^ (0x9E3779B97F4A7C15u * static_cast<uint64_t>(first_sequence + b + 1)));
    rows.push_back(at::randn({count}, generator, at::kFloat));
  }
  return at::stack(rows);
}

/// What a transplant puts in for the sequences of one batch, of what was recorded [B', P', X]: [b or 1, P or 1, X].
Tensor combined(const Transplant& patch, const Tensor& recorded, int64_t first_sequence, int64_t sequences) {
  switch (patch.combine) {
    case Combine::each: return recorded.narrow(0, first_sequence, sequences);
    case Combine::position_mean: return recorded.narrow(0, first_sequence, sequences).mean(1, true);
    case Combine::sequence_mean: return recorded.mean(0, true);
    case Combine::noise: break;
  }
  const auto count = recorded.size(0);
  TORCH_CHECK(count > 1, "a covariance needs two recorded sequences");
  const auto weights = normal_weights(patch.seed, first_sequence, sequences, count);
  const auto unit = weights / at::linalg_vector_norm(weights, 2, {-1}, true);
  const auto deviations = (recorded - recorded.mean(0, true)).flatten(1);
  return at::matmul(unit.to(recorded.device()), deviations).view({sequences, recorded.size(1), recorded.size(2)});
}

Tensor apply(const Transplant& patch, const Tensor& recorded, int64_t first_sequence, const Tensor& value) {
  const auto r = combined(patch, recorded, first_sequence, value.size(0));
  const auto norm = [](const Tensor& v) { return at::linalg_vector_norm(v, 2, {-1}, true); };
  return change_at(patch.site, patch.positions, patch.dimensions, value, [&](const Tensor& x) {
    const auto wanted = x * patch.scale + r * patch.weight;
    if (patch.norm_only) return x * (norm(wanted) / norm(x).clamp_min(1e-30));
    if (patch.turned == 0) return wanted;
    const auto drawn = normal_weights(patch.seed, first_sequence, x.size(0), x.size(1) * x.size(2)).view(x.sizes());
    return wanted + (drawn / norm(drawn)).to(x.device()) * (patch.turned * norm(x - wanted));
  });
}

/// [neurons, D], or [b, neurons, D] where each sequence has its own.
Tensor changes_of(const WriteEdit& edit, int64_t first_sequence, int64_t sequences) {
  const auto matrix = [](const std::vector<std::vector<float>>& rows) {
    std::vector<Tensor> all;
    for (const auto& row : rows) all.push_back(at::tensor(row, at::kFloat));
    return at::stack(all);
  };
  if (edit.delta.size() == 1) return matrix(edit.delta.front());
  std::vector<Tensor> by_sequence;
  for (int64_t b = 0; b < sequences; ++b) by_sequence.push_back(matrix(edit.delta[first_sequence + b]));
  return at::stack(by_sequence);
}

/// W_down's output with what the neurons write otherwise; hidden [b, T, F].
Tensor apply(const WriteEdit& edit, const Tensor& hidden, int64_t first_sequence, const Tensor& output) {
  const auto changes = changes_of(edit, first_sequence, output.size(0)).to(output.device());
  const auto active = pick(pick(hidden, 1, edit.positions), 2, edit.neurons);  // [b, P, neurons]
  return change_at(Site::ffn_output, edit.positions, {}, output,
                   [&](const Tensor& x) { return x + at::matmul(active, changes); });
}

/// Whether each sequence of the reading lane takes the values of the source's sequence of the same number.
bool takes_each_sequence(Combine combine) { return combine == Combine::each || combine == Combine::position_mean; }

/// Whether a patch needs the activations that W_down reads.
bool reads_hidden(const Patch& patch) {
  return std::visit(
      Overloaded{
          [](const WriteEdit&) { return true; },
          [](const OneOf<RowMask, IdentityAttention, AffinePatch, Transplant, MatchedSpread> auto&) { return false; }},
      patch);
}

[[noreturn]] void reject(const std::string& what) { throw Error(what, "patch", kDefect); }

void check_row(const MaskedRow& row, int64_t sequences, int64_t length) {
  if (row.query < 0 || row.query >= length) {
    reject("masked position " + std::to_string(row.query) + " lies outside a sequence of " + std::to_string(length));
  }
  const auto lists = static_cast<int64_t>(row.keys.size());
  if (lists != 1 && lists != sequences) reject("a row mask needs one key list, or one a sequence");
  for (const auto& keys : row.keys) {
    if (keys.empty()) reject("a masked row must see at least one key");
    for (const auto key : keys) {
      if (key < 0 || key > row.query) reject("a masked row may only see keys up to itself");
    }
  }
}

void check_positions(const std::vector<int64_t>& positions, int64_t length) {
  for (const auto position : positions) {
    if (position < 0 || position >= length) reject("patched position outside the sequence");
  }
}

void check_affine(const AffinePatch& patch, int64_t length) {
  check_positions(patch.positions, length);
  const auto layers = static_cast<size_t>(patch.layers.last - patch.layers.first + 1);
  if (patch.shift.size() > 1 && patch.shift.size() != layers) {
    reject("an affine patch needs no shift, one, or one a layer");
  }
}

void check_edit(const WriteEdit& edit, int64_t sequences, int64_t length) {
  check_positions(edit.positions, length);
  if (edit.layers.first != edit.layers.last) reject("a write edit belongs to one layer");
  const auto lists = static_cast<int64_t>(edit.delta.size());
  if (lists != 1 && lists != sequences) reject("a write edit needs one list of vectors, or one per sequence");
  for (const auto& list : edit.delta) {
    if (list.empty() || edit.neurons.size() != list.size()) reject("a write edit needs one vector per neuron");
  }
}

}  // namespace

const LayerRange& layers_of(const Patch& patch) {
  return std::visit([](const auto& p) -> const LayerRange& { return p.layers; }, patch);
}

std::vector<RecordingRead> reads_of(const Patch& patch) {
  using Reads = std::vector<RecordingRead>;
  const Overloaded reads{
      [](const Transplant& one) -> Reads {
        return {{one.source, one.site, one.layers, takes_each_sequence(one.combine)}};
      },
      [](const MatchedSpread& one) -> Reads {
        return {{one.source, one.site, one.layers, false}, {one.reference, one.site, one.layers, false}};
      },
      [](const OneOf<RowMask, IdentityAttention, AffinePatch, WriteEdit> auto&) -> Reads { return {}; },
  };
  return std::visit(reads, patch);
}

Tensor matching_factor(const Tensor& source, const Tensor& reference) {
  TORCH_CHECK(source.size(0) > 1 && reference.size(0) > 1, "a standard deviation needs two recorded sequences");
  const auto own = spread(source);
  return at::where(own > 0, spread(reference) / own, at::ones_like(own)).clamp_min(1);
}

std::vector<Patch> active_patches(const std::vector<Patch>& patches, int64_t layer) {
  std::vector<Patch> active;
  for (const auto& patch : patches) {
    if (layers_of(patch).contains(layer)) active.push_back(patch);
  }
  return active;
}

AttentionSpec attention_spec(const std::vector<Patch>& active, double scale, int64_t first_sequence,
                             int64_t sequences) {
  AttentionSpec spec{.scale = scale};
  const Overloaded add{
      [&](const RowMask& mask) { spec.rows.push_back(slice(mask.row, first_sequence, sequences)); },
      [&](const IdentityAttention&) { spec.identity = true; },
      [](const OneOf<AffinePatch, Transplant, MatchedSpread, WriteEdit> auto&) {},
  };
  for (const auto& patch : active) std::visit(add, patch);
  return spec;
}

Tensor PatchedSites::at(Site site, const Tensor& value) {
  Tensor result = value;
  const Overloaded change{
      [](const OneOf<RowMask, IdentityAttention> auto&) {},
      [&](const AffinePatch& patch) {
        if (patch.site == site) result = apply(patch, layer_, result);
      },
      [&](const Transplant& patch) {
        if (patch.site == site) result = apply(patch, recorded_(patch.source), first_sequence_, result);
      },
      [&](const MatchedSpread& patch) {
        if (patch.site == site) result = apply(patch, recorded_, result);
      },
      [&](const WriteEdit& edit) {
        if (site == Site::ffn_output) result = apply(edit, hidden_, first_sequence_, result);
      },
  };
  for (const auto& patch : active_) std::visit(change, patch);
  if (site == Site::hidden && std::any_of(active_.begin(), active_.end(), reads_hidden)) hidden_ = result;
  return result;
}

void check_patches(const std::vector<Patch>& patches, int64_t layers, int64_t sequences, int64_t length) {
  const Overloaded check{
      [&](const RowMask& mask) { check_row(mask.row, sequences, length); },
      [](const IdentityAttention&) {},
      [&](const AffinePatch& patch) { check_affine(patch, length); },
      [&](const OneOf<Transplant, MatchedSpread> auto& patch) { check_positions(patch.positions, length); },
      [&](const WriteEdit& edit) { check_edit(edit, sequences, length); },
  };
  for (const auto& patch : patches) {
    const auto& range = layers_of(patch);
    if (range.first < 1 || range.last > layers) reject("patched layer outside the model");
    if (range.last < range.first) reject("a patch names no layer");
    std::visit(check, patch);
  }
}

}  // namespace replicate
