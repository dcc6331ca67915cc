#include "harness/training/curve.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/formats/error.h"

namespace replicate {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no NaN: null stands for it.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double number(const Json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

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
    const auto json = Json::parse(text);
    RunHistory history{{}, json.at("seconds").get<double>(), json.at("stopped").get<std::string>()};
    for (const auto& p : json.at("curve")) {
      history.curve.push_back({p.at(0).get<int64_t>(), p.at(1).get<double>(), number(p.at(2)), number(p.at(3)),
                               number(p.at(4))});
    }
    return history;
  } catch (const Json::exception& e) {
    throw Error(std::string("the history of a training run cannot be read: ") + e.what(), where,
                "remove the run's folder to train it again");
  }
}

}  // namespace replicate
