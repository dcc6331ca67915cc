// All that was measured and judged, claim by claim: what --verbose shows.

#include <algorithm>
#include <array>
#include <sstream>

#include "reports/findings.h"
#include "reports/printers/terminal.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Lines = std::vector<std::string>;
using Row = std::array<Lines, 4>;  ///< claim, paper, measured, verdict
using Widths = std::array<size_t, 4>;

constexpr size_t kGap = 2, kNarrowest = 72, kWidest = 160, kClaim = 29, kVerdict = 18;

std::string verdict_word(const Record& record) {
  const std::string word = to_string(record.verdict);
  return look_of(word).sign + " " + word;
}

Lines verdict_lines(const Record& record) {
  const std::string note = known_note(record);
  Lines lines = {verdict_word(record)};
  if (!note.empty()) lines.push_back("  (" + note + ")");
  for (const std::string& part : wrap(bearing_note(record), kVerdict - kGap))
    if (!part.empty()) lines.push_back("  " + part);
  if (const std::string variations = variation_note(record); !variations.empty()) {
    for (const std::string& part : wrap(variations, kVerdict - kGap)) lines.push_back("  " + part);
  }
  return lines;
}

std::string paper_words(const PaperReference& paper) {
  const std::string figures = figures_text(paper);
  return figures + (figures.empty() || paper.expected.empty() ? "" : ": ") + paper.expected;
}

/// "name" on a line of its own, then the number with its interval and threshold.
Lines measured_lines(const Headline& headline, size_t width) {
  const MetricText shown = format_metric(*headline.metric);
  std::string number = shown.value;
  if (!shown.interval.empty()) number += " " + shown.interval;
  if (const auto asked = asked_of(headline); !asked.empty()) number += " (" + asked + ")";
  Lines lines = wrap(headline.metric->name, width);
  for (const std::string& part : wrap(number, width - 2)) lines.push_back("  " + part);
  return lines;
}

Lines measured_lines(const Record& record, size_t width) {
  Lines lines;
  for (const Headline& headline : headlines(record))
    for (const std::string& line : measured_lines(headline, width)) lines.push_back(line);
  return lines.empty() ? Lines{"–"} : lines;
}

std::string claim_words(const Record& record) { return clean(record.claim) + dagger_after_title(record); }

size_t widest(const std::vector<Record>& records, std::string_view title, std::string (*words)(const Record&)) {
  size_t width = display_width(title);
  for (const Record& record : records) width = std::max(width, display_width(words(record)));
  return width;
}

/// Claims and verdicts take what they need; the paper and the measurement share the rest.
Widths column_widths(const std::vector<Record>& records, size_t total) {
  const size_t claim = std::min<size_t>(widest(records, "claim", claim_words), kClaim);
  size_t verdict = widest(records, "verdict", verdict_word);
  for (const Record& record : records)
    for (const std::string& line : verdict_lines(record)) verdict = std::max(verdict, display_width(line));
  const size_t rest = total - claim - verdict - 3 * kGap;
  const size_t measured = std::min<size_t>(rest * 11 / 20, 36);
  return {claim, rest - measured, measured, verdict};
}

Row row_of(const Record& record, const Widths& widths) {
  return {wrap(claim_words(record), widths[0]), wrap(paper_words(record.paper), widths[1]),
          measured_lines(record, widths[2]), verdict_lines(record)};
}

size_t height(const Row& row) {
  size_t lines = 0;
  for (const Lines& cell : row) lines = std::max(lines, cell.size());
  return lines;
}

class ConsolePrinter {
 public:
  ConsolePrinter(Widths widths, bool colour) : widths_(widths), colour_(colour) {}

  void header() {
    print({Lines{"claim"}, {"paper"}, {"measured"}, {"verdict"}}, ansi::kBold);
    std::string rule;
    for (const size_t width : widths_) {
      for (size_t i = 0; i < width; ++i) rule += "─";
      rule += std::string(kGap, ' ');
    }
    line(rule, ansi::kDim);
  }

  void record(const Record& record) {
    print(row_of(record, widths_), colour_of(record.verdict));
    if (record.verdict != Verdict::pass) reason(record.reason);
    out_ << "\n";
  }

  void footer(const std::vector<Record>& records) {
    paragraph(plural(records.size(), "claim") + ": " + describe(count_verdicts(records)));
    if (const auto evidence = evidence_note(records); !evidence.empty()) paragraph("Evidence: " + evidence);
    if (std::any_of(records.begin(), records.end(), has_dagger))
      line("† part of the claim holds by arithmetic, in any weights", ansi::kDim);
    for (const auto& caution : distinct(records, [](const Record& r) { return r.caution; }))
      paragraph("Not to be quoted: " + caution + ".");
  }

  std::string text() const { return out_.str(); }

 private:
  size_t total() const { return widths_[0] + widths_[1] + widths_[2] + widths_[3] + 3 * kGap; }

  void line(std::string words, const char* paint) {
    words.erase(words.find_last_not_of(' ') + 1);
    out_ << painted(words, colour_ ? paint : "") << "\n";
  }

  void paragraph(const std::string& words) {
    for (const std::string& part : wrap(words, total())) line(part, ansi::kBold);
  }

  /// Everything but the last column is padded, so colour codes cannot disturb the columns.
  void print(const Row& row, const char* paint) {
    for (size_t i = 0; i < height(row); ++i) {
      std::string left;
      for (size_t column = 0; column < 3; ++column)
        left += pad(i < row[column].size() ? row[column][i] : "", widths_[column] + kGap);
      const std::string last = i < row[3].size() ? row[3][i] : "";
      if (last.empty()) left.erase(left.find_last_not_of(' ') + 1);
      out_ << left << painted(last, colour_ ? paint : "") << "\n";
    }
  }

  void reason(const std::string& words) {
    if (words.empty()) return;
    for (const std::string& part : wrap(words, total() - kGap)) line("  " + part, ansi::kDim);
  }

  Widths widths_;
  bool colour_;
  std::ostringstream out_;
};

}  // namespace

std::string console_table(const std::vector<Record>& records, bool colour, size_t width) {
  ConsolePrinter printer(column_widths(records, std::clamp(width, kNarrowest, kWidest)), colour);
  printer.header();
  for (const Record& record : records) printer.record(record);
  printer.footer(records);
  return printer.text();
}

}  // namespace replicate::report
