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
    case Kind::others: return "other drifts";
    case Kind::threshold: return "thresholds";
    case Kind::inputs: return "not comparable";
    case Kind::time: return "time";
    case Kind::memory: return "memory";
    case Kind::missing: return "missing";
  }
  return {};
}

size_t count(const RunDiff& diff, Difference::Kind kind) {
  return static_cast<size_t>(std::ranges::count(diff.differences, kind, &Difference::kind));
}

/// "1 verdict flipped, 3 judged numbers drifted"; nothing of nothing.
std::string counts(const RunDiff& diff) {
  using Kind = Difference::Kind;
  struct Words {
    Kind kind;
    const char *noun, *what;
  };
  constexpr Words kWords[] = {{Kind::verdict, "verdict", " flipped"},
                              {Kind::missing, "claim", " in one run only"},
                              {Kind::metric, "judged number", " drifted"},
                              {Kind::threshold, "claim", " judged by other thresholds"},
                              {Kind::inputs, "difference", " in what was measured"},
                              {Kind::others, "claim", " drifted in numbers that are not judged"}};
  std::vector<std::string> parts;
  for (const auto& [kind, noun, what] : kWords)
    if (const size_t number = count(diff, kind); number > 0) parts.push_back(plural(number, noun) + what);
  return join(parts, ", ");
}

std::string summary(const RunDiff& diff) {
  const auto costs = count(diff, Difference::Kind::time) + count(diff, Difference::Kind::memory);
  return clean(diff.before.string() + " -> " + diff.after.string()) + ": " + plural(diff.compared.size(), "claim") +
         " compared, " + (anything_changed(diff) ? counts(diff) : "nothing changed beyond noise") +
         (costs == 0 ? "" : "; " + plural(costs, "claim") + " cost more, which decides nothing");
}

}  // namespace

std::string diff_text(const RunDiff& diff) {
  constexpr size_t kClaim = 28, kKind = 20;
  std::string text;
  for (const auto& difference : diff.differences) {
    text += pad(clean(difference.claim), kClaim) + pad(word_of(difference.kind), kKind) + clean(difference.text) + "\n";
  }
  return text + summary(diff) + "\n";
}

std::string diff_markdown(const RunDiff& diff) {
  const std::string last = escape_markdown(summary(diff)) + "\n";
  if (diff.differences.empty()) return last;
  std::string text = "| claim | what | how |\n|---|---|---|\n";
  for (const auto& difference : diff.differences) {
    text += "| " + markdown_code(difference.claim) + " | " + word_of(difference.kind) + " | " +
            escape_markdown(difference.text) + " |\n";
  }
  return text + "\n" + last;
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
