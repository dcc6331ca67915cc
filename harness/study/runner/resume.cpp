#include "harness/study/runner/resume.h"

#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"
#include "harness/study/runner/measured_record.h"
#include "harness/study/runner/survey_stage.h"
#include "harness/study/runner/training_stage.h"

namespace replicate {
namespace {

/// Raised when the same settings come to mean other numbers, so that --resume keeps none of the old ones.
constexpr int kMeasurementVersion = 5;

std::string training_fingerprint(Session& session, const ClaimSettings& settings) {
  std::string study_print;
  const auto error = what_throws([&] { study_print = session.study().fingerprint() + futility(session, settings); });
  const auto all = std::to_string(kMeasurementVersion) + "\n" + session.request.device.str() + "\n" + settings.id +
                   "\n" + study_print + error + "\n" + settings.parameters.yaml() +
                   (session.given.judged ? "\ngiven" : "");
  return sha256_hex(std::as_bytes(std::span(all)));
}

std::string text_of(const GivenInputs& given) {
  std::string text;
  for (const auto& tokens : {given.judged, given.set_aside}) {
    if (tokens) text += tokens->sha256 + "/" + std::to_string(tokens->length());
  }
  return text;
}

std::string sweep_text(Session& session, const ClaimSettings& settings) {
  std::string text;
  for (const auto& point : settings.sweep) {
    text += point.suffix + ": " + point.changes + "\n" + point.parameters.yaml();
    if (!point.text.empty()) text += session.sha256_of(point.text);
  }
  return text;
}

/// What an old record holds of a variation: the metrics that carry its suffix, without it.
Measurement measured_at(const Record& old, const std::string& suffix) {
  Measurement measured;
  for (auto metric : old.measurement.metrics) {
    if (!metric.name.ends_with("_" + suffix)) continue;
    metric.name.resize(metric.name.size() - suffix.size() - 1);
    measured.metrics.push_back(std::move(metric));
  }
  return measured;
}

/// The variations under today's thresholds.
std::vector<Variation> compared_again(const Record& old, const ClaimSettings& settings, const Record& record) {
  auto variations = old.variations;
  for (auto& variation : variations) {
    const auto measured = measured_at(old, variation.suffix);
    if (measured.metrics.empty()) continue;  // nothing was measured there, and why stands in its reason
    try {
      variation = compared(std::move(variation), measured, settings, record);
    } catch (const Error&) {  // its metrics are not those that are judged: unmet
    }
  }
  return variations;
}

}  // namespace

std::string fingerprint(Session& session, const ClaimSettings& settings) {
  if (settings.judging.kind == ClaimKind::training) return training_fingerprint(session, settings);
  const auto all =
      std::to_string(kMeasurementVersion) + "\n" + session.request.device.str() + "\n" + session.prose_sha256 + "\n" +
      settings.id + "\n" + session.loaded.record.sha256 + "\n" + std::to_string(session.loaded.record.reinitialised) +
      "\n" + std::to_string(session.settings.seed) + "\n" + std::to_string(session.settings.bootstrap_resamples) +
      "\n" + (session.begins_with_bos() ? "on" : "off") + "\n" + session.settings.survey.yaml() + "\n" +
      text_of(session.settings.rules) + settings.parameters.yaml() + "\n" + sweep_text(session, settings) + "\n" +
      (session.settings.dtype == "float32" ? "" : session.settings.dtype) + session.noise() + text_of(session.given);
  return sha256_hex(std::as_bytes(std::span(all)));
}

std::optional<Record> finished(Session& session, const ClaimSettings& settings, const RunFolder& folder) {
  if (!std::filesystem::exists(folder.claim(settings.id) / "record.json")) return std::nullopt;
  Record old;
  try {
    old = read_record(folder.claim(settings.id));
  } catch (const Error& error) {
    log_warn(std::string(error.what()) + "; measuring it again");
    return std::nullopt;
  }
  auto record = blank_record(session, settings);
  if (old.schema != record.schema || old.verdict == Verdict::error || old.fingerprint != record.fingerprint)
    return std::nullopt;
  record.inputs = std::move(old.inputs);
  record.environment = std::move(old.environment);
  record.seconds = old.seconds;
  record.peak_memory_mb = old.peak_memory_mb;
  record.measurement = old.measurement;
  judge_record(settings, old.stages, record);
  record.variations = compared_again(old, settings, record);
  if (record_to_json(record) != read_text(folder.claim(settings.id) / "record.json")) {
    write_record(record, folder.claim(settings.id));
  }
  return record;
}

}  // namespace replicate
