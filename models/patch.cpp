#include "models/patch.h"

#include "models/formats/error.h"

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

/// The site's tensor with positions on axis 1 and everything behind flattened: [B, T, X].
Tensor positions_first(Site site, const Tensor& value) {
  const bool heads_first = site == Site::query || site == Site::key || site == Site::value;
  return (heads_first ? value.transpose(1, 2) : value).flatten(2);
}

Tensor restore_layout(Site site, const Tensor& flat, const Tensor& like) {
  const bool heads_first = site == Site::query || site == Site::key || site == Site::value;
  if (!heads_first) return flat.view(like.sizes());
  const auto b = like.size(0), heads = like.size(1), t = like.size(2), k = like.size(3);
  return flat.view({b, t, heads, k}).transpose(1, 2).contiguous();
}

/// The listed indices on `axis`, or the whole tensor for an empty list.
Tensor pick(const Tensor& x, int64_t axis, const std::vector<int64_t>& indices) {
  return indices.empty() ? x
                         : x.index_select(axis, at::tensor(indices, at::kLong).to(x.device()));
}

void put(Tensor& x, int64_t axis, const std::vector<int64_t>& indices, const Tensor& value) {
  if (indices.empty()) {
    x.copy_(value);
  } else {
    x.index_copy_(axis, at::tensor(indices, at::kLong).to(x.device()), value);
  }
}

Tensor apply(const AffinePatch& patch, int64_t layer, const Tensor& value) {
  auto flat = positions_first(patch.site, value).clone(at::MemoryFormat::Contiguous);
  auto rows = pick(flat, 1, patch.positions).clone();  // [B, P, X]
  auto changed = pick(rows, 2, patch.dimensions) * patch.scale;
  if (!patch.shift.empty()) {
    changed += at::tensor(shift_of(patch, layer), at::kFloat).to(value.device());
  }
  put(rows, 2, patch.dimensions, changed);
  put(flat, 1, patch.positions, rows);
  return restore_layout(patch.site, flat, value);
}

[[noreturn]] void reject(const std::string& what) {
  throw Error(what, "patch", "correct the experiment that planned it");
}

void check_row(const MaskedRow& row, int64_t sequences, int64_t length) {
  if (row.query < 0 || row.query >= length) {
    reject("masked position " + std::to_string(row.query) + " lies outside a sequence of " +
           std::to_string(length));
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

void check_affine(const AffinePatch& patch, int64_t length) {
  for (const auto position : patch.positions) {
    if (position < 0 || position >= length) reject("patched position outside the sequence");
  }
  const auto layers = static_cast<size_t>(patch.layers.last - patch.layers.first + 1);
  if (patch.shift.size() > 1 && patch.shift.size() != layers) {
    reject("an affine patch needs no shift, one, or one a layer");
  }
}

}  // namespace

const LayerRange& layers_of(const Patch& patch) {
  return std::visit([](const auto& p) -> const LayerRange& { return p.layers; }, patch);
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
  for (const auto& patch : active) {
    if (std::holds_alternative<IdentityAttention>(patch)) spec.identity = true;
    if (const auto* mask = std::get_if<RowMask>(&patch)) {
      spec.rows.push_back(slice(mask->row, first_sequence, sequences));
    }
  }
  return spec;
}

Tensor apply_patches(const std::vector<Patch>& active, int64_t layer, Site site,
                     const Tensor& value) {
  Tensor result = value;
  for (const auto& patch : active) {
    const auto* affine = std::get_if<AffinePatch>(&patch);
    if (affine && affine->site == site) result = apply(*affine, layer, result);
  }
  return result;
}

void check_patches(const std::vector<Patch>& patches, int64_t layers, int64_t sequences,
                   int64_t length) {
  for (const auto& patch : patches) {
    const auto& range = layers_of(patch);
    if (range.first < 1 || range.last > layers) reject("patched layer outside the model");
    if (const auto* mask = std::get_if<RowMask>(&patch)) check_row(mask->row, sequences, length);
    if (const auto* affine = std::get_if<AffinePatch>(&patch)) check_affine(*affine, length);
  }
}

}  // namespace replicate
