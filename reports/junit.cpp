#include <array>
#include <cstdio>
#include <sstream>

#include "reports/findings.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate {
namespace {

std::string plain_seconds(double seconds) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.3f", seconds);
  return buffer.data();
}

std::string element(const std::string& name, const std::string& message, const std::string& type) {
  return "    <" + name + " message=\"" + escape_html(message) + "\"" +
         (type.empty() ? "" : " type=\"" + type + "\"") + "/>\n";
}

/// A test suite's reader wants to know what is new: known failures are no news, departures are.
bool counts_as_failure(const Record& record) {
  return departs(record) || (record.verdict == Verdict::fail && !is_known(record));
}

std::string outcome(const Record& record) {
  if (departs(record))
    return element("failure",
                   "known verdict " + to_string(*record.known_verdict) + ", now " +
                       to_string(record.verdict) + ": " + record.reason,
                   "departure");
  if (counts_as_failure(record)) return element("failure", record.reason, "fail");
  if (record.verdict == Verdict::error) return element("error", record.reason, "error");
  if (record.verdict == Verdict::inconclusive || record.verdict == Verdict::skipped)
    return element("skipped", to_string(record.verdict) + ": " + record.reason, "");
  return "";
}

std::string metric_line(const Headline& headline) {
  const MetricText shown = format_metric(*headline.metric);
  std::string line = headline.metric->name + " " + shown.value;
  if (!shown.interval.empty()) line += " " + shown.interval;
  if (const auto asked = asked_of(headline); !asked.empty()) line += " (" + asked + ")";
  return line + "\n";
}

std::string notes(const Record& record) {
  std::string text;
  if (record.verdict == Verdict::fail && is_known(record))
    text += "known fail: " + record.reason + " Why: " + record.known_why + "\n";
  for (const Headline& headline : headlines(record)) text += metric_line(headline);
  return text.empty() ? "" : "    <system-out>" + escape_html(text) + "</system-out>\n";
}

std::string test_case(const Record& record) {
  return "  <testcase classname=\"" + escape_html(record.model.name) + "\" name=\"" +
         escape_html(record.claim) + "\" time=\"" + plain_seconds(record.seconds) + "\">\n" +
         outcome(record) + notes(record) + "  </testcase>\n";
}

struct Totals {
  size_t failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
};

Totals totals_of(const std::vector<Record>& records) {
  Totals totals;
  for (const Record& record : records) {
    totals.failures += counts_as_failure(record);
    totals.errors += record.verdict == Verdict::error;
    totals.skipped += record.verdict == Verdict::skipped || record.verdict == Verdict::inconclusive;
    totals.seconds += record.seconds;
  }
  return totals;
}

}  // namespace

std::string junit_report(const std::vector<Record>& records) {
  const Totals totals = totals_of(records);
  std::ostringstream out;
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"replicate\" tests=\""
      << records.size() << "\" failures=\"" << totals.failures << "\" errors=\"" << totals.errors
      << "\" skipped=\"" << totals.skipped << "\" time=\"" << plain_seconds(totals.seconds)
      << "\">\n";
  for (const Record& record : records) out << test_case(record);
  out << "</testsuite>\n";
  return out.str();
}

}  // namespace replicate
