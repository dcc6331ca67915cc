#include "harness/experiment.h"

#include "models/formats/error.h"

namespace replicate {

std::map<std::string, ExperimentFactory>& experiment_registry() {
  static std::map<std::string, ExperimentFactory> registry;
  return registry;
}

InputShape Context::shape(const std::string& name) const {
  return {parameters.integer(name + ".sequences"), parameters.integer(name + ".length")};
}

Condition Context::primary() const {
  if (given) return {*given, model, ""};
  return {maker->make(InputKind::natural, shape("natural"), bos), model, ""};
}

std::optional<Condition> Context::condition(const std::string& name) const {
  if (given || !parameters.has(name + ".sequences")) return std::nullopt;
  const auto size = shape(name);
  if (name == "random") return Condition{maker->make(InputKind::random, size), model, ""};
  if (name == "repeated") return Condition{maker->make(InputKind::repeated, size), model, ""};
  if (name == "bos" && !maker->has_bos()) return std::nullopt;
  if (name == "bos") return Condition{maker->make(InputKind::natural, size, true), model, "_bos"};
  if (name == "null_model") {
    return Condition{maker->make(InputKind::natural, size, bos), null_model, "_null"};
  }
  throw Error("no condition is called '" + name + "'", "experiment", "correct the experiment");
}

std::vector<Condition> Context::conditions() const {
  std::vector<Condition> all{primary()};
  for (const auto* name : {"random", "repeated", "bos", "null_model"}) {
    if (auto one = condition(name)) all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace replicate
