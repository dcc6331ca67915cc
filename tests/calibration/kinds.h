#pragma once

// Kinds of models of which the truth is known, claim by claim: the table that tests/calibration/calibrate.cpp runs.

#include "tests/support/heads_and_values.h"
#include "tests/support/planted_deep.h"
#include "tests/support/planted_mask.h"
#include "tests/support/planted_mediation.h"
#include "tests/support/planted_scaling.h"
#include "tests/support/planted_scores.h"
#include "tests/support/planted_side_effects.h"
#include "tests/support/planted_spike_variance.h"
#include "tests/support/planted_tokens.h"
#include "tests/support/planted_writers.h"

namespace replicate {

/// What is so in a kind of models.
enum class Truth {
  holds,          ///< what the claims say
  absent,         ///< not: what they judge is far from what they want, or missing
  near_miss,      ///< not: what they judge is between 0.5 and 1.0 of its threshold, and all else holds
  control_fires,  ///< what they say, and a control shows that something else does it, too
};

using ModelPointer = std::shared_ptr<const Model>;
using Claims = std::vector<std::string>;

/// How a near-miss is set: the strength at which what the claim judges is about 0.75 of its threshold.
struct Tuning {
  std::function<ModelPointer(double strength)> model;
  double none = 0, whole = 1;  ///< strengths with less than 0.5 of the threshold, and with more than all of it
  std::string inputs;          ///< on which the claim is judged: natural, random
  std::function<double(const Trial&)> share;  ///< what was measured, in thresholds
};

/// A line of the table. Models of a near-miss are one model, for which the truth is measured once: only inputs differ
/// from run to run. In all other kinds every run has a model of its own.
struct ModelKind {
  std::string name;
  Truth truth;
  Claims claims;
  std::function<ModelPointer(uint64_t seed)> model;
  bool bos = false;                   ///< natural inputs begin with BOS
  std::string control = {};           ///< that fires
  std::optional<Tuning> tuning = {};  ///< of a near-miss, which has no `model`
};

inline Claims mechanism_claims() {
  Claims ids;
  for (const auto& [id, claim] : claim_registry()) {
    if (!claim.trains) ids.push_back(id);
  }
  return ids;
}

/// All but variance_discrepancy, which fresh weights pass: their attention is nearly even, so it averages in layer 2,
/// too.
inline Claims all_that_were_trained() {
  auto ids = mechanism_claims();
  std::erase(ids, "variance_discrepancy");
  return ids;
}

inline ModelConfig larger_config() {
  auto config = planted_config();
  config.layers = 12;
  config.width = 128;
  config.heads = 8;
  config.hidden = 256;
  return config;
}

inline ModelPointer fresh_model(const ModelConfig& config, uint64_t seed) {
  return changed_model(
      config, [](int64_t, BlockWeights&) {}, seed);
}

/// The value of a metric in thresholds.
inline std::function<double(const Trial&)> in_thresholds(const std::string& metric, double threshold) {
  return [=](const Trial& trial) { return metric_in(trial, metric).value / threshold; };
}

/// a / (f b), of a and of the contrast a - f b.
inline double share_of(double a, double contrast) { return a / (a - contrast); }

inline double masked_share(const Trial& trial) {
  const double added = metric_in(trial, "mask_added_attention").value;               // a - u
  const double times = metric_in(trial, "masked_beyond_times_untouched_k10").value;  // a - 5 u
  return share_of(added + (added - times) / 4, metric_in(trial, "masked_beyond_share_of_first_k10").value);
}

inline double share_of_bos(const Trial& trial) {
  return share_of(metric_in(trial, "excess_without_bos").value,
                  metric_in(trial, "excess_without_bos_beyond_share").value);
}

inline double dominance_share(const Trial& trial) { return metric_in(trial, "top4_energy_least").value / 0.9; }

/// What the held lane changes must be less than half of what the mask does.
inline double allowed_change(const Trial& trial) { return 0.5 / metric_in(trial, "total_variation_held_share").value; }

/// How much better than chance, compared with what is wanted.
inline double auc_share(const Trial& trial) {
  return (metric_in(trial, "secondary_sink_auc").value - 0.5) / (0.7 - 0.5);
}

inline std::vector<ModelKind> where_it_holds() {
  using enum Truth;
  return {
      {"planted",
       holds,
       {"variance_discrepancy", "discrepancy_amplification", "super_neuron_alignment", "dimension_disparity",
        "qk_locking", "mask_induced_sink", "variance_scaling", "disparity_mediation", "falsification_densify",
        "sink_source"},
       [](uint64_t seed) { return planted_model(1, seed); }},
      {"any large vector",
       holds,
       {"super_neuron_mediation", "falsification"},
       [](uint64_t seed) { return planted_lock(Lock::any_large_vector, Circuit::whole, seed); }},
      {"any axis",
       holds,
       {"write_direction"},
       [](uint64_t seed) { return planted_lock(Lock::any_axis, Circuit::whole, seed); }},
      {"W_O reads what varies",
       holds,
       {"output_projection_alignment"},
       [](uint64_t seed) { return projecting(1, seed); }},
      {"sharp heads vary more", holds, {"head_imbalance"}, [](uint64_t seed) { return sharpening(1, seed); }},
      {"a common dimension",
       holds,
       {"rank_collapse"},
       [](uint64_t seed) { return planted_with_shared_dimension(30, seed); }},
      {"ten layers", holds, {"sink_onset"}, [](uint64_t seed) { return deep_model(3, Circuit::whole, seed); }},
      {"easily reached", holds, {"position_bias"}, [](uint64_t seed) { return easily_reached(seed); }},
      {"sensitive", holds, {"variance_substitutes"}, [](uint64_t seed) { return sensitive_model(0.75, seed); }},
      {"changed through the sink",
       holds,
       {"side_effects"},
       [](uint64_t seed) { return changed_through_the_sink(seed); }},
  };
}

inline std::vector<ModelKind> where_it_is_absent() {
  using enum Truth;
  return {
      {"re-initialised, L 6, D 64", absent, all_that_were_trained(),
       [](uint64_t seed) { return fresh_model(planted_config(), seed); }},
      {"re-initialised, L 12, D 128", absent, all_that_were_trained(),
       [](uint64_t seed) { return fresh_model(larger_config(), seed); }},
      {"self-looking", absent, {"variance_discrepancy"}, [](uint64_t seed) { return self_looking_model(100, seed); }},
      {"constant spike", absent, {"discrepancy_amplification"}, [](uint64_t seed) { return constant_spike(3, seed); }},
      {"spikes at marked tokens",
       absent,
       {"discrepancy_amplification"},
       [](uint64_t seed) { return spikes_at_marked_tokens(10, seed); }},
      {"W_O reads what varies least",
       absent,
       {"output_projection_alignment"},
       [](uint64_t seed) { return projecting(-1, seed); }},
      {"sparse columns", absent, {"super_neuron_alignment"}, [](uint64_t seed) { return sparse_columns(seed); }},
      {"dense writer beside",
       absent,
       {"super_neuron_alignment"},
       [](uint64_t seed) { return dense_writer_beside(3.1, seed); }},
      {"sink two layers later",
       absent,
       {"sink_onset"},
       [](uint64_t seed) { return deep_model(5, Circuit::whole, seed); }},
      {"sink before the spike", absent, {"sink_onset"}, [](uint64_t seed) { return model_with_an_early_sink(seed); }},
      {"sink without spike",
       absent,
       {"sink_onset"},
       [](uint64_t seed) { return deep_model(1, Circuit::sink_without_spike, seed); }},
      {"dense direction",
       absent,
       {"dimension_disparity"},
       [](uint64_t seed) { return planted_model(1, seed, Circuit::dense_direction); }},
      {"queries along another pair",
       absent,
       {"qk_locking"},
       [](uint64_t seed) { return queries_along_another_pair(3, seed); }},
      {"half of the heads negative",
       absent,
       {"qk_locking"},
       [](uint64_t seed) { return half_of_the_heads_negative(seed); }},
      {"keys of the token", absent, {"qk_locking"}, [](uint64_t seed) { return keys_of_the_token(300, seed); }},
      {"sharp heads vary less", absent, {"head_imbalance"}, [](uint64_t seed) { return sharpening(0.3, seed); }},
      {"planted", absent, {"rank_collapse", "write_direction"}, [](uint64_t seed) { return planted_model(1, seed); }},
      {"marked tokens", absent, {"position_bias"}, [](uint64_t seed) { return with_marked_tokens(seed); }},
      {"sink at BOS",
       absent,
       {"mask_induced_sink", "sink_source"},
       [](uint64_t seed) { return planted_sink_at_bos(kPlantedSpike, 0, seed); },
       true},
      {"blank unspelled tokens", absent, {"sink_source"}, [](uint64_t seed) { return with_blank_unspelled(seed); }},
      {"banded",
       absent,
       {"variance_scaling", "variance_substitutes"},
       [](uint64_t seed) { return banded_model(8, seed); }},
      {"keys feel the mask",
       absent,
       {"side_effects"},
       [](uint64_t seed) { return changed_before_the_sink(Feels::keys, seed); }},
      {"neurons feel the mask",
       absent,
       {"side_effects"},
       [](uint64_t seed) { return changed_before_the_sink(Feels::neurons, seed); }},
      {"backup",
       absent,
       {"super_neuron_mediation", "falsification"},
       [](uint64_t seed) { return weaker_backup(1, Lock::any_large_vector, seed); }},
      {"written densely, too",
       absent,
       {"disparity_mediation"},
       [](uint64_t seed) { return written_densely_too(1, seed); }},
      {"any large vector",
       absent,
       {"falsification_densify", "write_direction"},
       [](uint64_t seed) { return planted_lock(Lock::any_large_vector, Circuit::whole, seed); }},
  };
}

inline ModelKind near_miss(const std::string& name, const std::string& claim, Tuning tuning, bool bos = false) {
  return {name, Truth::near_miss, {claim}, {}, bos, {}, std::move(tuning)};
}

inline std::vector<ModelKind> where_it_nearly_holds() {
  const auto sink_at_bos = [](double strength) { return planted_sink_at_bos(kPlantedSpike, strength); };
  const auto backup = [](double share) { return weaker_backup(share, Lock::any_large_vector); };
  const auto axis_or_any = [](double share) { return partly_any_vector(planted_model(1), share); };
  const auto axes_or_any = [](double share) { return partly_any_vector(planted_lock(Lock::any_axis), share); };
  return {
      near_miss("self-looking", "variance_discrepancy",
                {[](double sharpness) { return self_looking_model(sharpness); }, 100, 1, "random",
                 in_thresholds("log_variance_ratio_first_to_rest", 0.693147)}),
      near_miss("content beside the spike", "discrepancy_amplification",
                {[](double content) { return constant_spike(content); }, 3, 0, "random",
                 in_thresholds("log_variance_ratio_gain", 0.693147)}),
      near_miss("dense writer beside", "super_neuron_alignment",
                {[](double size) { return dense_writer_beside(size); }, 4, 0, "natural",
                 in_thresholds("super_neurons_written_share", 0.5)}),
      near_miss("partly dense", "dimension_disparity",
                {[](double share) { return partly_dense(share); }, 0.7, 0, "natural", dominance_share}),
      near_miss("keys of the token", "qk_locking",
                {[](double times) { return keys_of_the_token(times); }, 300, 0, "natural",
                 in_thresholds("sink_key_constancy", 0.9)}),
      near_miss("values of sharp heads", "head_imbalance",
                {[](double factor) { return sharpening(factor); }, 0.3, 1, "natural",
                 in_thresholds("entropy_deviation_spearman", -0.3)}),
      near_miss("a common dimension", "rank_collapse",
                {[](double size) { return planted_with_shared_dimension(size); }, 0, 30, "natural",
                 in_thresholds("rank_drop_of_ordinary_rows", 0.12)}),
      near_miss("reached and marked", "position_bias",
                {[](double tokens) { return reached_and_marked(std::lround(tokens)); }, 9, 0, "natural", auc_share}),
      near_miss("sink at BOS, weaker elsewhere", "mask_induced_sink", {sink_at_bos, 0, 0.2, "natural", masked_share},
                true),
      near_miss("sink at BOS, weaker elsewhere", "sink_source", {sink_at_bos, 0, 0.2, "natural", share_of_bos}, true),
      near_miss("banded", "variance_scaling",
                {[](double fall) { return banded_model(fall); }, 8, 0, "random",
                 in_thresholds("scaled_to_first_ratio", 0.25)}),
      near_miss("less sensitive", "variance_substitutes",
                {[](double share) { return sensitive_model(share); }, 1.2, 0.75, "random",
                 in_thresholds("noise_to_own_value_ratio", 0.25)}),
      near_miss("keys feel the mask, too", "side_effects",
                {[](double size) { return changed_in_both_ways(size); }, 1, 0, "natural", allowed_change}),
      near_miss("weaker backup", "super_neuron_mediation",
                {backup, 1, 0, "natural", in_thresholds("induced_removed_share", 0.8)}),
      near_miss("written densely, too", "disparity_mediation",
                {[](double size) { return written_densely_too(size); }, 1, 0, "natural",
                 in_thresholds("induced_removed_share", 0.8)}),
      near_miss("weaker backup", "falsification", {backup, 1, 0, "natural", in_thresholds("removed_share_zero", 0.5)}),
      near_miss("an axis, or any large vector", "falsification_densify",
                {axis_or_any, 1, 0, "natural", in_thresholds("removed_share_densify", 0.5)}),
      near_miss("all axes, or any large vector", "write_direction",
                {axes_or_any, 1, 0, "natural", in_thresholds("removed_share_densify", 0.5)}),
  };
}

inline ModelKind firing(const std::string& name, const std::string& claim, const std::string& control,
                        std::function<ModelPointer(uint64_t)> model, bool bos = false) {
  return {name, Truth::control_fires, {claim}, std::move(model), bos, control};
}

inline std::vector<ModelKind> where_a_control_fires() {
  const auto undisturbed = [](uint64_t seed) { return planted_lock(Lock::undisturbed, Circuit::whole, seed); };
  const auto centred = [](uint64_t seed) { return centred_model(seed); };
  return {
      firing("super neuron apart", "super_neuron_alignment", "written_share_apart_from_spikes",
             [](uint64_t seed) { return super_neuron_apart(seed); }),
      firing("distant scores in layer 1", "qk_locking", "layer1_positive_share_over_others",
             [](uint64_t seed) { return with_distant_scores_in_layer_one(seed); }),
      firing(
          "sink where BOS is not seen", "mask_induced_sink", "mask_added_attention_blocked_first",
          [](uint64_t seed) { return sink_where_bos_is_not_seen(seed); }, true),
      firing("a second averaging", "mask_induced_sink", "mask_added_attention_after_spike",
             [](uint64_t seed) { return late_model(2.8, seed, 3); }),
      firing("centred", "variance_scaling", "scaled_added_attention_norm", centred),
      firing("centred", "variance_scaling", "scaled_added_attention_norm_matched", centred),
      firing("late", "variance_scaling", "scaled_added_attention_after_spike",
             [](uint64_t seed) { return late_model(2.2, seed); }),
      firing("undisturbed", "super_neuron_mediation", "induced_removed_random_vector", undisturbed),
      firing("answered axis", "disparity_mediation", "induced_removed_scaled",
             [](uint64_t seed) { return answered_axis(seed); }),
      firing("undisturbed", "falsification", "removal_random_vector", undisturbed),
      firing("axis or cause", "falsification_densify", "removal_densify_beyond_zero",
             [](uint64_t seed) { return planted_lock(Lock::axis_or_cause, Circuit::whole, seed); }),
      firing("axis or cause", "write_direction", "removal_densify_beyond_zero",
             [](uint64_t seed) { return planted_lock(Lock::axis_or_cause, Circuit::whole, seed); }),
  };
}

inline std::vector<ModelKind> known_kinds() {
  std::vector<ModelKind> all;
  for (auto kinds : {where_it_holds(), where_it_is_absent(), where_it_nearly_holds(), where_a_control_fires()}) {
    for (auto& kind : kinds) all.push_back(std::move(kind));
  }
  return all;
}

}  // namespace replicate
