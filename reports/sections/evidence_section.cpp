#include <algorithm>

#include "base/binomial_bound.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Role = Paragraph::Role;

constexpr double kLeastP = 1e-6;  // below, a p value says more of the distribution's tail than of the data

std::string p_text(double p) { return p < kLeastP ? "< 10⁻⁶" : format_number(p); }

Line link_to(const Record& record) { return {span::link(record.claim, "#" + anchor_of(record.claim))}; }

std::string wanted(const Finding& criterion) {
  return criterion.metric + " " + op_sign(to_string(criterion.op)) + " " + format_number(criterion.threshold);
}

/// Records of edition 1 have p values of other tests. A number without sampling has none that says anything.
bool has_p(const Record& record, const Finding& criterion) {
  const Metric* metric = find_metric(record, criterion.metric);
  return record.edition > 1 && criterion.p && metric != nullptr && metric->low;
}

Table p_table(const std::vector<Record>& records) {
  Table table{"p values", {{"Claim"}, {"Criterion"}, {"p", Column::Role::number}}, {}};
  for (const Record& record : records) {
    for (const Finding& criterion : record.criteria) {
      if (!has_p(record, criterion)) continue;
      table.rows.push_back({link_to(record), {span::text(wanted(criterion))}, {span::text(p_text(*criterion.p))}});
    }
  }
  return table;
}

Block legend() {
  return paragraph({span::text("p: one-sided, the chance of such values or better ones if the truth were the "
                               "threshold. A criterion is met where p is at most the level of its claim's family.")},
                   Role::note);
}

Blocks p_blocks(const std::vector<Record>& records) {
  auto table = p_table(records);
  if (table.rows.empty()) return {};
  return {{Fold{"p values", {{std::move(table)}, legend()}}}};
}

// ---- what was fixed in advance

std::vector<std::string> ids_where(const std::vector<Record>& records, bool (*holds)(const Record&)) {
  std::vector<std::string> ids;
  for (const Record& record : records)
    if (!record.criteria.empty() && holds(record)) ids.push_back(record.claim);
  return ids;
}

/// Records of edition 1 have no standing.
bool is_calibrated(const Record& record) {
  return record.standing ? record.standing == Standing::calibrated : record.calibrated;
}

/// Of what is judged.
std::vector<std::string> ids_of(const std::vector<Record>& records, Standing standing) {
  std::vector<std::string> ids;
  for (const Record& record : records)
    if (record.standing == standing && !record.criteria.empty()) ids.push_back(record.claim);
  return ids;
}

Line standing_line(const char* name, const std::vector<std::string>& ids, const char* meaning) {
  return {span::strong(std::string(name) + ": "), span::text(ids.empty() ? "none" : enumerate(ids)),
          span::muted(std::string(" (") + meaning + ")")};
}

Bullets standing(const std::vector<Record>& records) {
  const auto unrecorded = ids_where(records, [](const Record& r) { return !r.recorded; });
  Bullets bullets{
      {standing_line("Confirmatory", ids_of(records, Standing::confirmatory),
                     "a prediction for this model was registered before the model was measured, or the model is "
                     "younger than the definition"),
       standing_line("Calibrated", ids_where(records, is_calibrated),
                     "numbers of this model, of one of its shape or of this training regime were known when the "
                     "thresholds were chosen: such a verdict describes and tests nothing")}};
  const auto arithmetic = ids_of(records, Standing::arithmetic), own = ids_of(records, Standing::unregistered);
  if (!arithmetic.empty())
    bullets.items.push_back(
        standing_line("Arithmetic", arithmetic, "nothing that decides could have come out otherwise"));
  if (!own.empty())
    bullets.items.push_back(
        standing_line("Unregistered", own, "no prediction for this model or regime was registered"));
  const auto none = ids_where(records, [](const Record& r) { return !r.standing && !r.calibrated; });
  if (!none.empty())
    bullets.items.push_back(standing_line("No standing on record", none, "an older edition of the rules judged them"));
  if (!unrecorded.empty())
    bullets.items.push_back({span::strong("No earlier run on record: "), span::text(enumerate(unrecorded))});
  const auto changed = ids_where(records, thresholds_changed);
  if (!changed.empty())
    bullets.items.push_back(
        {span::strong("Thresholds changed since the last recorded run: "), span::text(enumerate(changed))});
  return bullets;
}

// ---- how often the harness errs

bool has_rates(const Record& record) { return record.error_rates.has_value(); }

std::string of(int64_t part, int64_t whole) { return std::to_string(part) + " of " + std::to_string(whole); }

std::string at_most(int64_t part, int64_t whole) {
  return "≤ " + format_number(100 * binomial_upper_bound(part, whole)) + "%";
}

struct CountedRuns {
  int64_t part, whole;
  const char* otherwise;  ///< where there are none
};

Table rates_table(const std::vector<Record>& records) {
  constexpr auto number = Column::Role::number;
  Table table{"Error rates",
              {{"Claim"},
               {"False passes", number},
               {"Bound", number},
               {"Near-misses that pass", number},
               {"Bound", number},
               {"Missed effects", number},
               {"Bound", number}},
              {}};
  for (const Record& record : records) {
    if (!has_rates(record)) continue;
    const auto& rates = *record.error_rates;
    table.rows.push_back({link_to(record)});
    for (const auto& [part, whole, otherwise] : {CountedRuns{rates.false_passes, rates.null_runs, "not judged"},
                                                 CountedRuns{rates.near_miss_passes, rates.near_miss_runs, "not tried"},
                                                 CountedRuns{rates.missed, rates.planted_runs, "not planted"}}) {
      table.rows.back().push_back({whole > 0 ? span::text(of(part, whole)) : span::muted(otherwise)});
      table.rows.back().push_back({whole > 0 ? span::text(at_most(part, whole)) : span::muted("")});
    }
  }
  return table;
}

/// The bound is on how often a control does not fire.
Table firing_table(const std::vector<Record>& records) {
  constexpr auto number = Column::Role::number;
  Table table{"Controls where they should fire", {{"Claim"}, {"Control"}, {"Fired", number}, {"Silent", number}}, {}};
  for (const Record& record : records) {
    if (!has_rates(record)) continue;
    for (const auto& [metric, runs, fired] : record.error_rates->controls) {
      if (runs == 0) continue;
      table.rows.push_back({link_to(record),
                            {span::code(metric)},
                            {span::text(of(fired, runs))},
                            {span::text(at_most(runs - fired, runs))}});
    }
  }
  return table;
}

Blocks rates_blocks(const std::vector<Record>& records) {
  if (std::none_of(records.begin(), records.end(), has_rates)) return {};
  Blocks blocks = {{Subheading{"How often these tests err"}},
                   paragraph({span::text(
                       "Measured beforehand on small models of which the truth is known: false passes on models that "
                       "lack the effect, passes on models that have 0.5 to 1.0 of what is wanted, missed effects on "
                       "models into which it was built. Only runs count in which the claim was judged by its "
                       "criteria. Bounds hold at 95%.")}),
                   {rates_table(records)}};
  if (auto firing = firing_table(records); !firing.rows.empty()) blocks.push_back({std::move(firing)});
  return blocks;
}

}  // namespace

Blocks evidence_section(const std::vector<Record>& records) {
  if (std::ranges::all_of(records, [](const Record& record) { return record.criteria.empty(); })) return {};
  Blocks blocks = {{Subheading{"Thresholds fixed in advance"}}, {standing(records)}};
  append(blocks, rates_blocks(records));
  append(blocks, p_blocks(records));
  return {{Section{"evidence", {span::text("How sure")}, std::move(blocks)}}};
}

}  // namespace replicate::report
