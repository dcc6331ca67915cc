#include "reports/findings.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// A fact of the run; where a resumed run has several values, all of them.
struct Fact {
  const char* name;
  std::string (*field)(const Record&);
};

std::string number_or_nothing(int64_t count) { return count > 0 ? std::to_string(count) : ""; }

std::string heads(const ModelRecord& model) {
  if (model.heads == 0) return "";
  const std::string words = std::to_string(model.heads) + " query heads";
  return model.kv_heads > 0 ? words + ", " + std::to_string(model.kv_heads) + " key/value heads" : words;
}

std::string weights(const ModelRecord& model) {
  return model.reinitialised ? "re-initialised (the null model)" : model.quantization;
}

constexpr Fact kFacts[] = {
    {"Model", [](const Record& r) { return r.model.name; }},
    {"Hugging Face", [](const Record& r) { return r.model.hub.value_or(""); }},
    {"Model file, sha256", [](const Record& r) { return r.model.sha256; }},
    {"Architecture", [](const Record& r) { return r.model.architecture; }},
    {"Weights", [](const Record& r) { return weights(r.model); }},
    {"Parameters", [](const Record& r) { return r.model.parameters > 0 ? format_count(r.model.parameters) : ""; }},
    {"Layers", [](const Record& r) { return number_or_nothing(r.model.layers); }},
    {"Width", [](const Record& r) { return number_or_nothing(r.model.width); }},
    {"Heads", [](const Record& r) { return heads(r.model); }},
    {"Vocabulary", [](const Record& r) { return number_or_nothing(r.model.vocabulary); }},
    {"Profile", [](const Record& r) { return r.profile; }},
    {"Seed", [](const Record& r) { return std::to_string(r.seed); }},
    {"Version", [](const Record& r) { return r.environment.version; }},
    {"Commit", [](const Record& r) { return r.environment.commit; }},
    {"LibTorch", [](const Record& r) { return r.environment.libtorch; }},
    {"Compiler", [](const Record& r) { return r.environment.compiler; }},
    {"Device", [](const Record& r) { return r.environment.device; }},
    {"Processor", [](const Record& r) { return r.environment.cpu; }},
    {"Threads", [](const Record& r) { return number_or_nothing(r.environment.threads); }},
    {"Arithmetic", [](const Record& r) { return r.environment.dtype; }},
};

}  // namespace

Block provenance_section(const std::vector<Record>& records) {
  Definitions facts;
  for (const Fact& fact : kFacts) {
    const auto values = distinct(records, fact.field);
    if (!values.empty()) facts.entries.emplace_back(fact.name, Line{span::text(join(values, "; "))});
  }
  return {Section{"environment", {span::text("Environment and provenance")}, {{facts}}, "Environment"}};
}

}  // namespace replicate::report
