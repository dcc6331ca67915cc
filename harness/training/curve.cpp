#include "harness/training/curve.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_section.h"

namespace replicate {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no NaN: null stands for it.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double number(const nlohmann::json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

[[noreturn]] void fail(const std::string& why, const std::string& where) {
  throw Error("the history of a training run cannot be read: " + why, where,
              "remove the run's folder to train it again");
}

nlohmann::json parse(const std::string& text, const std::string& where) {
  try {
    return parse_json(text, where);
  } catch (const Error& error) {
    fail(error.what_happened(), where);
  }
}

}  // namespace

std::string history_to_json(const RunHistory& history) {
  Json json = {{"seconds", history.seconds}, {"stopped", history.stopped}, {"curve", Json::array()}};
  for (const auto& p : history.curve) {
    json["curve"].push_back(
        {p.step, p.seconds, number(p.train_loss), number(p.validation_loss), number(p.gradient_norm)});
  }
  return json.dump() + "\n";
}

RunHistory history_from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = parse(text, where);
    RunHistory history{{}, json.at("seconds").get<double>(), json.at("stopped").get<std::string>()};
    for (const auto& p : json.at("curve")) {
      history.curve.push_back(
          {p.at(0).get<int64_t>(), p.at(1).get<double>(), number(p.at(2)), number(p.at(3)), number(p.at(4))});
    }
    if (history.curve.empty()) fail("its curve has no point", where);
    return history;
  } catch (const nlohmann::json::exception& error) {
    fail(in_quotes(error.what()), where);
  }
}

}  // namespace replicate
