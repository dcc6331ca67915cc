#pragma once

// Settings of two claims, of which the second judges nothing, a profile and a model in a folder of their own.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/record/settings/settings.h"
#include "tests/support/temporary_folder.h"

namespace replicate {

inline constexpr const char* kAlpha = R"(id: alpha_claim
title: Alpha
kind: mechanism
statement: a statement
paper: {figures: [9, 10a], expected: an expectation}
parameters:
  natural: {sequences: 8, length: 128}
  target: 10
  sweep: [5, 20]
  eps: 0.3
  scale: 1.5
  plain: on
  word: fast
version: 3
family: pretrained
units: 16
requires:
  - {metric: effect, op: ">", threshold: 0.5, source: paper figure 9}
controls:
  - {metric: effect_null, of: effect, op: ">", fraction: 0.2, source: set before measuring}
panels:
  - title: A panel
    x: layer
    y: attention
    log_y: true
    curves: [{series: a, label: A}, {series: b, inputs: random, label: B}]
    thresholds: [{label: t, value: 0.2}]
notes: [a note]
)";

inline constexpr const char* kBeta = R"(id: beta_claim
title: Beta
kind: intervention
statement: a statement
paper: {figures: [2], expected: an expectation}
parameters: {natural: {sequences: 2, length: 64}}
)";

inline constexpr const char* kProfile = R"(name: small
model: tiny
seed: 7
bootstrap_resamples: 100
survey: {sequences: 3}
claims:
  alpha_claim: {natural: {sequences: 4}, sweep: [6]}
)";

inline constexpr const char* kModel = R"(name: tiny
file: models/tiny.gguf
sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
licence: MIT
bos: on
claims:
  alpha_claim:
    parameters: {eps: 0.25}
)";

inline constexpr const char* kJudgingRules = R"(levels: {pretrained: 0.003, beyond: 0.025}
stages: {starts_at: 5, ends_below: 3, sink_excess: 0.2}
super_neurons: {norm_z: 3, kurtosis: 10, selectivity: 10, else_largest: 4}
one_fact: [[alpha_claim, beta_claim]]
)";

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    folder_.write("claims/alpha_claim.yaml", kAlpha);
    folder_.write("claims/beta_claim.yaml", kBeta);
    folder_.write("profiles/small.yaml", kProfile);
    folder_.write("models/tiny.yaml", kModel);
    folder_.write("judging.yaml", kJudgingRules);
  }

  Settings load(std::vector<std::string> overrides = {}, const std::string& only = "") const {
    SettingsRequest request = this->request();
    request.overrides = std::move(overrides);
    request.only = only;
    return resolve(load_settings(request));
  }

  SettingsRequest request() const { return {folder_.path(), "/assets", "small", "", "", {}, std::nullopt}; }

  /// Alpha's settings; claims come in the order of their figures, so Beta stands first.
  ClaimSettings alpha(std::vector<std::string> overrides = {}) const { return load(std::move(overrides)).claims.at(1); }

  std::string message(std::vector<std::string> overrides) const {
    return message_of([&] { load(overrides); });
  }

  /// The message when `file` has `from` replaced by `to`.
  std::string message_with(const std::string& file, const std::string& original, const std::string& from,
                           const std::string& to) const {
    std::string text = original;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    folder_.write(file, text.replace(at, from.size(), to));
    const std::string message = message_of([&] { load(); });
    folder_.write(file, original);
    return message;
  }

  TemporaryFolder folder_;
};

inline void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message;
}

}  // namespace replicate
