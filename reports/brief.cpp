#include "reports/brief.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/number_text.h"
#include "reports/chain.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

// ---- rows -------------------------------------------------------------------------------------------

std::string asked_in_brief(const Record& record, const Headline& headline) {
  if (headline.control == nullptr) return asked_of(headline);
  const Metric* effect = find_metric(record, headline.control->of);
  if (effect == nullptr) return "control";
  return "± " + significant_text(headline.control->fraction * std::abs(effect->value), 2) + " (control)";
}

std::string variations_in_brief(const Record& record) {
  const auto [told, agree] = agreement(record);
  return told == 0 ? "" : std::to_string(agree) + "/" + std::to_string(told);
}

bool is_unmet(const Finding& check) { return check.outcome != Outcome::pass && check.outcome != Outcome::unjudged; }

/// What decided a fail or an open verdict, unless an unmet check did; of a pass the first criterion.
std::optional<Headline> number_of(const Record& record) {
  if (is_unjudged(record.verdict)) return std::nullopt;
  if (record.verdict != Verdict::pass) {
    const bool unmet = std::ranges::any_of(record.checks, is_unmet);
    return unmet ? std::nullopt : decider(record);
  }
  const auto all = headlines(record);
  const auto judged = std::ranges::find_if(all, [](const Headline& headline) { return headline.criterion != nullptr; });
  return judged == all.end() ? std::nullopt : std::optional(*judged);
}

// ---- the answer in words ----------------------------------------------------------------------------

using Names = std::vector<std::string>;

/// What became of links or arrows, by their names.
struct Tally {
  Names hold, broken, open, untold;
  size_t all() const { return hold.size() + broken.size() + open.size() + untold.size(); }
};

void count(Verdict verdict, const std::string& name, Tally& tally) {
  Names& names = verdict == Verdict::pass           ? tally.hold
                 : verdict == Verdict::fail         ? tally.broken
                 : verdict == Verdict::inconclusive ? tally.open
                                                    : tally.untold;
  names.push_back(name);
}

Tally links(const std::vector<Record>& records) {
  Tally tally;
  for (const ChainLink& link : paper().links) {
    const Record* record = find_record(records, link.claim);
    count(record == nullptr ? Verdict::not_run : outcome_of(*record, link.metric),
          std::to_string(tally.all() + 1) + " (" + link.name + ")", tally);
  }
  return tally;
}

/// Two arrows may have one claim, which counts once.
Tally arrows(const std::vector<Record>& records) {
  Tally tally;
  std::set<std::string> counted;
  for (const ChainArrow& arrow : paper().arrows) {
    if (!counted.insert(arrow.claim).second) continue;
    const Record* record = find_record(records, arrow.claim);
    count(record == nullptr ? Verdict::not_run : record->verdict, arrow.claim, tally);
  }
  return tally;
}

/// "2 (output projection) and 7 (positive key) do not"; nothing of nothing.
void add(Names& parts, const Names& names, const std::string& one, const std::string& several) {
  if (!names.empty()) parts.push_back(enumerate(names) + " " + (names.size() == 1 ? one : several));
}

std::string sentence_of_links(const Tally& tally) {
  Names rest;
  add(rest, tally.broken, "does not", "do not");
  add(rest, tally.open, "is open", "are open");
  add(rest, tally.untold, "was not judged", "were not judged");
  const std::string all = std::to_string(tally.all());
  const std::string start = rest.empty() ? "All " + all + " links of the chain hold"
                                         : std::to_string(tally.hold.size()) + " of the chain's " + all +
                                               (tally.hold.size() == 1 ? " links holds" : " links hold");
  return start + (rest.empty() ? "" : "; " + join(rest, "; ")) + ".";
}

std::string sentence_of_arrows(const Tally& tally) {
  Names parts;
  const auto add_count = [&](const Names& names, const std::string& one, const std::string& several) {
    if (!names.empty()) parts.push_back(std::to_string(names.size()) + " " + (names.size() == 1 ? one : several));
  };
  add_count(tally.hold, "passes", "pass");
  add_count(tally.broken, "fails", "fail");
  add_count(tally.open, "is open", "are open");
  add_count(tally.untold, "was not judged", "were not judged");
  return " Of the " + std::to_string(tally.all()) + " claims that intervene on it, " + enumerate(parts) + ".";
}

bool decides(Verdict verdict) { return verdict == Verdict::pass || verdict == Verdict::fail; }

/// Spikes of further stages at which some claim that was decided is decided the other way.
std::vector<int64_t> spikes_that_differ(const std::vector<Record>& records, Verdict otherwise) {
  std::vector<int64_t> spikes;
  for (const Record& record : records) {
    if (!decides(record.verdict) || record.verdict == otherwise) continue;
    for (const StageFinding& stage : record.stages)
      if (stage.spike > 0 && stage.verdict == otherwise && !std::ranges::count(spikes, stage.spike))
        spikes.push_back(stage.spike);
  }
  std::ranges::sort(spikes);
  return spikes;
}

std::vector<const Record*> claims_that_differ(const std::vector<Record>& records, int64_t spike, Verdict otherwise) {
  std::vector<const Record*> claims;
  for (const Record& record : records) {
    const auto differs = [&](const StageFinding& stage) { return stage.spike == spike && stage.verdict == otherwise; };
    if (!decides(record.verdict) || record.verdict == otherwise) continue;
    if (std::ranges::any_of(record.stages, differs)) claims.push_back(&record);
  }
  return claims;
}

/// " At the spike in layer 12 the verdict is pass for a and b."
Line sentences_of_stages(const std::vector<Record>& records) {
  Line line;
  for (const Verdict otherwise : {Verdict::pass, Verdict::fail}) {
    for (const int64_t spike : spikes_that_differ(records, otherwise)) {
      const auto claims = claims_that_differ(records, spike, otherwise);
      line.push_back(span::text(" At the spike in layer " + std::to_string(spike) + " the verdict is " +
                                to_string(otherwise) + " for "));
      for (size_t i = 0; i < claims.size(); ++i) {
        if (i > 0) line.push_back(span::text(i + 1 == claims.size() ? " and " : ", "));
        line.push_back(span::link(claims[i]->claim, "#" + anchor_of(claims[i]->claim)));
      }
      line.push_back(span::text("."));
    }
  }
  return line;
}

std::string sentence_of_one(const Record& record) {
  return title_of(record) + ": " + to_string(record.verdict) + (record.reason.empty() ? "" : ", " + record.reason) +
         ".";
}

}  // namespace

const std::vector<std::string>& group_titles() {
  static const std::vector<std::string> kTitles = {"Mechanism", "Interventions", "Beyond the paper", "Training",
                                                   "Other claims"};
  return kTitles;
}

std::string group_of(const std::string& claim, ClaimKind kind) {
  const auto& titles = group_titles();
  if (std::ranges::count(paper().beyond, claim) > 0) return titles[2];
  switch (kind) {
    case ClaimKind::mechanism: return titles[0];
    case ClaimKind::intervention: return titles[1];
    case ClaimKind::training: return titles[3];
    case ClaimKind::unknown: break;
  }
  return titles[4];
}

BriefRow brief_row(const Record& record) {
  BriefRow row{&record, "", "", "", variations_in_brief(record)};
  const auto headline = number_of(record);
  if (!headline) return row;
  row.metric = headline->metric->name;
  row.value = shown_value(*headline->metric);
  row.asked = asked_in_brief(record, *headline);
  return row;
}

std::string shown_value(const Metric& metric) {
  return std::isfinite(metric.value) ? format_metric(metric).value : "–";
}

std::optional<Standing> common_standing(const std::vector<Record>& records) {
  std::optional<Standing> common;
  for (const Record& record : records) {
    if (record.criteria.empty() && !record.standing) continue;
    if (!record.standing || (common && common != record.standing)) return std::nullopt;
    common = record.standing;
  }
  return common;
}

std::vector<BriefGroup> brief_groups(const std::vector<Record>& records) {
  std::vector<BriefGroup> groups;
  for (const std::string& title : group_titles()) groups.push_back({title, {}});
  for (const Record& record : records)
    std::ranges::find(groups, group_of(record.claim, record.kind), &BriefGroup::title)
        ->rows.push_back(brief_row(record));
  std::erase_if(groups, [](const BriefGroup& group) { return group.rows.empty(); });
  return groups;
}

Line answer(const std::vector<Record>& records) {
  if (records.size() == 1) return {span::text(sentence_of_one(records.front()))};
  if (!chain_figure(records)) return {};
  Line line = {span::text(sentence_of_links(links(records)))};
  const Tally interventions = arrows(records);
  if (interventions.untold.size() < interventions.all()) line.push_back(span::text(sentence_of_arrows(interventions)));
  append(line, sentences_of_stages(records));
  return line;
}

}  // namespace replicate::report
