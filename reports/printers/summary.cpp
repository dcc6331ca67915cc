#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/findings.h"
#include "reports/plots/plot_script.h"
#include "reports/report.h"

namespace replicate::report {
namespace {

using Json = nlohmann::ordered_json;

Json number_json(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json headline_json(const Headline& headline) {
  const Metric& metric = *headline.metric;
  Json json = {{"name", metric.name}, {"value", metric.value}};
  if (metric.low && metric.high) json.update({{"low", *metric.low}, {"high", *metric.high}});
  json.update({{"n", metric.n}, {"inputs", metric.inputs}});
  if (const Finding* criterion = headline.criterion)
    json.update({{"op", to_string(criterion->op)},
                 {"threshold", criterion->threshold},
                 {"outcome", to_string(criterion->outcome)},
                 {"p", number_json(criterion->p)}});
  if (const ControlFinding* control = headline.control)
    json["control"] = {{"of", control->of}, {"fraction", control->fraction}, {"outcome", to_string(control->outcome)}};
  return json;
}

Json sweep_json(const Record& record) {
  Json points = Json::array();
  for (const SweepPoint& point : record.sweep)
    points.push_back({{"suffix", point.suffix}, {"changes", point.changes}, {"verdict", to_string(point.verdict)}});
  return points;
}

Json variations_json(const Record& record) {
  Json all = Json::array();
  for (const Variation& one : record.variations)
    all.push_back(
        {{"suffix", one.suffix}, {"changes", one.changes}, {"agrees", one.agrees ? Json(*one.agrees) : Json(nullptr)}});
  return all;
}

Json stages_json(const Record& record) {
  Json all = Json::array();
  for (const StageFinding& one : record.stages)
    all.push_back({{"spike", one.spike}, {"sinks", one.sinks}, {"verdict", to_string(one.verdict)}});
  return all;
}

Json claim_json(const Record& record) {
  Json json = {{"claim", record.claim},
               {"title", record.title},
               {"verdict", to_string(record.verdict)},
               {"known_verdict", nullptr},
               {"departs", departs(record)},
               {"calibrated", record.calibrated},
               {"arithmetic", record.arithmetic},
               {"thresholds_changed", thresholds_changed(record)},
               {"reason", record.reason},
               {"headline", Json::array()},
               {"seconds", record.seconds},
               {"record", record.claim + "/record.json"}};
  if (record.known_verdict) json["known_verdict"] = to_string(*record.known_verdict);
  for (const Headline& headline : headlines(record)) json["headline"].push_back(headline_json(headline));
  if (record.standing) json["standing"] = to_string(*record.standing);
  if (record.bearing) json["bearing"] = to_string(*record.bearing);
  if (!record.sweep.empty()) json["sweep"] = sweep_json(record);
  if (!record.variations.empty()) json["variations"] = variations_json(record);
  if (!record.stages.empty()) json["stages"] = stages_json(record);
  if (!drawn_panels(record).empty()) json["plot"] = record.claim + "/plot.svg";
  return json;
}

Json counts_json(const std::vector<Record>& records) {
  const Counts counts = count_verdicts(records);
  Json json;
  for (const auto& [verdict, count] : counts.by_verdict) json[to_string(verdict)] = count;
  json["known_failures"] = counts.known_failures;
  json["departures"] = counts.departures;
  return json;
}

}  // namespace

std::string summary_json(const std::vector<Record>& records) {
  Json json = {
      {"schema", 1}, {"model", nullptr}, {"profile", nullptr}, {"caution", ""}, {"counts", counts_json(records)}};
  if (!records.empty()) {
    json["model"] = records.front().model.name;
    json["profile"] = records.front().profile;
    json["caution"] = records.front().caution;
  }
  json["claims"] = Json::array();
  for (const Record& record : records) json["claims"].push_back(claim_json(record));
  // A model's name may hold any bytes; JSON may not.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace replicate::report
