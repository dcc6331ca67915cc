#include "harness/study/measures/super_neuron_writes.h"

#include <algorithm>

#include "base/error.h"
#include "harness/study/measures/sink_under_edits.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr double kAlikeWithin = 2;  // a dimension is read alike where the factor lies within this

std::vector<std::vector<float>> rows_of(const Tensor& matrix) {
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; i < matrix.size(0); ++i) rows.push_back(to_vector<float>(matrix[i]));
  return rows;
}

LayerRange only(int64_t layer) { return {layer, layer}; }

/// The neurons' columns of W_down: [neurons, D].
Tensor columns_of(const Model& model, const StageWriters& writers) {
  const auto down = widened(model.weights->block(writers.spike).down).cpu();  // [D, F]
  auto columns = down.index_select(1, at::tensor(writers.neurons, at::kLong)).t().contiguous();
  model.weights->release(writers.spike);
  return columns;
}

/// Orthonormal columns that span those of `matrix` [D, n], with signs that make the factor's diagonal positive: for a
/// normal matrix a uniformly random frame.
Tensor orthonormal(const Tensor& matrix) {
  const auto [q, r] = at::linalg_qr(matrix);
  return q * r.diagonal().sgn();
}

/// The rows [n, D] turned by a random rotation.
Tensor rotated(const Tensor& rows, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  const auto [basis, factor] = at::linalg_qr(rows.to(at::kDouble).t());  // [D, m], [m, n]
  const auto frame = orthonormal(at::randn(basis.sizes(), generator, at::kDouble));
  return at::matmul(frame, factor).t();
}

/// Of each sequence by itself, so it does not depend on how many there are.
uint64_t seed_of(uint64_t seed, const std::string& edit, int64_t spike, int64_t sequence) {
  return derive_seed(seed, edit + "/" + std::to_string(spike) + "/" + std::to_string(sequence));
}

/// How strongly a layer's keys read each dimension of the residual stream: |gain| times the norm of its column of W_K,
/// [D].
Tensor key_reading(const Model& model, int64_t layer) {
  const auto block = model.weights->block(layer);
  const auto norms = at::linalg_vector_norm(widened(block.key), 2, {0});
  auto reading = (widened(block.attention_norm).abs() * norms).cpu();
  model.weights->release(layer);
  return reading;
}

/// The stage's first sink layer after the spike.
int64_t first_reader(const Stage& stage, int64_t spike) {
  return *std::ranges::find_if(stage.sinks, [&](int64_t layer) { return layer > spike; });
}

/// Dimensions that may take the place of others.
class Places {
 public:
  Places(const Model& model, const Tensor& columns, int64_t reader) : reading_(key_reading(model, reader)) {
    largest_ = to_vector<int64_t>(columns.abs().argmax(1));
  }

  /// Of the n-th column: the dimension in which it is largest.
  int64_t largest(int64_t n) const { return largest_[static_cast<size_t>(n)]; }

  /// All that are read about as strongly as this one, except those that columns are largest in.
  std::vector<int64_t> like(int64_t dimension) const {
    const auto factor = reading_ / reading_[dimension];
    auto alike = factor.ge(1 / kAlikeWithin).logical_and(factor.le(kAlikeWithin));
    alike.index_fill_(0, at::tensor(largest_, at::kLong), false);
    return to_vector<int64_t>(alike.nonzero().flatten());
  }

 private:
  Tensor reading_;  // [D]
  std::vector<int64_t> largest_;
};

/// The columns [n, D] as they are after each has moved to another dimension.
Tensor relocated(const Tensor& columns, const Places& places, uint64_t seed) {
  Random random(seed);
  std::map<int64_t, int64_t> moved;  // by old dimension
  auto result = at::zeros_like(columns);
  for (int64_t n = 0; n < columns.size(0); ++n) {
    const auto old = places.largest(n);
    const auto to_choose = places.like(old);
    if (!moved.contains(old)) moved[old] = to_choose[random.below(to_choose.size())];
    result[n][moved[old]] = columns[n].norm() * columns[n][old].sgn();
  }
  return result;
}

/// Writes other columns in each sequence; `other` makes them of the columns and a seed.
Patch rewritten(const Condition& on, const StageWriters& writers, const std::string& edit, uint64_t seed,
                const std::function<Tensor(const Tensor& columns, uint64_t seed)>& other) {
  const auto columns = columns_of(*on.model, writers);
  WriteEdit patch{only(writers.spike), {0}, writers.neurons, {}};
  for (int64_t b = 0; b < on.tokens->sequences(); ++b) {
    patch.delta.push_back(rows_of(other(columns, seed_of(seed, edit, writers.spike, b)) - columns));
  }
  return patch;
}

/// Activations at position 0 become what `combine` makes of those of the untouched pass.
EditOfSpike activations_from(Run untouched, const std::vector<int64_t>& recorded, Combine combine) {
  return [=](const StageWriters& writers) mutable -> Patch {
    const auto here = only(writers.spike);
    return Transplant{.site = Site::hidden,
                      .layers = here,
                      .positions = {0},
                      .dimensions = writers.neurons,
                      .source = untouched.record({{}, Site::hidden, here, recorded, writers.neurons}),
                      .combine = combine};
  };
}

}  // namespace

std::vector<Patch> at_each_spike(const Stage& stage, const EditOfSpike& edit) {
  std::vector<Patch> patches;
  for (const auto& writers : stage.writers) patches.push_back(edit(writers));
  return patches;
}

Patch zero_write(const StageWriters& writers) {
  if (writers.neurons.empty()) throw Error("no neuron is named", "edits of super neurons", "correct the survey");
  return AffinePatch{Site::hidden, only(writers.spike), {0}, writers.neurons, 0, {}};
}

EditOfSpike mean_over_positions(Run untouched, int64_t length) {
  return activations_from(untouched, all_but_the_first(length), Combine::position_mean);
}

EditOfSpike mean_over_texts(Run untouched) { return activations_from(untouched, {0}, Combine::sequence_mean); }

EditOfSpike densify(const Condition& on, uint64_t seed) {
  return [=](const StageWriters& writers) { return rewritten(on, writers, "densify", seed, rotated); };
}

EditOfSpike relocate(const Condition& on, const Stage& stage, uint64_t seed) {
  return [=](const StageWriters& writers) {
    const Places places(*on.model, columns_of(*on.model, writers), first_reader(stage, writers.spike));
    const auto move = [&](const Tensor& columns, uint64_t drawn) { return relocated(columns, places, drawn); };
    return rewritten(on, writers, "relocate", seed, move);
  };
}

bool can_relocate(const Condition& on, const Stage& stage) {
  return std::ranges::all_of(stage.writers, [&](const StageWriters& writers) {
    const auto columns = columns_of(*on.model, writers);
    const Places places(*on.model, columns, first_reader(stage, writers.spike));
    for (int64_t n = 0; n < columns.size(0); ++n) {
      if (places.like(places.largest(n)).empty()) return false;
    }
    return true;
  });
}

std::vector<Patch> random_vectors(Claim& claim, const Condition& on, const Stage& stage, int64_t position,
                                  std::vector<Patch> before, const EditOfSpike& edit) {
  const auto length = static_cast<float>(claim.parameters.real("random_vector_length"));
  auto patches = std::move(before);
  for (const auto& writers : stage.writers) {
    const auto here = only(writers.spike);
    const auto source = claim.run(on, patches).record({{}, Site::block_output, here, {position}});
    patches.push_back(edit(writers));
    patches.push_back(Transplant{.site = Site::block_output,
                                 .layers = here,
                                 .positions = {position},
                                 .dimensions = {},
                                 .source = source,
                                 .seed = derive_seed(claim.seed, "random vector/" + std::to_string(writers.spike)),
                                 .turned = length});
  }
  return patches;
}

void note_stand_ins(const Stage& stage, Measure& measure) {
  for (const auto& writers : stage.writers) {
    if (writers.by_rule) continue;
    measure.note("In layer " + std::to_string(writers.spike) + " no neuron meets the rule of a super neuron; the " +
                 std::to_string(writers.neurons.size()) + " that contribute most to the spike stand in for them.");
  }
}

}  // namespace replicate
