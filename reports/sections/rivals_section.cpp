#include <algorithm>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// A prediction and the claim that tests it.
struct Test {
  const Record* record;
  const RivalFinding* prediction;
};

std::vector<Test> tests_in(const std::vector<Record>& records) {
  std::vector<Test> tests;
  for (const Record& record : records)
    for (const RivalFinding& prediction : record.rivals)
      if (prediction.finding.outcome != Outcome::not_measured) tests.push_back({&record, &prediction});
  return tests;
}

/// The different values of a field of the predictions, in order of appearance.
std::vector<std::string> values_of(const std::vector<Test>& tests, std::string RivalFinding::*field) {
  std::vector<std::string> values;
  for (const Test& test : tests)
    if (std::find(values.begin(), values.end(), test.prediction->*field) == values.end())
      values.push_back(test.prediction->*field);
  return values;
}

std::vector<Test> with(const std::vector<Test>& tests, std::string RivalFinding::*field, const std::string& value) {
  std::vector<Test> chosen;
  for (const Test& test : tests)
    if (test.prediction->*field == value) chosen.push_back(test);
  return chosen;
}

/// An account holds when every one of its predictions came true, and is out when none did.
enum class AccountStanding { holds, out, mixed };

AccountStanding standing_of(const std::vector<Test>& predictions) {
  const auto came = [&](Outcome outcome) {
    return std::count_if(predictions.begin(), predictions.end(),
                         [&](const Test& test) { return test.prediction->finding.outcome == outcome; });
  };
  const auto all = static_cast<std::ptrdiff_t>(predictions.size());
  if (came(Outcome::pass) == all) return AccountStanding::holds;
  return came(Outcome::fail) == all ? AccountStanding::out : AccountStanding::mixed;
}

std::vector<std::string> accounts_that(const std::vector<Test>& tests, AccountStanding standing) {
  std::vector<std::string> accounts;
  for (const auto& account : values_of(tests, &RivalFinding::account))
    if (standing_of(with(tests, &RivalFinding::account, account)) == standing) accounts.push_back(account);
  return accounts;
}

/// An account is supported when all that it expects came true and nothing that the others expect did.
Line conclusion(const std::vector<Test>& tests) {
  const auto hold = accounts_that(tests, AccountStanding::holds), mixed = accounts_that(tests, AccountStanding::mixed);
  if (hold.size() > 1)
    return {span::text("This model does not decide between them: all that several accounts expect came true.")};
  if (hold.empty())
    return {
        span::text("This model does not decide between them: of no account did all predictions come true, or too "
                   "little is certain.")};
  if (mixed.empty()) return {span::text("This model supports: "), span::strong(hold.front()), span::text(".")};
  return {span::text("All that one account expects came true: "), span::strong(hold.front()),
          span::text(". The others are not out: part of what they expect came true as well, or is open.")};
}

Table table_of(const std::vector<Test>& tests) {
  Table table{"Predictions", {{"Account"}, {"Expects"}, {"Measured"}, {"Came true"}, {"Claim"}}, {}};
  for (const auto& account : values_of(tests, &RivalFinding::account)) {
    for (const auto& [record, prediction] : with(tests, &RivalFinding::account, account)) {
      const auto& criterion = prediction->finding;
      table.rows.push_back({{span::text(account)},
                            {span::text(criterion.metric + " " + op_sign(to_string(criterion.op)) + " " +
                                        format_number(criterion.threshold))},
                            value_and_interval(find_metric(*record, criterion.metric)),
                            outcome_line(to_string(criterion.outcome)),
                            {span::link(record->claim, "#" + anchor_of(record->claim))}});
    }
  }
  return table;
}

}  // namespace

Blocks rivals_section(const std::vector<Record>& records) {
  const auto tests = tests_in(records);
  if (tests.empty()) return {};
  Blocks blocks = {paragraph({span::text(
      "Where accounts of the sink expect different outcomes, the interventions choose between them. These predictions "
      "are no part of any verdict.")})};
  for (const auto& question : values_of(tests, &RivalFinding::question)) {
    const auto of_question = with(tests, &RivalFinding::question, question);
    append(blocks, {{Subheading{question}}, paragraph(conclusion(of_question)), {table_of(of_question)}});
  }
  return {{Section{"rivals", {span::text("Rival accounts")}, std::move(blocks)}}};
}

}  // namespace replicate::report
