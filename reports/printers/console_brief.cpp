// One line per claim, for the end of a run.

#include <algorithm>
#include <sstream>

#include "reports/brief.h"
#include "reports/findings.h"
#include "reports/plots/sheet.h"
#include "reports/printers/terminal.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr size_t kNarrowestBrief = 40, kBriefGap = 2, kSignWidth = 2, kLongestId = 29;

std::string id_words(const BriefRow& row) { return clean(row.record->claim) + (has_dagger(*row.record) ? " †" : ""); }

/// A column to the right of the claims.
struct BriefColumn {
  std::string title;
  std::string (*words)(const BriefRow&);
  int keep;          ///< where there is little room, the least goes first
  size_t width = 0;  ///< of its words
};

std::vector<BriefColumn> all_columns() {
  return {
      {"measured", [](const BriefRow& row) { return row.value; }, 4},
      {"must be", [](const BriefRow& row) { return row.asked; }, 3},
      {"agree", [](const BriefRow& row) { return row.variations; }, 2},
      {"standing",
       [](const BriefRow& row) { return row.record->standing ? to_string(*row.record->standing) : std::string(); }, 1},
      {"bearing",
       [](const BriefRow& row) { return row.record->bearing ? to_string(*row.record->bearing) : std::string(); }, 5}};
}

using Groups = std::vector<BriefGroup>;

size_t widest_of(const Groups& groups, std::string (*words)(const BriefRow&)) {
  size_t width = 0;
  for (const BriefGroup& group : groups)
    for (const BriefRow& row : group.rows) width = std::max(width, display_width(words(row)));
  return width;
}

/// Those that `room` has space for; a column in which nothing stands is left out.
std::vector<BriefColumn> columns_within(const Groups& groups, size_t room) {
  auto columns = all_columns();
  for (BriefColumn& column : columns) column.width = widest_of(groups, column.words);
  std::erase_if(columns, [](const BriefColumn& column) { return column.width == 0; });
  for (BriefColumn& column : columns) column.width = std::max(column.width, display_width(column.title));
  const auto taken = [&] {
    size_t width = 0;
    for (const BriefColumn& column : columns) width += column.width + kBriefGap;
    return width;
  };
  while (!columns.empty() && taken() > room) columns.erase(std::ranges::min_element(columns, {}, &BriefColumn::keep));
  return columns;
}

class BriefPrinter {
 public:
  BriefPrinter(const std::vector<Record>& records, bool colour, size_t width)
      : records_(records), groups_(brief_groups(records)), colour_(colour), width_(std::max(width, kNarrowestBrief)) {
    size_t name = widest_of(groups_, id_words);
    for (const BriefGroup& group : groups_) name = std::max(name, display_width(group.title));
    claim_ = std::min({name, kLongestId, width_ - kSignWidth});
    columns_ = columns_within(groups_, width_ - kSignWidth - claim_);
  }

  std::string print() {
    for (const BriefGroup& group : groups_) {
      heading(group);
      for (const BriefRow& row : group.rows) claim(row);
    }
    footer();
    return out_.str();
  }

 private:
  /// Groups after the first need no titles of columns.
  void heading(const BriefGroup& group) {
    std::string words = pad(group.title, kSignWidth + claim_);
    if (&group == &groups_.front())
      for (const BriefColumn& column : columns_) words += std::string(kBriefGap, ' ') + pad(column.title, column.width);
    line(words, ansi::kBold);
  }

  void claim(const BriefRow& row) {
    const Record& record = *row.record;
    out_ << painted(look_of(to_string(record.verdict)).sign, colour_ ? colour_of(record.verdict) : "") << " ";
    std::string rest = pad(clipped(id_words(row), claim_), claim_);
    const bool measured = !row.value.empty();
    for (const BriefColumn& column : columns_)
      if (measured) rest += std::string(kBriefGap, ' ') + pad(column.words(row), column.width);
    if (!measured) rest += std::string(kBriefGap, ' ') + clipped(reason_of(record), room_for_reason());
    line(rest, "");
  }

  /// What is there in place of a number.
  static std::string reason_of(const Record& record) {
    return to_string(record.verdict) + (record.reason.empty() ? "" : ": " + record.reason);
  }

  size_t room_for_reason() const {
    return width_ > kSignWidth + claim_ + kBriefGap ? width_ - kSignWidth - claim_ - kBriefGap : 0;
  }

  void footer() {
    paragraph(plural(records_.size(), "claim") + ": " + describe_with_signs(), ansi::kBold);
    if (const auto evidence = evidence_note(records_); !evidence.empty())
      paragraph("Evidence: " + evidence, ansi::kBold);
    if (std::any_of(records_.begin(), records_.end(), has_dagger))
      paragraph("† part of the claim holds by arithmetic, in any weights", ansi::kDim);
    for (const Record& record : records_) {
      if (departs(record)) paragraph(record.claim + ": " + known_note(record), ansi::kBold);
      if (record.verdict == Verdict::error) paragraph(record.claim + ": " + record.reason, ansi::kBold);
    }
    for (const auto& caution : distinct(records_, [](const Record& r) { return r.caution; }))
      paragraph("Not to be quoted: " + caution + ".", ansi::kBold);
  }

  std::string describe_with_signs() const {
    std::string words;
    for (const auto& [verdict, count] : count_verdicts(records_).by_verdict) {
      if (count == 0) continue;
      words += (words.empty() ? "" : "  ") + look_of(to_string(verdict)).sign + " " + std::to_string(count) + " " +
               to_string(verdict);
    }
    return words.empty() ? "no verdict" : words;
  }

  void line(std::string words, const char* paint) {
    words.erase(words.find_last_not_of(' ') + 1);
    out_ << painted(words, colour_ ? paint : "") << "\n";
  }

  void paragraph(const std::string& words, const char* paint) {
    for (const std::string& part : wrap(words, width_)) line(part, paint);
  }

  const std::vector<Record>& records_;
  Groups groups_;
  bool colour_;
  size_t width_, claim_ = 0;
  std::vector<BriefColumn> columns_;
  std::ostringstream out_;
};

}  // namespace

std::string console_summary(const std::vector<Record>& records, bool colour, size_t width) {
  return BriefPrinter(records, colour, width).print();
}

}  // namespace replicate::report
