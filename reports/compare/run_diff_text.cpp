// A diff of two runs as text, Markdown and JUnit.

#include <algorithm>
#include <map>

#include "reports/compare/run_diff.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

std::string word_of(Difference::Kind kind) {
  using Kind = Difference::Kind;
  switch (kind) {
    case Kind::verdict: return "verdict";
    case Kind::metric: return "drift";
    case Kind::others: return "drifts";
    case Kind::threshold: return "thresholds";
    case Kind::inputs: return "compares otherwise";
    case Kind::time: return "time";
    case Kind::memory: return "memory";
    case Kind::missing: return "missing";
  }
  return {};
}

std::string heading(const RunDiff& diff) {
  const auto costs = static_cast<size_t>(
      std::ranges::count_if(diff.differences, [](const auto& found) { return is_cost(found.kind); }));
  const auto changed = diff.differences.size() - costs;
  return clean(diff.before.string() + " -> " + diff.after.string()) + ": " + plural(diff.compared.size(), "claim") +
         " compared, " + (changed == 0 ? "nothing changed beyond noise" : plural(changed, "difference")) +
         (costs == 0 ? "" : "; " + plural(costs, "claim") + " cost more, which decides nothing");
}

}  // namespace

std::string diff_text(const RunDiff& diff) {
  constexpr size_t kClaim = 28, kKind = 20;
  std::string text = heading(diff) + "\n";
  for (const auto& difference : diff.differences) {
    text += pad(clean(difference.claim), kClaim) + pad(word_of(difference.kind), kKind) + clean(difference.text) + "\n";
  }
  return text;
}

std::string diff_markdown(const RunDiff& diff) {
  std::string text = escape_markdown(heading(diff)) + "\n";
  if (diff.differences.empty()) return text;
  text += "\n| claim | what | how |\n|---|---|---|\n";
  for (const auto& difference : diff.differences) {
    text += "| " + markdown_code(difference.claim) + " | " + word_of(difference.kind) + " | " +
            escape_markdown(difference.text) + " |\n";
  }
  return text;
}

std::string diff_junit(const RunDiff& diff) {
  std::map<std::string, std::string> failures;  // by claim; empty: the same in both runs
  for (const auto& claim : diff.compared) failures[claim];
  size_t failed = 0;
  for (const auto& difference : diff.differences) {
    if (is_cost(difference.kind)) continue;
    auto& text = failures[difference.claim];
    failed += text.empty();
    text += "    <failure message=\"" + escape_html(clean(difference.text)) + "\" type=\"" + word_of(difference.kind) +
            "\"/>\n";
  }
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"replicate diff\" tests=\"" +
                     std::to_string(failures.size()) + "\" failures=\"" + std::to_string(failed) + "\">\n";
  for (const auto& [claim, failure] : failures) {
    text +=
        "  <testcase classname=\"diff\" name=\"" + escape_html(clean(claim)) + "\">\n" + failure + "  </testcase>\n";
  }
  return text + "</testsuite>\n";
}

}  // namespace replicate::report
