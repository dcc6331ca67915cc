#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/run_folder.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "reports/tables.h"

namespace replicate::report {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> claims_with_records(const fs::path& run) {
  std::vector<std::string> claims;
  if (fs::is_directory(run))
    for (const auto& entry : fs::directory_iterator(run))
      if (fs::exists(entry.path() / "record.json")) claims.push_back(entry.path().filename());
  std::sort(claims.begin(), claims.end());
  return claims;
}

/// Claims in the order an earlier summary has them. A damaged summary is as good as none.
std::vector<std::string> order_of_summary(const fs::path& run) {
  std::vector<std::string> order;
  if (!fs::exists(run / "summary.json")) return order;
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(read_text(run / "summary.json"), nullptr, false);
  } catch (const Error&) {
    return order;
  }
  if (!json.is_object() || !json.contains("claims") || !json["claims"].is_array()) return order;
  for (const auto& claim : json["claims"])
    if (claim.is_object() && claim.contains("claim") && claim["claim"].is_string()) order.push_back(claim["claim"]);
  return order;
}

/// Claims that `order` does not know yet stay after the others, in the order they had.
void sort_by(const std::vector<std::string>& order, std::vector<Record>& records) {
  const auto rank = [&](const Record& record) {
    return std::find(order.begin(), order.end(), record.claim) - order.begin();
  };
  std::stable_sort(records.begin(), records.end(), [&](const Record& a, const Record& b) { return rank(a) < rank(b); });
}

/// The first error of drawing; one drawing that fails does not stop the others.
std::exception_ptr write_all_plots(const std::vector<Record>& records, const fs::path& run) {
  std::exception_ptr first;
  const auto attempt = [&](const auto& write) {
    try {
      write();
    } catch (const Error&) {
      if (!first) first = std::current_exception();
    }
  };
  attempt([&] { write_chain(records, run); });
  for (const Record& record : records) attempt([&] { write_plots(record, run / record.claim); });
  return first;
}

}  // namespace

std::vector<Record> read_run(const fs::path& run) {
  const std::vector<std::string> claims = claims_with_records(run);
  if (claims.empty())
    throw Error("no record.json in any folder of this run", run.string(), "name a run folder, such as results/<run>");
  std::vector<Record> records;
  for (const std::string& claim : claims) records.push_back(read_record(run / claim));
  sort_by(order_of_summary(run), records);
  return records;
}

void write_reports(const fs::path& run, const std::vector<std::string>& order, const FailOn& fail_on) {
  std::vector<Record> records = read_run(run);
  sort_by(order, records);
  const std::exception_ptr failed_plot = write_all_plots(records, run);
  write_atomically(run / "report.md", markdown_report(records));
  write_atomically(run / "report.html", html_report(records, run));
  for (const Record& record : records)
    write_atomically(run / record.claim / "report.html", html_page(claim_content(record), run, record.claim + "/"));
  write_atomically(run / "junit.xml", junit_report(records, fail_on));
  write_atomically(run / "summary.json", summary_json(records));
  write_atomically(run / "metrics.csv", metrics_csv(records));
  write_atomically(run / "curves.csv", curves_csv(records));
  write_atomically(run / "heads.csv", heads_csv(records));
  if (failed_plot) std::rethrow_exception(failed_plot);
}

}  // namespace replicate::report
