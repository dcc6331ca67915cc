#pragma once

// The fields of record.json, in the order in which they are written: docs/record.schema.json describes them. Those that
// may be absent are missing from records that others wrote, or that an older version did.

#include <string>
#include <type_traits>
#include <utility>

#include "harness/record/json_fields.h"
#include "harness/record/record.h"

namespace replicate {

/// The enums of words.h are their words in the file.
template <typename Enum>
requires std::is_enum_v<Enum> nlohmann::ordered_json json_value(Enum value) { return to_string(value); }

template <typename Enum>
requires std::is_enum_v<Enum>
void read_json_value(const JsonField& field, Enum& value) {
  try {
    value = from_string<Enum>(field.text());
  } catch (const Error& error) {
    field.fail("is wrong: " + error.what_happened() + ": " + error.remedy());
  }
}

/// Figures are numbers in the file wherever they can be ("20a" cannot).
inline nlohmann::ordered_json figure_json(const std::string& figure) {
  const bool digits = !figure.empty() && figure.size() < 10 && figure[0] != '0' &&
                      figure.find_first_not_of("0123456789") == std::string::npos;
  return digits ? nlohmann::ordered_json(std::stoll(figure)) : nlohmann::ordered_json(figure);
}

inline std::string read_figure(const JsonField& field) {
  return field.is_text() ? field.text() : std::to_string(field.integer());
}

template <typename Visitor>
void fields(Visitor& visit, PaperReference& paper) {
  visit.list("figures", paper.figures, figure_json, read_figure);
  visit("statement", paper.statement);
  visit.optional("expected", paper.expected);
}

template <typename Visitor>
void fields(Visitor& visit, ModelRecord& model) {
  visit("name", model.name);
  visit("sha256", model.sha256);
  visit("architecture", model.architecture);
  visit("parameters", model.parameters);
  visit("quantization", model.quantization);
  visit.optional("layers", model.layers);
  visit.optional("width", model.width);
  visit.optional("heads", model.heads);
  visit.optional("kv_heads", model.kv_heads);
  visit.optional("vocabulary", model.vocabulary);
  visit.optional("reinitialised", model.reinitialised);
  visit.if_set("hub", model.hub);
}

template <typename Visitor>
void fields(Visitor& visit, InputsRecord& inputs) {
  visit.optional("label", inputs.label);
  visit("kind", inputs.kind);
  visit("sequences", inputs.sequences);
  visit("length", inputs.length);
  visit("sha256", inputs.sha256);
  visit("bos", inputs.bos);
  visit.when_read([&](const JsonField& field) {
    if (!field.has("label")) inputs.label = inputs.kind;
  });
}

template <typename Visitor>
void fields(Visitor& visit, Environment& environment) {
  visit.optional("version", environment.version);
  visit("commit", environment.commit);
  visit("libtorch", environment.libtorch);
  visit("compiler", environment.compiler);
  visit("device", environment.device);
  visit.optional("cpu", environment.cpu);
  visit("threads", environment.threads);
  visit("dtype", environment.dtype);
  if (environment.date.empty() && !Visitor::kReads) return;  // of a record of schema 1
  visit.optional("date", environment.date);
  visit.optional("cuda", environment.cuda);
  visit.optional("attention", environment.attention);
  visit.optional("tf32", environment.tf32);
  visit.optional("gpu_memory_mb", environment.gpu_memory_mb);
  visit.when_read("threads", [&](const JsonField& field) {
    if (environment.threads < 0) field.fail("is not a number of threads");
  });
}

template <typename Visitor>
void fields(Visitor& visit, Metric& metric) {
  visit("name", metric.name);
  visit.optional("where", metric.where);
  visit("value", metric.value);
  visit.if_set("low", metric.low);
  visit.if_set("high", metric.high);
  visit("n", metric.n);
  visit("inputs", metric.inputs);
}

inline void check_lengths(const JsonField& field, const Series& series) {
  const auto fits = [&](const std::vector<double>& bound) { return bound.empty() || bound.size() == series.y.size(); };
  if (series.x.size() != series.y.size()) field.fail("has x and y of different lengths");
  if (!fits(series.low) || !fits(series.high)) field.fail("has bounds of a different length than y");
}

template <typename Visitor>
void fields(Visitor& visit, Series& series) {
  visit("name", series.name);
  visit("inputs", series.inputs);
  visit("axis", series.axis);
  visit("x", series.x);
  visit("y", series.y);
  visit.optional("low", series.low);
  visit.optional("high", series.high);
  visit.when_read([&](const JsonField& field) { check_lengths(field, series); });
}

template <typename Visitor>
void fields(Visitor& visit, Map& map) {
  visit("name", map.name);
  visit("inputs", map.inputs);
  visit.optional("title", map.title);
  visit("where", map.where);
  visit("values", map.values);
  visit.when_read([&](const JsonField& field) {
    for (const auto& row : map.values) {
      if (row.size() != map.values.front().size()) field.fail("has rows of different lengths");
    }
  });
}

template <typename Visitor>
void fields(Visitor& visit, SweepPoint& point) {
  visit("suffix", point.suffix);
  visit("changes", point.changes);
  visit("verdict", point.verdict);
  visit("reason", point.reason);
}

template <typename Visitor>
void fields(Visitor& visit, Finding& finding) {
  visit("metric", finding.metric);
  visit("op", finding.op);
  visit("threshold", finding.threshold);
  visit("outcome", finding.outcome);
  visit.nullable("p", finding.p);
  visit("source", finding.source);
}

template <typename Visitor>
void fields(Visitor& visit, ControlFinding& control) {
  visit("metric", control.metric);
  visit("of", control.of);
  visit("fraction", control.fraction);
  visit("outcome", control.outcome);
  visit.nullable("p", control.p);
  visit("source", control.source);
}

template <typename Visitor>
void fields(Visitor& visit, StageFinding& stage) {
  visit("spike", stage.spike);
  visit("sinks", stage.sinks);
  visit("verdict", stage.verdict);
  visit("reason", stage.reason);
  visit("criteria", stage.criteria);
  visit("checks", stage.checks);
  visit("controls", stage.controls);
}

template <typename Visitor>
void fields(Visitor& visit, Variation& variation) {
  visit("suffix", variation.suffix);
  visit("changes", variation.changes);
  visit.nullable("agrees", variation.agrees);
  visit("reason", variation.reason);
}

template <typename Visitor>
void fields(Visitor& visit, RegisteredDefinition& registration) {
  visit("version", registration.version);
  visit("date", registration.date);
  visit("definition_sha256", registration.definition_sha256);
  visit("as_registered", registration.as_registered);
}

template <typename Visitor>
void fields(Visitor& visit, RecordedVerdict& recorded) {
  visit("run", recorded.run);
  visit.optional("profile", recorded.profile);
  visit("thresholds_sha256", recorded.thresholds_sha256);
  visit("verdict", recorded.verdict);
}

/// Bounds are computed from these, for counts alone.
inline auto part_of(int64_t whole, int64_t part) {
  return [=](const JsonField& field) {
    if (part < 0 || part > whole) field.fail("is " + std::to_string(part) + " of " + std::to_string(whole) + " runs");
  };
}

template <typename Visitor>
void fields(Visitor& visit, ControlRates& rates) {
  visit("metric", rates.metric);
  visit("runs", rates.runs);
  visit("fired", rates.fired);
  visit.when_read("runs", part_of(INT64_MAX, rates.runs));
  visit.when_read("fired", part_of(rates.runs, rates.fired));
}

template <typename Visitor>
void fields(Visitor& visit, ErrorRates& rates) {
  visit("null_runs", rates.null_runs);
  visit("false_passes", rates.false_passes);
  visit("planted_runs", rates.planted_runs);
  visit("missed", rates.missed);
  // Not counted in records of schema 1, which are written as they were read.
  const auto has = [](bool any) { return Visitor::kReads || any; };
  if (has(rates.uninformative > 0)) visit.optional("uninformative", rates.uninformative);
  if (has(rates.near_miss_runs > 0)) visit.optional("near_miss_runs", rates.near_miss_runs);
  if (has(rates.near_miss_runs > 0)) visit.optional("near_miss_passes", rates.near_miss_passes);
  if (has(!rates.controls.empty())) visit.optional("controls", rates.controls);
  visit.when_read([&](const JsonField& field) {
    if (rates.near_miss_runs > 0) part_of(rates.near_miss_runs, rates.near_miss_passes)(field);
  });
  visit.when_read("null_runs", part_of(INT64_MAX, rates.null_runs));
  visit.when_read("false_passes", part_of(rates.null_runs, rates.false_passes));
  visit.when_read("planted_runs", part_of(INT64_MAX, rates.planted_runs));
  visit.when_read("missed", part_of(rates.planted_runs, rates.missed));
}

template <typename Visitor>
void fields(Visitor& visit, PanelCurve& curve) {
  visit("series", curve.series);
  visit("inputs", curve.inputs);
  visit("label", curve.label);
}

/// The label of a line and its place.
template <typename Visitor>
void fields(Visitor& visit, std::pair<std::string, double>& threshold) {
  visit("label", threshold.first);
  visit("value", threshold.second);
}

template <typename Visitor>
void fields(Visitor& visit, Panel& panel) {
  visit("title", panel.title);
  visit("x", panel.x);
  visit("y", panel.y);
  visit.optional("log_x", panel.log_x);
  visit.optional("log_y", panel.log_y);
  visit("curves", panel.curves);
  visit.optional("thresholds", panel.thresholds);
}

/// But for the samples, which samples.csv holds.
template <typename Visitor>
void fields(Visitor& visit, Measurement& measurement) {
  visit("metrics", measurement.metrics);
  visit("series", measurement.series);
  visit.optional("maps", measurement.maps);
  visit.optional("notes", measurement.notes);
  visit.nullable("unmet", measurement.unmet);
  visit.nullable("inapplicable", measurement.inapplicable);
}

/// Claims name folders, so an id out of a file must not be able to name any other place.
inline void check_claim(const JsonField& field, const std::string& id) {
  const bool plain = id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  if (id.empty() || !plain) field.fail("is " + in_quotes(id) + ", which is not a claim id");
}

template <typename Visitor>
void fields(Visitor& visit, Record& record) {
  visit("schema", record.schema);
  visit.when_read("schema", [&](const JsonField& field) {
    if (record.schema != 1 && record.schema != 2) field.fail("is not 1 or 2");
  });
  const bool second = record.schema > 1;  // what is kept of a record of schema 1 is written as it was read
  if (second) {
    visit.optional("edition", record.edition);
    visit.optional("version", record.version);
  }
  visit("claim", record.claim);
  visit.when_read("claim", [&](const JsonField& field) { check_claim(field, record.claim); });
  visit.optional("title", record.title);
  visit.optional("kind", record.kind);
  visit("paper", record.paper);
  visit("model", record.model);
  visit("inputs", record.inputs);
  visit("seed", record.seed);
  visit.optional("profile", record.profile);
  visit.optional("caution", record.caution);
  visit("environment", record.environment);
  fields(visit, record.measurement);
  if (second) visit.nullable("too_few", record.measurement.too_few);
  visit("criteria", record.criteria);
  if (second) visit.optional("checks", record.checks);
  visit("controls", record.controls);
  visit("thresholds_sha256", record.thresholds_sha256);
  visit.optional("calibration", record.calibration);
  visit.optional("calibrated", record.calibrated);
  visit.nullable(second ? "recorded" : "registered", record.recorded);
  visit.nullable("error_rates", record.error_rates);
  visit("verdict", record.verdict);
  visit("reason", record.reason);
  if (second) {
    visit.nullable("standing", record.standing);
    visit.nullable("bearing", record.bearing);
    visit.optional("fact", record.fact);
    visit.optional("stages", record.stages);
    visit.optional("variations", record.variations);
    visit.nullable("registration", record.registration);
  }
  visit.nullable("known_verdict", record.known_verdict);
  visit.optional("known_why", record.known_why);
  if (!second) visit.optional("sweep", record.sweep);
  visit.optional("panels", record.panels);
  visit.optional("arithmetic", record.arithmetic);
  visit.optional("otherwise", record.otherwise);
  visit.optional("deviations", record.deviations);
  visit.optional("parameters", record.parameters);
  visit.optional("fingerprint", record.fingerprint);
  visit.optional("command", record.command);
  visit("seconds", record.seconds);
  visit("peak_memory_mb", record.peak_memory_mb);
}

}  // namespace replicate
