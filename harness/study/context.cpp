#include "harness/study/context.h"

#include "base/error.h"

namespace replicate {

void require_other_positions(const Condition& on, const std::string& claim) {
  if (on.length() >= 2) return;
  throw Error("sequences of one token have no other positions", claim, "use longer sequences");
}

InputShape Context::shape(const std::string& name) const {
  return {parameters.integer(name + ".sequences"), parameters.integer(name + ".length")};
}

InputKind Context::judged_on() const {
  if (!parameters.has("judged_on")) return InputKind::natural;
  const auto kind = parameters.text("judged_on");
  if (kind == "natural") return InputKind::natural;
  if (kind == "random") return InputKind::random;
  throw Error("judged_on is '" + kind + "'", "the claim's YAML", "write natural or random");
}

Condition Context::primary() const { return primary(bos && judged_on() == InputKind::natural); }

Condition Context::primary(bool with_bos) const {
  if (given) return {given, model, ""};
  const auto kind = judged_on();
  return {maker->make(kind, shape(name_of(kind)), with_bos), model, ""};
}

std::optional<Condition> Context::condition(const std::string& name) const {
  if (!parameters.has(name + ".sequences")) return std::nullopt;
  if ((given || !reports_others) && name != "null_model") return std::nullopt;
  if (given) return Condition{given, null_model, "_null"};
  const auto size = shape(name);
  if (name == "natural") return Condition{maker->make(InputKind::natural, size, bos), model, ""};
  if (name == "random") return Condition{maker->make(InputKind::random, size), model, ""};
  if (name == "repeated") return Condition{maker->make(InputKind::repeated, size), model, ""};
  if (name == "bos" && !maker->has_bos()) return std::nullopt;
  if (name == "bos") return Condition{maker->make(InputKind::natural, size, true), model, "_bos"};
  if (name == "null_model") {
    const auto kind = judged_on();
    return Condition{maker->make(kind, size, bos && kind == InputKind::natural), null_model, "_null"};
  }
  throw Error("no condition is called '" + name + "'", "experiment", kDefect);
}

std::vector<Condition> Context::conditions() const {
  std::vector<Condition> all{primary()};
  for (const std::string name : kConditions) {
    if (name == name_of(judged_on())) continue;
    if (auto one = condition(name)) all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace replicate
