#include <sstream>

#include "base/number_text.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

std::string element(const std::string& name, const std::string& message, const std::string& type) {
  return "    <" + name + " message=\"" + escape_html(message) + "\"" + (type.empty() ? "" : " type=\"" + type + "\"") +
         "/>\n";
}

/// JUnit's "skipped": nothing was decided.
bool is_open(const Record& record) {
  return record.verdict != Verdict::pass && record.verdict != Verdict::fail && record.verdict != Verdict::error;
}

std::string outcome(const Record& record, const FailOn& fail_on) {
  if (record.verdict == Verdict::error) return element("error", record.reason, "error");
  if (const auto why = failure(record, fail_on)) return element("failure", *why, to_string(record.verdict));
  if (is_open(record)) return element("skipped", to_string(record.verdict) + ": " + record.reason, "");
  return "";
}

std::string metric_line(const Headline& headline) {
  const MetricText shown = format_metric(*headline.metric);
  std::string line = headline.metric->name + " " + shown.value;
  if (!shown.interval.empty()) line += " " + shown.interval;
  if (const auto asked = asked_of(headline); !asked.empty()) line += " (" + asked + ")";
  return line + "\n";
}

std::string properties(const Record& record) {
  return "    <properties><property name=\"verdict\" value=\"" + to_string(record.verdict) + "\"/></properties>\n";
}

std::string notes(const Record& record) {
  std::string text;
  if (record.verdict == Verdict::fail) text += "fail: " + record.reason + "\n";
  if (is_known(record)) text += "known: " + record.known_why + "\n";
  for (const Headline& headline : headlines(record)) text += metric_line(headline);
  return text.empty() ? "" : "    <system-out>" + escape_html(text) + "</system-out>\n";
}

std::string test_case(const Record& record, const FailOn& fail_on) {
  return "  <testcase classname=\"" + escape_html(record.model.name) + "\" name=\"" + escape_html(record.claim) +
         "\" time=\"" + fixed_text(record.seconds, 3) + "\">\n" + properties(record) + outcome(record, fail_on) +
         notes(record) + "  </testcase>\n";
}

struct Totals {
  size_t failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
};

Totals totals_of(const std::vector<Record>& records, const FailOn& fail_on) {
  Totals totals;
  for (const Record& record : records) {
    const bool failed = failure(record, fail_on).has_value();
    totals.failures += failed;
    totals.errors += record.verdict == Verdict::error;
    totals.skipped += is_open(record) && !failed;
    totals.seconds += record.seconds;
  }
  return totals;
}

}  // namespace

std::string junit_report(const std::vector<Record>& records, const FailOn& fail_on) {
  const Totals totals = totals_of(records, fail_on);
  std::ostringstream out;
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"replicate\" tests=\"" << records.size()
      << "\" failures=\"" << totals.failures << "\" errors=\"" << totals.errors << "\" skipped=\"" << totals.skipped
      << "\" time=\"" << fixed_text(totals.seconds, 3) << "\">\n";
  for (const Record& record : records) out << test_case(record, fail_on);
  out << "</testsuite>\n";
  return out.str();
}

}  // namespace replicate::report
