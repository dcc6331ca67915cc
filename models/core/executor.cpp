#include "models/core/executor.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "models/core/cast_weights.h"
#include "models/core/check_plan.h"
#include "models/core/recording_buffer.h"
#include "models/kernels/heap.h"

namespace replicate {
namespace {

/// A lane, its place in the plan, and the probes that make its recordings.
struct IndexedLane {
  const Lane* lane;
  int64_t index;
  std::vector<std::shared_ptr<RecordingBuffer>> recordings;
  const Lane* operator->() const { return lane; }
};

/// Lanes that are still one computation, and their residual stream [B, T, D].
struct Group {
  std::vector<IndexedLane> lanes;
  std::vector<Patch> active;  // the patches of the current layer, common to all lanes
  Tensor residual;

  const Lane& first() const { return *lanes.front().lane; }
  int64_t sequences() const { return first().tokens->sequences(); }
  int64_t length() const { return first().tokens->length(); }
};

std::vector<Probe*> probes_of(const IndexedLane& lane) {
  std::vector<Probe*> probes;
  for (const auto& probe : lane->probes) probes.push_back(probe.get());
  for (const auto& recording : lane.recordings) probes.push_back(recording.get());
  return probes;
}

/// The deepest layer at which a lane's probes want anything (L + 1: the final norm or the logits).
int64_t deepest_layer(const IndexedLane& lane) {
  const auto probes = probes_of(lane);
  const int64_t layers = lane->model->config.layers;
  for (int64_t layer = layers + 1; layer >= 1; --layer) {
    for (const auto* probe : probes) {
      if (probe->needs(layer, layers).any()) return layer;
    }
  }
  return 0;
}

void merge(AttentionNeeds& all, const AttentionNeeds& more) {
  const auto unite = [](std::vector<int64_t>& into, const std::vector<int64_t>& from) {
    into.insert(into.end(), from.begin(), from.end());
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
  };
  unite(all.columns, more.columns);
  unite(all.rows, more.rows);
  all.received |= more.received;
  all.entropy |= more.entropy;
  all.sum_squares |= more.sum_squares;
  all.total |= more.total;
}

/// A lane's probe and what it wants in the current layer.
struct Observer {
  Probe* probe;
  int64_t lane;
  ProbeNeeds needs;
  bool wants(Site site) const { return std::find(needs.sites.begin(), needs.sites.end(), site) != needs.sites.end(); }
};

std::vector<Observer> observers(const Group& group, int64_t layer) {
  std::vector<Observer> all;
  for (const auto& lane : group.lanes) {
    for (auto* probe : probes_of(lane)) {
      auto needs = probe->needs(layer, lane->model->config.layers);
      if (needs.any()) all.push_back({probe, lane.index, std::move(needs)});
    }
  }
  return all;
}

/// Checks that what a pass computes is finite: a metric that NaN or infinity went into must not be judged.
class FiniteCheck {
 public:
  explicit FiniteCheck(const Model& model) : model_(model) {}

  /// `what` begins the error and the layer's number follows; `type` is that of the layer's products.
  void see(const char* what, int64_t layer, at::ScalarType type, const Tensor& x) {
    const auto [low, high] = at::aminmax(x);
    seen_.push_back({what, layer, type, at::stack({low, high})});
    if (x.is_cpu()) settle();  // a GPU is asked once the pass is over, so that nothing waits for it
  }

  void settle() {
    for (const auto& one : seen_) {
      if (one.extremes.isfinite().all().item<bool>()) continue;
      throw Error(one.what + std::to_string(one.layer), model_.name,
                  one.type == at::kHalf
                      ? "float16 ends at 65504: use --dtype bfloat16 or float32"
                      : "the model's weights, or what the claim changes, are too large for its arithmetic");
    }
    seen_.clear();
  }

 private:
  struct Seen {
    std::string what;
    int64_t layer;
    at::ScalarType type;
    Tensor extremes;  // the least and the largest number, [2]; NaN where there is one
  };
  const Model& model_;
  std::vector<Seen> seen_;
};

/// Patches first, then probes: a probe sees what the block goes on with.
class GroupHooks : public Hooks {
 public:
  GroupHooks(const std::vector<Patch>& active, const Recorded& recorded, const std::vector<Observer>& observers,
             Place place, int64_t sequences, FiniteCheck& finite)
      : active_(active),
        patched_(active, recorded, place.layer, place.first_sequence),
        observers_(observers),
        place_(place),
        sequences_(sequences),
        finite_(finite) {}

  /// Patches and probes see float32, whatever the model computes in.
  Tensor at(Site site, Tensor value) override {
    const auto type = value.scalar_type();
    value = patched_.at(site, widened(value));
    for (const auto& observer : observers_) {
      if (observer.wants(site)) observer.probe->observe(place_of(observer), site, value);
    }
    return at::isReducedFloatingType(type) ? narrowed(site, value, type) : value;
  }

  AttentionSpec attention_spec(double scale) override {
    return replicate::attention_spec(active_, scale, place_.first_sequence, sequences_);
  }

  AttentionNeeds attention_needs() override {
    AttentionNeeds all;
    for (const auto& observer : observers_) merge(all, observer.needs.attention);
    return all;
  }

  void attention(const AttentionStatistics& statistics) override {
    for (const auto& observer : observers_) {
      if (!observer.needs.attention.any()) continue;
      observer.probe->observe_attention(place_of(observer), statistics);
    }
  }

 private:
  /// An infinite score may leave no trace in the residual stream: to softmax minus infinity is a key that is not seen.
  Tensor narrowed(Site site, const Tensor& value, at::ScalarType type) {
    auto narrow = value.to(type);
    if (type == at::kHalf && site == Site::query)
      finite_.see("the queries are not finite in layer ", place_.layer, type, narrow);
    if (type == at::kHalf && site == Site::key)
      finite_.see("the keys are not finite in layer ", place_.layer, type, narrow);
    return narrow;
  }

  Place place_of(const Observer& observer) const { return {observer.lane, place_.layer, place_.first_sequence}; }

  const std::vector<Patch>& active_;
  PatchedSites patched_;
  const std::vector<Observer>& observers_;
  Place place_;
  int64_t sequences_;
  FiniteCheck& finite_;
};

/// Splits groups whose lanes part ways in `layer` and drops lanes that need nothing from here on.
/// Groups that came from one share its residual tensor, which no step writes into.
std::vector<Group> regroup(const std::vector<Group>& groups, int64_t layer) {
  std::vector<Group> next;
  for (const auto& group : groups) {
    const auto first_child = next.size();
    for (const auto& lane : group.lanes) {
      if (deepest_layer(lane) < layer) continue;
      auto active = active_patches(lane->patches, layer);
      auto same =
          std::find_if(next.begin() + first_child, next.end(), [&](const Group& g) { return g.active == active; });
      if (same == next.end()) {
        next.push_back({{}, std::move(active), group.residual});
        same = next.end() - 1;
      }
      same->lanes.push_back(lane);
    }
  }
  return next;
}

/// True when a lane of `group` makes the recording of that name.
bool records(const Group& group, const std::string& name) {
  return std::any_of(group.lanes.begin(), group.lanes.end(), [&](const IndexedLane& lane) {
    return std::any_of(lane.recordings.begin(), lane.recordings.end(),
                       [&](const auto& recording) { return recording->name() == name; });
  });
}

/// The names of the recordings that a group's patches read in the current layer.
std::vector<std::string> sources_of(const Group& group) {
  std::vector<std::string> sources;
  for (const auto& patch : group.active) {
    for (const auto& read : reads_of(patch)) sources.push_back(read.source);
  }
  return sources;
}

/// How many recordings have to be made one after the other before this group can run in the current layer.
size_t depth_of(const Group& group, const std::vector<Group>& groups, size_t most) {
  size_t depth = 0;
  for (const auto& name : sources_of(group)) {
    if (most == 0) {
      throw Error("lanes read each other's recordings in a circle, the recording '" + name + "' among them", "plan",
                  kDefect);
    }
    const auto source =
        std::find_if(groups.begin(), groups.end(), [&](const Group& other) { return records(other, name); });
    depth = std::max(depth, 1 + depth_of(*source, groups, most - 1));
  }
  return depth;
}

/// Indices of groups that run batch by batch together. Groups that no other group reads come last, so that a lane and
/// its baseline stay side by side for a probe that compares them.
std::vector<std::vector<size_t>> waves(const std::vector<Group>& groups) {
  std::vector<size_t> depth;
  for (const auto& group : groups) depth.push_back(depth_of(group, groups, groups.size()));
  const auto last = groups.empty() ? 0 : *std::max_element(depth.begin(), depth.end());
  std::vector<std::vector<size_t>> all(last + 1);
  for (size_t g = 0; g < groups.size(); ++g) {
    const bool read = std::any_of(groups.begin(), groups.end(), [&](const Group& other) {
      const auto sources = sources_of(other);
      return std::any_of(sources.begin(), sources.end(),
                         [&](const std::string& name) { return records(groups[g], name); });
    });
    all[read ? depth[g] : last].push_back(g);
  }
  return all;
}

IndexedLane indexed(const Plan& plan, size_t index) {
  IndexedLane lane{&plan[index], static_cast<int64_t>(index), {}};
  for (const auto& recording : lane->recordings) {
    lane.recordings.push_back(std::make_shared<RecordingBuffer>(recording));
  }
  return lane;
}

/// One group for every distinct (model, ids); `residual` is filled in by the caller.
std::vector<Group> initial_groups(const Plan& plan) {
  std::vector<Group> groups;
  for (size_t i = 0; i < plan.size(); ++i) {
    const auto& lane = plan[i];
    auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.first().model == lane.model && same_ids(*g.first().tokens, *lane.tokens);
    });
    if (same == groups.end()) same = groups.insert(groups.end(), Group{});
    same->lanes.push_back(indexed(plan, i));
  }
  return groups;
}

/// What the probes of a group compute themselves in one layer.
double probe_flops(const Group& group, int64_t layer) {
  double flops = 0;
  for (const auto& observer : observers(group, layer)) {
    flops += observer.probe->flops(group.sequences(), group.length());
  }
  return flops;
}

/// FLOPs of the output head; 0 where no probe wants logits.
double head_flops(const Group& group) {
  const auto& c = group.first().model->config;
  const auto heard = observers(group, c.layers + 1);
  const bool logits = std::any_of(heard.begin(), heard.end(), [](const Observer& l) { return l.wants(Site::logits); });
  return logits ? 2.0 * static_cast<double>(group.first().tokens->ids.numel() * c.vocabulary * c.width) : 0;
}

int64_t batch_sequences(const Group& group, const ExecutorOptions& options) {
  return std::clamp<int64_t>(options.batch_tokens / group.length(), 1, group.sequences());
}

/// One model's lanes, layer by layer.
class Pass {
 public:
  Pass(const Model& model, std::vector<Group> groups, const ExecutorOptions& options, const Advance& advance)
      : model_(model), groups_(std::move(groups)), options_(options), advance_(advance), finite_(model) {
    for (const auto& group : groups_) {
      for (const auto& lane : group.lanes) {
        for (const auto& recording : lane.recordings) recordings_[recording->name()] = recording;
      }
    }
  }

  bool run() {
    embed();
    if (!run_layers()) return false;
    finish();
    finite_.settle();
    return true;
  }

 private:
  /// Every layer that a lane still needs.
  bool run_layers() {
    for (int64_t layer = 1; layer <= model_.config.layers; ++layer) {
      groups_ = regroup(groups_, layer);
      if (groups_.empty()) break;
      if (!run_layer(layer)) return false;
    }
    return true;
  }

  void embed() {
    for (auto& group : groups_) {
      group.residual = embedded(model_, group.first().tokens->ids);
      finite_.see("the residual stream is not finite before layer ", 1, group.residual.scalar_type(), group.residual);
      if (!positions_.count(group.length())) {
        positions_[group.length()] = positions_of(model_.config, group.length(), options_.device);
      }
    }
  }

  bool run_layer(int64_t layer) {
    const auto weights = model_.weights->block(layer);
    std::vector<std::vector<Observer>> heard;
    std::vector<Tensor> outputs;
    for (const auto& group : groups_) {
      heard.push_back(observers(group, layer));
      outputs.push_back(at::empty_like(group.residual));
    }
    show_weights(layer, weights, heard);
    for (const auto& wave : waves(groups_)) {
      if (!run_wave(wave, layer, weights, heard, outputs)) return false;
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      finite_.see("the residual stream is not finite after layer ", layer, weights.query.scalar_type(), outputs[g]);
      groups_[g].residual = outputs[g];
      for (const auto& observer : heard[g]) observer.probe->finish_layer(layer);
    }
    model_.weights->release(layer);
    return_freed_memory();
    return true;
  }

  /// Batches outside, groups inside: lanes on the same tokens pass batch by batch together, so that a
  /// probe which compares two of them holds one batch only.
  bool run_wave(const std::vector<size_t>& wave, int64_t layer, const BlockWeights& weights,
                const std::vector<std::vector<Observer>>& heard, std::vector<Tensor>& outputs) {
    for (int64_t batch = 0; batch < most_batches(); ++batch) {
      for (const auto g : wave) {
        if (!run_batch(groups_[g], weights, {0, layer, 0}, batch, heard[g], outputs[g])) return false;
      }
    }
    return true;
  }

  /// Each probe once, however many lanes it is attached to.
  static void show_weights(int64_t layer, const BlockWeights& weights,
                           const std::vector<std::vector<Observer>>& heard) {
    std::set<const Probe*> shown;
    std::optional<BlockWeights> wide;  // probes see float32
    for (const auto& group : heard) {
      for (const auto& observer : group) {
        if (!observer.needs.weights || !shown.insert(observer.probe).second) continue;
        if (!wide) wide = widened(weights);
        observer.probe->observe_weights(layer, *wide);
      }
    }
  }

  int64_t most_batches() const {
    int64_t most = 0;
    for (const auto& group : groups_) {
      const auto size = batch_sequences(group, options_);
      most = std::max(most, (group.sequences() + size - 1) / size);
    }
    return most;
  }

  /// False when the run is to stop.
  bool run_batch(const Group& group, const BlockWeights& weights, Place place, int64_t batch,
                 const std::vector<Observer>& heard, Tensor& output) {
    const auto size = batch_sequences(group, options_);
    place.first_sequence = batch * size;
    if (place.first_sequence >= group.sequences()) return true;
    const auto count = std::min(size, group.sequences() - place.first_sequence);
    GroupHooks hooks(group.active, recorded_, heard, place, count, finite_);
    output.narrow(0, place.first_sequence, count)
        .copy_(block_forward(model_.config, weights, positions_.at(group.length())[place.layer - 1],
                             group.residual.narrow(0, place.first_sequence, count), &hooks));
    const double share = static_cast<double>(count) / static_cast<double>(group.sequences());
    return !advance_ ||
           advance_(block_flops(model_.config, count, group.length()) + share * probe_flops(group, place.layer));
  }

  /// The final norm and, where a probe asks for them, the logits.
  void finish() {
    const int64_t layer = model_.config.layers + 1;
    Tensor head;  // decoded once for all groups
    for (const auto& group : regroup(groups_, layer)) {
      const auto heard = observers(group, layer);
      const bool logits =
          std::any_of(heard.begin(), heard.end(), [](const Observer& l) { return l.wants(Site::logits); });
      if (logits && !head.defined()) head = model_.weights->head();
      const auto batch = batch_sequences(group, options_);
      for (int64_t first = 0; first < group.sequences(); first += batch) {
        const auto count = std::min(batch, group.sequences() - first);
        GroupHooks hooks(group.active, recorded_, heard, {0, layer, first}, count, finite_);
        const auto normed =
            hooks.at(Site::final_norm, norm(model_.config, group.residual.narrow(0, first, count),
                                            model_.weights->final_norm(), model_.weights->final_norm_bias()));
        if (logits) hooks.at(Site::logits, at::linear(normed, head));
      }
      if (advance_) advance_(head_flops(group) + probe_flops(group, layer));
      for (const auto& observer : heard) observer.probe->finish_layer(layer);
    }
  }

  const Model& model_;
  std::vector<Group> groups_;
  const ExecutorOptions& options_;
  const Advance& advance_;
  FiniteCheck finite_;
  std::map<std::string, std::shared_ptr<const RecordingBuffer>> recordings_;  // by name
  const Recorded recorded_ = [this](const std::string& name) { return recordings_.at(name)->values(); };
  std::map<int64_t, std::vector<Positions>> positions_;  // by length
};

/// Calls `visit` with the groups of each model in turn: one model's weights are in memory at a time.
bool for_each_model(const Plan& plan, const std::function<bool(const Model&, std::vector<Group>)>& visit) {
  auto groups = initial_groups(plan);
  while (!groups.empty()) {
    const auto model = groups.front().first().model;
    const auto rest =
        std::stable_partition(groups.begin(), groups.end(), [&](const Group& g) { return g.first().model == model; });
    if (!visit(*model, {groups.begin(), rest})) return false;
    groups.erase(groups.begin(), rest);
  }
  return true;
}

}  // namespace

bool run(const Plan& plan, const ExecutorOptions& options, const Advance& advance) {
  const c10::InferenceMode guard;
  check_plan(plan);
  return for_each_model(plan, [&](const Model& model, std::vector<Group> groups) {
    return Pass(model, std::move(groups), options, advance).run();
  });
}

Cost estimate(const Plan& plan, const ExecutorOptions& options) {
  Cost cost;
  for_each_model(plan, [&](const Model& model, std::vector<Group> groups) {
    const auto& c = model.config;
    for (int64_t layer = 1; layer <= c.layers; ++layer) {
      groups = regroup(groups, layer);
      double residuals = 0, batch = 0;
      for (const auto& group : groups) {
        const double tokens = static_cast<double>(group.sequences() * group.length());
        cost.flops += block_flops(c, group.sequences(), group.length()) + probe_flops(group, layer);
        residuals += 2 * tokens * c.width;
        batch = std::max(batch, static_cast<double>(batch_sequences(group, options) * group.length() *
                                                    (4 * c.hidden + 8 * c.width)));
      }
      const double weights =
          c.width * (2.0 * c.heads * c.head_width + 2.0 * c.kv_heads * c.head_width + 3.0 * c.hidden);
      cost.bytes = std::max(cost.bytes, 4 * (residuals + batch + weights));
    }
    double residuals = 0, head = 0;
    for (const auto& group : regroup(groups, c.layers + 1)) {
      const auto flops = head_flops(group);
      cost.flops += flops + probe_flops(group, c.layers + 1);
      residuals += static_cast<double>(group.sequences() * group.length() * c.width);
      const double logits = static_cast<double>(batch_sequences(group, options) * group.length());
      if (flops > 0) head = std::max(head, static_cast<double>(c.vocabulary) * (static_cast<double>(c.width) + logits));
    }
    cost.bytes = std::max(cost.bytes, 4 * (residuals + head));
    return true;
  });
  return cost;
}

}  // namespace replicate
