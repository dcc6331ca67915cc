#pragma once

// Questions that every reporter asks of records, answered in one place.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

/// The metric that judging used: the first one with this name, of a claim that is bound to a spike at the judged stage.
/// Null when there is none.
const Metric* find_metric(const Record& record, const std::string& name);

/// The series a plot curve names; an empty `inputs` takes the first of that name. Null when there
/// is none.
const Series* find_series(const Record& record, const PanelCurve& curve);

/// A metric of a variation: its name ends in the variation's suffix.
bool is_of_variation(const Record& record, const Metric& metric);

/// How many variations come to a verdict that agrees or does not, and how many of them agree.
struct Agreement {
  size_t told = 0, agree = 0;
};
Agreement agreement(const Record& record);

/// "4 of 6 variations agree", or nothing without variations. It stands wherever the verdict stands.
std::string variation_note(const Record& record);

/// "calibrated, supports", or nothing where a record says neither.
std::string bearing_note(const Record& record);

/// "supports 4, contradicts 3, silent 9 (6 inconclusive, 3 by arithmetic); confirmatory 0", or nothing where all
/// records are of edition 1.
std::string evidence_note(const std::vector<Record>& records);

/// One finding of the summary table: a judged metric and the criterion it met or did not, or the control it is.
struct Headline {
  const Metric* metric = nullptr;
  const Finding* criterion = nullptr;  ///< null when the claim has no criteria
  const ControlFinding* control = nullptr;
};
/// The first three criteria's metrics, or the first metric of a claim without criteria, and what decided the verdict
/// where that is none of these.
std::vector<Headline> headlines(const Record& record);

/// The first criterion, else control, that made a verdict `fail` or `inconclusive`; nothing for other verdicts and for
/// those that neither made.
std::optional<Headline> decider(const Record& record);

/// The claim's number of this name with what is asked of it; its first headline where it lacks that one.
Headline headline_of(const Record& record, const std::string& name);

/// What became of that number: the outcome of the claim's criterion on it, and the claim's verdict where it has none or
/// nothing was judged.
Verdict outcome_of(const Record& record, const std::string& name);

/// "≥ 0.2", "control, within ± 0.5 × excess_attention", or nothing.
std::string asked_of(const Headline& headline);

/// configs/models lists this very verdict for this model: an expected result.
bool is_known(const Record& record);

/// The verdict contradicts the listed one: passes where another was known, or fails where a pass
/// was. `inconclusive`, `skipped` and `error` say nothing against a known verdict.
bool departs(const Record& record);

/// "Registered on 2026-12-31 as version 2.", with what differs in this run; empty where no definition is registered.
std::string registration_note(const Record& record);

/// The claim is judged by other thresholds than when it was last recorded (configs/known.yaml).
bool thresholds_changed(const Record& record);

/// "as recorded", "on record: pass" (when it departs from that), or nothing.
std::string known_note(const Record& record);

struct Counts {
  std::map<Verdict, size_t> by_verdict;  ///< every verdict has an entry
  size_t known_failures = 0, departures = 0;
};
Counts count_verdicts(const std::vector<Record>& records);
std::string describe(const Counts& counts);  ///< "2 pass, 1 fail (1 as recorded), 1 skipped"

/// Part of the claim holds by arithmetic, in any weights.
bool has_dagger(const Record& record);

/// " †" for a claim that has one.
std::string dagger_after_title(const Record& record);

std::string figures_text(const PaperReference& paper);  ///< "figures 3 and 18", or nothing

/// The different values of one field over all records, in order of appearance; empty ones left out.
std::vector<std::string> distinct(const std::vector<Record>& records,
                                  const std::function<std::string(const Record&)>& field);

/// The claim's title, or its id where it has none.
std::string title_of(const Record& record);

/// How a verdict or outcome looks. Shape, word and colour each carry it alone.
struct Look {
  std::string sign;  ///< a character for plain text
  std::string icon;  ///< id of the HTML report's icon, and its CSS class
};
Look look_of(const std::string& verdict_or_outcome);
inline constexpr Verdict kVerdicts[] = {Verdict::pass,           Verdict::fail,    Verdict::inconclusive,
                                        Verdict::not_applicable, Verdict::not_run, Verdict::descriptive,
                                        Verdict::error,          Verdict::skipped};

/// Neither pass, fail nor inconclusive: nothing was judged.
bool is_unjudged(Verdict verdict);

}  // namespace replicate::report
