#include "harness/record/record.h"

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_section.h"
#include "base/run_folder.h"
#include "harness/record/samples.h"

namespace replicate {
namespace {

using Json =
    nlohmann::ordered_json;  // written; it looks for a key among all, so it is not for reading what nobody vouches for
namespace fs = std::filesystem;

constexpr const char* kRemedy = "restore the record or run the claim again";

// ---- writing ----------------------------------------------------------------------------------------

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(number(value));
  return json;
}

template <typename T, typename ToJson>
Json list(const std::vector<T>& items, ToJson to_json) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(to_json(item));
  return json;
}

Json where_json(const std::map<std::string, int64_t>& where) { return where; }

/// Figures are numbers in the schema wherever they can be ("20a" cannot).
Json figure_json(const std::string& figure) {
  const bool digits = !figure.empty() && figure.size() < 10 && figure[0] != '0' &&
                      figure.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json(std::stoll(figure)) : Json(figure);
}

Json paper_json(const PaperReference& paper) {
  return {{"figures", list(paper.figures, figure_json)}, {"statement", paper.statement}, {"expected", paper.expected}};
}

Json model_json(const ModelRecord& model) {
  return {{"name", model.name},
          {"sha256", model.sha256},
          {"architecture", model.architecture},
          {"parameters", model.parameters},
          {"quantization", model.quantization},
          {"layers", model.layers},
          {"width", model.width},
          {"heads", model.heads},
          {"kv_heads", model.kv_heads},
          {"vocabulary", model.vocabulary},
          {"reinitialised", model.reinitialised}};
}

Json inputs_json(const InputsRecord& inputs) {
  return {{"label", inputs.label},   {"kind", inputs.kind},     {"sequences", inputs.sequences},
          {"length", inputs.length}, {"sha256", inputs.sha256}, {"bos", inputs.bos}};
}

Json environment_json(const Environment& environment) {
  return {{"version", environment.version},   {"commit", environment.commit}, {"libtorch", environment.libtorch},
          {"compiler", environment.compiler}, {"device", environment.device}, {"cpu", environment.cpu},
          {"threads", environment.threads},   {"dtype", environment.dtype}};
}

Json metric_json(const Metric& metric) {
  Json json = {{"name", metric.name}, {"where", where_json(metric.where)}, {"value", number(metric.value)}};
  if (metric.low) json["low"] = number(*metric.low);
  if (metric.high) json["high"] = number(*metric.high);
  json["n"] = metric.n;
  json["inputs"] = metric.inputs;
  return json;
}

Json series_json(const Series& series) {
  return {{"name", series.name},         {"inputs", series.inputs}, {"axis", series.axis},
          {"x", numbers(series.x)},      {"y", numbers(series.y)},  {"low", numbers(series.low)},
          {"high", numbers(series.high)}};
}

Json map_json(const Map& map) {
  return {{"name", map.name},
          {"inputs", map.inputs},
          {"title", map.title},
          {"where", where_json(map.where)},
          {"values", list(map.values, numbers)}};
}

Json sweep_json(const SweepPoint& point) {
  return {{"suffix", point.suffix},
          {"changes", point.changes},
          {"verdict", to_string(point.verdict)},
          {"reason", point.reason}};
}

Json optional_number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

Json criterion_json(const Criterion& criterion) {
  return {{"metric", criterion.metric},
          {"op", criterion.op},
          {"threshold", number(criterion.threshold)},
          {"outcome", criterion.outcome},
          {"effect_size", optional_number(criterion.effect_size)},
          {"p", optional_number(criterion.p)},
          {"source", criterion.source}};
}

Json control_json(const Control& control) {
  return {{"metric", control.metric},
          {"of", control.of},
          {"fraction", number(control.fraction)},
          {"outcome", control.outcome},
          {"p", optional_number(control.p)},
          {"source", control.source}};
}

Json prediction_json(const Prediction& prediction) {
  auto json = Json{{"question", prediction.question}, {"account", prediction.account}};
  json.update(criterion_json(prediction.criterion));
  return json;
}

Json registered_json(const Registered& registered) {
  return {{"run", registered.run},
          {"profile", registered.profile},
          {"thresholds_sha256", registered.thresholds_sha256},
          {"verdict", to_string(registered.verdict)}};
}

Json error_rates_json(const ErrorRates& rates) {
  return {{"null_runs", rates.null_runs},
          {"false_passes", rates.false_passes},
          {"planted_runs", rates.planted_runs},
          {"missed", rates.missed}};
}

Json curve_json(const PanelCurve& curve) {
  return {{"series", curve.series}, {"inputs", curve.inputs}, {"label", curve.label}};
}

Json threshold_json(const std::pair<std::string, double>& threshold) {
  return {{"label", threshold.first}, {"value", number(threshold.second)}};
}

Json panel_json(const Panel& panel) {
  return {{"title", panel.title},
          {"x", panel.x},
          {"y", panel.y},
          {"log_x", panel.log_x},
          {"log_y", panel.log_y},
          {"curves", list(panel.curves, curve_json)},
          {"thresholds", list(panel.thresholds, threshold_json)}};
}

void write_head(Json& json, const Record& record) {
  json["schema"] = record.schema;
  json["claim"] = record.claim;
  json["title"] = record.title;
  json["kind"] = record.kind;
  json["paper"] = paper_json(record.paper);
  json["model"] = model_json(record.model);
  json["inputs"] = list(record.inputs, inputs_json);
  json["seed"] = record.seed;
  json["profile"] = record.profile;
  json["caution"] = record.caution;
  json["environment"] = environment_json(record.environment);
}

Json optional_json(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

void write_measurement(Json& json, const Measurement& measurement) {
  json["metrics"] = list(measurement.metrics, metric_json);
  json["series"] = list(measurement.series, series_json);
  json["maps"] = list(measurement.maps, map_json);
  json["notes"] = measurement.notes;
  json["unmet"] = optional_json(measurement.unmet);
  json["inapplicable"] = optional_json(measurement.inapplicable);
}

void write_judgement(Json& json, const Record& record) {
  json["criteria"] = list(record.criteria, criterion_json);
  json["controls"] = list(record.controls, control_json);
  json["rivals"] = list(record.rivals, prediction_json);
  json["thresholds_sha256"] = record.thresholds_sha256;
  json["calibration"] = record.calibration;
  json["calibrated"] = record.calibrated;
  json["registered"] = record.registered ? registered_json(*record.registered) : Json(nullptr);
  json["error_rates"] = record.error_rates ? error_rates_json(*record.error_rates) : Json(nullptr);
  json["verdict"] = to_string(record.verdict);
  json["reason"] = record.reason;
  json["known_verdict"] = record.known_verdict ? Json(to_string(*record.known_verdict)) : Json(nullptr);
  json["known_why"] = record.known_why;
}

void write_tail(Json& json, const Record& record) {
  json["sweep"] = list(record.sweep, sweep_json);
  json["panels"] = list(record.panels, panel_json);
  json["arithmetic"] = record.arithmetic;
  json["otherwise"] = record.otherwise;
  json["deviations"] = record.deviations;
  json["parameters"] = record.parameters;
  json["fingerprint"] = record.fingerprint;
  json["command"] = record.command;
  json["seconds"] = number(record.seconds);
  json["peak_memory_mb"] = number(record.peak_memory_mb);
}

// ---- reading ----------------------------------------------------------------------------------------

/// A value of the record and the place it stands at, for messages such as "metrics[2].value".
class Field {
 public:
  Field(const nlohmann::json& json, std::string file, std::string name)
      : json_(json), file_(std::move(file)), name_(std::move(name)) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("field " + in_quotes(name_) + " " + what, file_, kRemedy);
  }

  bool has(const std::string& key) const { return json_.is_object() && json_.contains(key); }
  bool is_null() const { return json_.is_null(); }
  bool is_text() const { return json_.is_string(); }

  Field at(const std::string& key) const {
    if (!json_.is_object()) fail("is not an object");
    const std::string name = name_.empty() ? key : name_ + "." + key;
    const auto found = json_.find(key);
    if (found == json_.end()) throw Error("field " + in_quotes(name) + " is missing", file_, kRemedy);
    return {*found, file_, name};
  }

  std::vector<Field> items() const {
    if (!json_.is_array()) fail("is not a list");
    std::vector<Field> fields;
    for (const auto& item : json_) {
      fields.emplace_back(item, file_, name_ + "[" + std::to_string(fields.size()) + "]");
    }
    return fields;
  }

  std::vector<std::pair<std::string, Field>> entries() const {
    if (!json_.is_object()) fail("is not an object");
    std::vector<std::pair<std::string, Field>> fields;
    for (const auto& [key, value] : json_.items()) fields.emplace_back(key, at(key));
    return fields;
  }

  std::string text() const {
    if (!json_.is_string()) fail("is not a text");
    return json_.get<std::string>();
  }

  bool flag() const {
    if (!json_.is_boolean()) fail("is not true or false");
    return json_.get<bool>();
  }

  int64_t integer() const {
    const bool too_large = json_.is_number_unsigned() && json_.get<uint64_t>() > INT64_MAX;
    if (!json_.is_number_integer() || too_large) fail("is not a whole number");
    return json_.get<int64_t>();
  }

  uint64_t natural() const {
    if (!json_.is_number_unsigned()) fail("is not a whole number of 0 or more");
    return json_.get<uint64_t>();
  }

  /// null is how NaN is written.
  double real() const {
    if (json_.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!json_.is_number()) fail("is not a number");
    return json_.get<double>();
  }

  template <typename Read>
  auto list(Read read) const {
    std::vector<decltype(read(*this))> values;
    for (const Field& item : items()) values.push_back(read(item));
    return values;
  }

  std::vector<double> reals() const { return list(std::mem_fn(&Field::real)); }

 private:
  const nlohmann::json& json_;
  std::string file_, name_;
};

/// Fields beyond the published schema may be absent in records that others wrote.
std::string optional_text(const Field& field, const std::string& key) {
  return field.has(key) ? field.at(key).text() : std::string();
}

bool is_set(const Field& field, const std::string& key) { return field.has(key) && !field.at(key).is_null(); }

std::optional<double> optional_real(const Field& field, const std::string& key) {
  if (!is_set(field, key)) return std::nullopt;
  return field.at(key).real();
}

int64_t optional_integer(const Field& field, const std::string& key) {
  return field.has(key) ? field.at(key).integer() : 0;
}

bool optional_flag(const Field& field, const std::string& key) { return field.has(key) && field.at(key).flag(); }

template <typename Read>
auto optional_list(const Field& field, const std::string& key, Read read) {
  return field.has(key) ? field.at(key).list(read) : std::vector<decltype(read(field))>();
}

/// Rejects what is set but not one of the words, as a typo there would change what a report says.
std::string outcome(const Field& field, const std::vector<std::string>& words) {
  const std::string text = field.text();
  for (const std::string& word : words) {
    if (text == word) return text;
  }
  if (!text.empty()) field.fail("is " + in_quotes(text) + ", which is no known outcome");
  return text;
}

std::map<std::string, int64_t> read_where(const Field& field) {
  std::map<std::string, int64_t> where;
  for (const auto& [key, value] : field.entries()) where[key] = value.integer();
  return where;
}

std::string read_figure(const Field& field) { return field.is_text() ? field.text() : std::to_string(field.integer()); }

PaperReference read_paper(const Field& field) {
  return {field.at("figures").list(read_figure), field.at("statement").text(), optional_text(field, "expected")};
}

ModelRecord read_model(const Field& field) {
  ModelRecord model;
  model.name = field.at("name").text();
  model.sha256 = field.at("sha256").text();
  model.architecture = field.at("architecture").text();
  model.quantization = field.at("quantization").text();
  model.parameters = field.at("parameters").integer();
  model.layers = optional_integer(field, "layers");
  model.width = optional_integer(field, "width");
  model.heads = optional_integer(field, "heads");
  model.kv_heads = optional_integer(field, "kv_heads");
  model.vocabulary = optional_integer(field, "vocabulary");
  model.reinitialised = optional_flag(field, "reinitialised");
  return model;
}

InputsRecord read_inputs(const Field& field) {
  InputsRecord inputs;
  inputs.kind = field.at("kind").text();
  inputs.label = field.has("label") ? field.at("label").text() : inputs.kind;
  inputs.sequences = field.at("sequences").integer();
  inputs.length = field.at("length").integer();
  inputs.sha256 = field.at("sha256").text();
  inputs.bos = field.at("bos").flag();
  return inputs;
}

Environment read_environment(const Field& field) {
  Environment environment;
  environment.version = optional_text(field, "version");
  environment.commit = field.at("commit").text();
  environment.libtorch = field.at("libtorch").text();
  environment.compiler = field.at("compiler").text();
  environment.device = field.at("device").text();
  environment.cpu = optional_text(field, "cpu");
  environment.dtype = field.at("dtype").text();
  const int64_t threads = field.at("threads").integer();
  if (threads < 0 || threads > INT32_MAX) field.at("threads").fail("is not a number of threads");
  environment.threads = static_cast<int>(threads);
  return environment;
}

Metric read_metric(const Field& field) {
  Metric metric;
  metric.name = field.at("name").text();
  metric.value = field.at("value").real();
  if (field.has("low")) metric.low = field.at("low").real();
  if (field.has("high")) metric.high = field.at("high").real();
  metric.n = field.at("n").integer();
  metric.inputs = field.at("inputs").text();
  if (field.has("where")) metric.where = read_where(field.at("where"));
  return metric;
}

void check_lengths(const Field& field, const Series& series) {
  const auto fits = [&](const std::vector<double>& bound) { return bound.empty() || bound.size() == series.y.size(); };
  if (series.x.size() != series.y.size()) field.fail("has x and y of different lengths");
  if (!fits(series.low) || !fits(series.high)) field.fail("has bounds of another length than y");
}

Series read_series(const Field& field) {
  Series series;
  series.name = field.at("name").text();
  series.inputs = field.at("inputs").text();
  series.axis = field.at("axis").text();
  series.x = field.at("x").reals();
  series.y = field.at("y").reals();
  if (field.has("low")) series.low = field.at("low").reals();
  if (field.has("high")) series.high = field.at("high").reals();
  check_lengths(field, series);
  return series;
}

Map read_map(const Field& field) {
  Map map;
  map.name = field.at("name").text();
  map.inputs = field.at("inputs").text();
  map.title = optional_text(field, "title");
  map.where = read_where(field.at("where"));
  map.values = field.at("values").list(std::mem_fn(&Field::reals));
  for (const auto& row : map.values) {
    if (row.size() != map.values.front().size()) field.fail("has rows of different lengths");
  }
  return map;
}

Criterion read_criterion(const Field& field) {
  return {field.at("metric").text(),
          field.at("op").text(),
          field.at("threshold").real(),
          field.at("source").text(),
          outcome(field.at("outcome"), {"pass", "fail", "inconclusive", "not measured"}),
          optional_real(field, "effect_size"),
          optional_real(field, "p")};
}

Prediction read_prediction(const Field& field) {
  return {field.at("question").text(), field.at("account").text(), read_criterion(field)};
}

Control read_control(const Field& field) {
  return {field.at("metric").text(),
          field.at("of").text(),
          field.at("fraction").real(),
          field.at("source").text(),
          outcome(field.at("outcome"), {"negative", "fires", "inconclusive", "not measured"}),
          optional_real(field, "p")};
}

PanelCurve read_curve(const Field& field) {
  return {field.at("series").text(), field.at("inputs").text(), field.at("label").text()};
}

std::pair<std::string, double> read_threshold(const Field& field) {
  return {field.at("label").text(), field.at("value").real()};
}

Panel read_panel(const Field& field) {
  Panel panel;
  panel.title = field.at("title").text();
  panel.x = field.at("x").text();
  panel.y = field.at("y").text();
  panel.log_x = optional_flag(field, "log_x");
  panel.log_y = optional_flag(field, "log_y");
  panel.curves = field.at("curves").list(read_curve);
  panel.thresholds = optional_list(field, "thresholds", read_threshold);
  return panel;
}

Verdict read_verdict(const Field& field) {
  try {
    return verdict_from_string(field.text());
  } catch (const Error& error) {
    field.fail("is no verdict: " + error.what_happened());
  }
}

/// Bounds are computed from these, for counts alone.
int64_t part_of(int64_t whole, const Field& field) {
  const int64_t part = field.integer();
  if (part < 0 || part > whole) field.fail("is " + std::to_string(part) + " of " + std::to_string(whole) + " runs");
  return part;
}

ErrorRates read_error_rates(const Field& field) {
  ErrorRates rates;
  rates.null_runs = part_of(INT64_MAX, field.at("null_runs"));
  rates.false_passes = part_of(rates.null_runs, field.at("false_passes"));
  rates.planted_runs = part_of(INT64_MAX, field.at("planted_runs"));
  rates.missed = part_of(rates.planted_runs, field.at("missed"));
  return rates;
}

Registered read_registered(const Field& field) {
  return {.run = field.at("run").text(),
          .profile = optional_text(field, "profile"),
          .thresholds_sha256 = field.at("thresholds_sha256").text(),
          .verdict = read_verdict(field.at("verdict"))};
}

SweepPoint read_sweep(const Field& field) {
  return {field.at("suffix").text(), field.at("changes").text(), read_verdict(field.at("verdict")),
          field.at("reason").text()};
}

/// Claims name folders, so an id out of a file must not be able to name any other place.
std::string read_claim(const Field& field) {
  const std::string id = field.text();
  const bool plain = id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  if (id.empty() || !plain) field.fail("is " + in_quotes(id) + ", which is no claim's id");
  return id;
}

void read_head(const Field& root, Record& record) {
  if (root.at("schema").integer() != record.schema) root.at("schema").fail("is not 1");
  record.claim = read_claim(root.at("claim"));
  record.title = optional_text(root, "title");
  record.kind = optional_text(root, "kind");
  record.paper = read_paper(root.at("paper"));
  record.model = read_model(root.at("model"));
  record.inputs = root.at("inputs").list(read_inputs);
  record.seed = root.at("seed").natural();
  record.profile = optional_text(root, "profile");
  record.caution = optional_text(root, "caution");
  record.environment = read_environment(root.at("environment"));
}

std::optional<std::string> text_or_null(const Field& field, const std::string& key) {
  if (!field.has(key) || field.at(key).is_null()) return std::nullopt;
  return field.at(key).text();
}

Measurement read_measurement(const Field& root) {
  Measurement measurement;
  measurement.metrics = root.at("metrics").list(read_metric);
  measurement.series = root.at("series").list(read_series);
  measurement.maps = optional_list(root, "maps", read_map);
  measurement.notes = optional_list(root, "notes", std::mem_fn(&Field::text));
  measurement.unmet = text_or_null(root, "unmet");
  measurement.inapplicable = text_or_null(root, "inapplicable");
  return measurement;
}

void read_judgement(const Field& root, Record& record) {
  record.criteria = root.at("criteria").list(read_criterion);
  record.controls = root.at("controls").list(read_control);
  record.rivals = optional_list(root, "rivals", read_prediction);
  record.thresholds_sha256 = root.at("thresholds_sha256").text();
  record.calibration = optional_text(root, "calibration");
  record.calibrated = optional_flag(root, "calibrated");
  if (is_set(root, "registered")) record.registered = read_registered(root.at("registered"));
  if (is_set(root, "error_rates")) record.error_rates = read_error_rates(root.at("error_rates"));
  record.verdict = read_verdict(root.at("verdict"));
  record.reason = root.at("reason").text();
  if (root.has("known_verdict") && !root.at("known_verdict").is_null()) {
    record.known_verdict = read_verdict(root.at("known_verdict"));
  }
  record.known_why = optional_text(root, "known_why");
}

void read_tail(const Field& root, Record& record) {
  record.sweep = optional_list(root, "sweep", read_sweep);
  record.arithmetic = optional_text(root, "arithmetic");
  record.otherwise = optional_text(root, "otherwise");
  record.deviations = optional_list(root, "deviations", std::mem_fn(&Field::text));
  record.panels = optional_list(root, "panels", read_panel);
  record.parameters = optional_text(root, "parameters");
  record.fingerprint = optional_text(root, "fingerprint");
  record.command = optional_text(root, "command");
  record.seconds = root.at("seconds").real();
  record.peak_memory_mb = root.at("peak_memory_mb").real();
}

nlohmann::json parse(const std::string& text, const std::string& where) {
  try {
    return parse_json(text, where);
  } catch (const Error& error) {
    throw Error("this is no record: " + error.what_happened(), where, kRemedy);
  }
}

}  // namespace

std::string to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass: return "pass";
    case Verdict::fail: return "fail";
    case Verdict::inconclusive: return "inconclusive";
    case Verdict::skipped: return "skipped";
    case Verdict::error: break;
  }
  return "error";
}

Verdict verdict_from_string(const std::string& text) {
  for (const Verdict verdict :
       {Verdict::pass, Verdict::fail, Verdict::inconclusive, Verdict::skipped, Verdict::error}) {
    if (text == to_string(verdict)) return verdict;
  }
  throw Error("unknown verdict " + in_quotes(text), "verdict", "use pass, fail, inconclusive, skipped or error");
}

std::string record_to_json(const Record& record) {
  Json json = Json::object();
  write_head(json, record);
  write_measurement(json, record.measurement);
  write_judgement(json, record);
  write_tail(json, record);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Record record_from_json(const std::string& text, const std::string& where) {
  const auto json = parse(text, where);
  const Field root(json, where, "");
  if (!json.is_object()) throw Error("the record is not an object", where, kRemedy);
  Record record;
  read_head(root, record);
  record.measurement = read_measurement(root);
  read_judgement(root, record);
  read_tail(root, record);
  return record;
}

void write_record(const Record& record, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error("cannot create the claim's folder: " + error.message(), folder.string(),
                "choose another folder with --out");
  }
  // The record comes last: where it stands, its samples do too.
  write_atomically(folder / "samples.csv", samples_to_csv(record.measurement.samples));
  write_atomically(folder / "record.json", record_to_json(record));
}

Record read_record(const fs::path& folder) {
  const fs::path file = folder / "record.json", samples = folder / "samples.csv";
  Record record = record_from_json(read_text(file), file.string());
  if (fs::exists(samples)) {
    record.measurement.samples = samples_from_csv(read_text(samples), samples.string());
  }
  return record;
}

}  // namespace replicate
