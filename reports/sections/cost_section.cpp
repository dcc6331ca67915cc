#include <algorithm>
#include <numeric>

#include "reports/content.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// Tokens of a claim's different inputs; lanes that see the same ones again are not counted.
double tokens_of(const Record& record) {
  return std::accumulate(record.inputs.begin(), record.inputs.end(), 0.0, [](double sum, const InputsRecord& inputs) {
    return sum + static_cast<double>(inputs.sequences) * static_cast<double>(inputs.length);
  });
}

std::vector<Line> row(const Line& name, double tokens, double seconds, double megabytes) {
  return {name,
          {span::text(tokens > 0 ? format_number(tokens) : "")},
          {span::text(format_seconds(seconds))},
          {span::text(megabytes > 0 ? format_megabytes(megabytes) : "")}};
}

}  // namespace

Block cost_section(const std::vector<Record>& records) {
  constexpr auto number = Column::Role::number;
  Table table{
      "Cost", {{"Claim"}, {"Tokens of its inputs", number}, {"Time", number}, {"Peak memory so far", number}}, {}};
  double seconds = 0, megabytes = 0;
  for (const Record& record : records) {
    table.rows.push_back(row({span::link(record.claim, "#" + anchor_of(record.claim))}, tokens_of(record),
                             record.seconds, record.peak_memory_mb));
    seconds += record.seconds;
    megabytes = std::max(megabytes, record.peak_memory_mb);
  }
  table.rows.push_back(row({span::strong("all")}, 0, seconds, megabytes));
  return {Section{
      "cost",
      {span::text("What it cost")},
      {paragraph({span::text(format_seconds(seconds) + " for " + plural(records.size(), "claim") +
                             (megabytes > 0 ? "; at most " + format_megabytes(megabytes) : "") + ".")}),
       {Fold{"By claim", {{table}}}},
       paragraph(
           {span::text(
               "Without survey, loading and training. Claims that only look share one pass, whose time is divided "
               "by their work; memory is the process's.")},
           Paragraph::Role::note)}}};
}

}  // namespace replicate::report
