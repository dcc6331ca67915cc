#include "harness/record/settings/settings.h"

#include <algorithm>
#include <cstdio>
#include <regex>
#include <set>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/text_file.h"
#include "base/yaml.h"
#include "harness/record/registration.h"
#include "harness/record/settings/model_path.h"
#include "harness/record/settings/parameter_table.h"
#include "models/formats/description.h"

namespace replicate {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDefaultProfile = "cpu";
constexpr const char* kSurveySchema = "{sequences: 8, length: 128}";
constexpr const char* kCommandLineSource = "--set on the command line";
constexpr const char* kDefaultCalibration =
    "this project had not measured the model when it chose the thresholds; no definition is registered yet, so the "
    "verdict "
    "confirms nothing";
constexpr const char* kUnknownTraining = "no definition is registered yet, so the verdict confirms nothing";
constexpr const char* kKnownModel =
    "numbers of this model, or of one of its shape, were known when the thresholds were chosen, so the verdict "
    "describes the "
    "model and tests nothing";
constexpr const char* kOverriddenCalibration = "a threshold was changed on the command line";
constexpr int64_t kMostResamples = 1000000;
constexpr size_t kLongestPattern = 500;
constexpr int64_t kDtypeSequences = 8;

/// One run's settings while they are being merged; parameters are still tables.
struct ClaimDraft {
  ClaimSettings settings;
  ParameterTable parameters;
  std::optional<Yaml> arms, sweep;
  std::string file;
};

struct Draft {
  Settings settings;
  ParameterTable survey{Yaml::parse(kSurveySchema, "the survey's defaults")};
  ParameterTable training;
  std::string model;  ///< named by the profile
  std::vector<ClaimDraft> claims;
};

// ---- folders ----------------------------------------------------------------------------------------

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  if (error) {
    throw Error("cannot read the settings: " + error.message(), folder.string(),
                "run from a complete copy of the project");
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Yaml read_named(const fs::path& folder, const std::string& kind, const std::string& name) {
  const std::vector<std::string> names = names_in(folder);
  if (!contains(names, name)) {
    throw Error("unknown " + kind + " " + in_quotes(name), folder.string(), did_you_mean(name, names));
  }
  return Yaml::read(folder / (name + ".yaml"));
}

void check_name(const Yaml& yaml, const std::string& key, const std::string& stem) {
  const Yaml name = yaml.at(key);
  if (name.text() != stem) name.fail("is not the file's name", "write " + key + ": " + stem);
}

// ---- claims -----------------------------------------------------------------------------------------

std::string filled_text(const Yaml& yaml) {
  const std::string text = yaml.text();
  if (text.empty()) yaml.fail("is empty", "say it in a few words");
  return text;
}

std::string one_of(const Yaml& yaml, const std::vector<std::string>& words) {
  const std::string text = yaml.text();
  if (!contains(words, text)) yaml.fail("is " + in_quotes(text), did_you_mean(text, words));
  return text;
}

template <typename Read>
auto read_list(const Yaml& yaml, const std::string& key, Read read) {
  std::vector<decltype(read(yaml))> items;
  const auto list = yaml.find(key);
  if (!list) return items;
  for (const Yaml& item : list->items()) items.push_back(read(item));
  return items;
}

Criterion criterion_of(const Yaml& yaml) {
  return {filled_text(yaml.at("metric")),
          one_of(yaml.at("op"), {">", ">=", "<", "<="}),
          yaml.at("threshold").real(),
          filled_text(yaml.at("source")),
          {}};
}

Criterion read_criterion(const Yaml& yaml) {
  yaml.allow({"metric", "op", "threshold", "source"});
  return criterion_of(yaml);
}

Prediction read_prediction(const Yaml& yaml) {
  yaml.allow({"question", "account", "metric", "op", "threshold", "source"});
  return {filled_text(yaml.at("question")), filled_text(yaml.at("account")), criterion_of(yaml)};
}

double read_fraction(const Yaml& yaml) {
  const double fraction = yaml.real();
  if (fraction <= 0) yaml.fail("is not above 0", "give the share of the effect that is too much");
  return fraction;
}

Control read_control(const Yaml& yaml) {
  yaml.allow({"metric", "of", "fraction", "source"});
  return {filled_text(yaml.at("metric")),
          filled_text(yaml.at("of")),
          read_fraction(yaml.at("fraction")),
          filled_text(yaml.at("source")),
          {}};
}

PanelCurve read_curve(const Yaml& yaml) {
  yaml.allow({"series", "inputs", "label"});
  return {filled_text(yaml.at("series")), yaml.text_or("inputs", {}), filled_text(yaml.at("label"))};
}

std::pair<std::string, double> read_threshold(const Yaml& yaml) {
  yaml.allow({"label", "value"});
  return {filled_text(yaml.at("label")), yaml.at("value").real()};
}

Panel read_panel(const Yaml& yaml) {
  yaml.allow({"title", "x", "y", "log_x", "log_y", "curves", "thresholds"});
  Panel panel;
  panel.title = filled_text(yaml.at("title"));
  panel.x = filled_text(yaml.at("x"));
  panel.y = filled_text(yaml.at("y"));
  panel.log_x = yaml.flag_or("log_x", false);
  panel.log_y = yaml.flag_or("log_y", false);
  panel.curves = read_list(yaml, "curves", read_curve);
  panel.thresholds = read_list(yaml, "thresholds", read_threshold);
  if (panel.curves.empty()) yaml.fail("has no curves", "name one series at least");
  return panel;
}

PaperReference read_paper(const Yaml& yaml) {
  const Yaml paper = yaml.at("paper");
  paper.allow({"figures", "expected"});
  return {paper.at("figures").texts(), filled_text(yaml.at("statement")), filled_text(paper.at("expected"))};
}

/// Two criteria may bound one metric from both sides; the same line twice is a slip.
void check_distinct(const Yaml& yaml, const Judging& judging) {
  std::set<std::string> seen;
  for (const Criterion& criterion : judging.criteria) {
    if (seen.insert(criterion.metric + " " + criterion.op).second) continue;
    yaml.fail("has two criteria " + criterion.metric + " " + criterion.op, "keep one of the two");
  }
  for (const Control& control : judging.controls) {
    if (seen.insert(control.metric + " of " + control.of).second) continue;
    yaml.fail("has two controls " + control.metric + " of " + control.of, "keep one of the two");
  }
}

Judging read_judging(const Yaml& yaml) {
  Judging judging;
  judging.kind = one_of(yaml.at("kind"), {"mechanism", "intervention", "training"});
  judging.criteria = read_list(yaml, "criteria", read_criterion);
  judging.controls = read_list(yaml, "controls", read_control);
  judging.rivals = read_list(yaml, "rivals", read_prediction);
  judging.minimum_n = yaml.integer_or("minimum_n", judging.minimum_n, 2, kMostResamples);
  if (const auto scale = yaml.find("minimum_scale")) {
    for (const auto& [metric, least] : scale->entries()) {
      judging.minimum_scale.emplace_back(metric, least.real());
    }
  }
  check_distinct(yaml, judging);
  return judging;
}

/// "target: 5, natural.length: 64"
std::string changes_text(const ParameterTable& changed, const ParameterTable& plain, const SweepSettings& point) {
  std::vector<std::string> changes;
  if (point.bos) changes.push_back(std::string("bos: ") + (*point.bos ? "on" : "off"));
  if (point.seed) changes.push_back("seed: " + std::to_string(*point.seed));
  for (const Parameter& parameter : changed.parameters()) {
    if (parameter.values == plain.find(parameter.key)->values) continue;
    std::string values;
    for (const std::string& value : parameter.values) values += (values.empty() ? "" : " ") + value;
    changes.push_back(parameter.key + ": " + (parameter.list ? "[" + values + "]" : values));
  }
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : ", ") + change;
  return text;
}

/// Not more judged sequences than the profile grants a sweep point.
void limit_sequences(ParameterTable& parameters, int64_t most, const Yaml& yaml) {
  const Parameter* judged_on = parameters.find("judged_on");
  const std::string key = (judged_on ? judged_on->values.front() : "natural") + ".sequences";
  const Parameter* sequences = parameters.find(key);
  if (!sequences) yaml.fail("cannot be sized", "give the claim's parameters " + key);
  if (as_integer(sequences->values.front()).value_or(0) <= most) return;
  parameters.set(key, Yaml::parse(std::to_string(most), "sweep_sequences", key));
}

/// One point of the claim's sweep: what all points change, then its own changes.
SweepSettings read_sweep_point(const ClaimDraft& claim, const std::string& suffix, const Yaml& changes,
                               int64_t most_sequences) {
  if (claim.parameters.find(suffix + ".sequences")) {
    changes.fail("has the name of a condition", "call the sweep point otherwise");
  }
  SweepSettings point;
  point.suffix = suffix;
  ParameterTable common = claim.parameters;
  if (const auto each = claim.sweep->find("each")) common.merge(*each);
  limit_sequences(common, most_sequences, changes);
  ParameterTable own = common;
  for (const auto& [key, value] : changes.entries()) {
    if (key == "bos") {
      point.bos = value.flag();
    } else if (key == "seed") {
      point.seed = value.natural();
    } else {
      own.set(key, value);
    }
  }
  point.changes = changes_text(own, common, point);
  point.parameters = Parameters(own, claim.file);
  return point;
}

/// The claim's `sweep: {each: {...}, points: {k5: {target: 5}, bos: {bos: on}}}`.
std::vector<SweepSettings> read_sweep(const ClaimDraft& claim, int64_t most_sequences) {
  std::vector<SweepSettings> points;
  if (!claim.sweep || most_sequences == 0) return points;
  claim.sweep->allow({"each", "points"});
  for (const auto& [suffix, changes] : claim.sweep->at("points").entries()) {
    points.push_back(read_sweep_point(claim, suffix, changes, most_sequences));
  }
  return points;
}

bool trains(const ClaimDraft& claim) { return claim.settings.judging.kind == "training"; }

ClaimDraft read_claim(const fs::path& file) {
  const Yaml yaml = Yaml::read(file);
  yaml.allow({"id", "title", "kind", "statement", "calibration", "arithmetic", "arms", "paper", "parameters", "sweep",
              "minimum_n", "minimum_scale", "criteria", "controls", "rivals", "panels", "notes", "otherwise",
              "deviations"});
  check_name(yaml, "id", file.stem().string());
  ClaimDraft draft;
  draft.file = file.string();
  draft.settings.id = yaml.at("id").text();
  draft.settings.title = filled_text(yaml.at("title"));
  draft.settings.calibration = yaml.text_or("calibration", trains(draft) ? kUnknownTraining : kDefaultCalibration);
  draft.settings.paper = read_paper(yaml);
  draft.settings.judging = read_judging(yaml);
  draft.settings.panels = read_list(yaml, "panels", read_panel);
  draft.settings.notes = read_list(yaml, "notes", filled_text);
  draft.settings.arithmetic = yaml.text_or("arithmetic", {});
  draft.settings.otherwise = yaml.text_or("otherwise", {});
  draft.settings.deviations = read_list(yaml, "deviations", filled_text);
  if (const auto parameters = yaml.find("parameters")) draft.parameters = ParameterTable(*parameters);
  draft.arms = trains(draft) ? yaml.at("arms") : yaml.find("arms");
  if (draft.arms && !trains(draft)) draft.arms->fail("is for claims of kind training", "remove it");
  draft.sweep = yaml.find("sweep");
  (void)read_sweep(draft, 1);  // what is wrong with it shows in `validate`
  return draft;
}

/// Claims without a figure stand last.
int64_t first_figure(const ClaimDraft& claim) {
  int64_t first = INT64_MAX;
  for (const std::string& figure : claim.settings.paper.figures) {
    first = std::min(first, as_integer(figure).value_or(INT64_MAX));
  }
  return first;
}

void sort_as_in_paper(std::vector<ClaimDraft>& claims) {
  std::stable_sort(claims.begin(), claims.end(),
                   [](const ClaimDraft& a, const ClaimDraft& b) { return first_figure(a) < first_figure(b); });
}

std::vector<ClaimDraft> read_claims(const fs::path& configs) {
  std::vector<ClaimDraft> claims;
  const fs::path folder = configs / "claims";
  for (const std::string& name : names_in(folder)) {
    claims.push_back(read_claim(folder / (name + ".yaml")));
  }
  sort_as_in_paper(claims);
  return claims;
}

std::vector<std::string> ids(const std::vector<ClaimDraft>& claims) {
  std::vector<std::string> ids;
  for (const ClaimDraft& claim : claims) ids.push_back(claim.settings.id);
  return ids;
}

/// What the claims of kind training train: the schema and its defaults stand in a file of their own.
ParameterTable read_training(const fs::path& configs) {
  const fs::path file = configs / "training.yaml";
  return fs::exists(file) ? ParameterTable(Yaml::read(file)) : ParameterTable();
}

/// Arms that training.yaml gives no seeds could never be trained.
void read_arms(const ParameterTable& training, std::vector<ClaimDraft>& claims) {
  constexpr std::string_view kSeeds = "seeds.";
  std::vector<std::string> known;
  for (const std::string& key : training.keys()) {
    if (key.starts_with(kSeeds)) known.push_back(key.substr(kSeeds.size()));
  }
  for (ClaimDraft& claim : claims) {
    if (!claim.arms) continue;
    claim.settings.arms = claim.arms->texts();
    for (const std::string& arm : claim.settings.arms) {
      if (!contains(known, arm)) claim.arms->fail("names an unknown arm " + in_quotes(arm), did_you_mean(arm, known));
    }
  }
}

ClaimDraft* find_claim(Draft& draft, const std::string& id) {
  for (ClaimDraft& claim : draft.claims) {
    if (claim.settings.id == id) return &claim;
  }
  return nullptr;
}

ClaimDraft& known_claim(Draft& draft, const std::string& id, const Yaml& yaml) {
  if (ClaimDraft* claim = find_claim(draft, id)) return *claim;
  throw Error("unknown claim " + in_quotes(id), yaml.where(), did_you_mean(id, ids(draft.claims)));
}

// ---- what changes claims ----------------------------------------------------------------------------

void set_run_number(Settings& settings, const std::string& key, const Yaml& value) {
  if (key == "seed") settings.seed = value.natural();
  if (key == "bootstrap_resamples") settings.bootstrap_resamples = value.integer(10, kMostResamples);
  if (key == "batch_tokens") settings.batch_tokens = value.integer(0, INT32_MAX);
  if (key == "sweep_sequences") settings.sweep_sequences = value.integer(0, INT32_MAX);
}

const std::vector<std::string> kRunNumbers = {"seed", "bootstrap_resamples", "batch_tokens", "sweep_sequences"};

/// The list of a profile is about the models that it trains, that of a model's file about that model.
void apply_known_verdicts(Draft& draft, const Yaml& yaml, bool of_training) {
  read_list(yaml, "known_verdicts", [&](const Yaml& entry) {
    entry.allow({"claim", "verdict", "why", "since"});
    ClaimDraft& claim = known_claim(draft, filled_text(entry.at("claim")), entry);
    if (trains(claim) != of_training) {
      entry.at("claim").fail(
          trains(claim) ? "names a claim that trains its own models" : "names a claim about one model",
          of_training ? "list it in the model's file" : "list it in a profile");
    }
    const std::string verdict = one_of(entry.at("verdict"), {"pass", "fail", "inconclusive", "skipped", "error"});
    claim.settings.known = {verdict_from_string(verdict), filled_text(entry.at("why")), filled_text(entry.at("since"))};
    return 0;
  });
}

/// What was known when thresholds were chosen: of a model, for the claims about one; of what a profile trains, for the
/// others.
void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim) != of_training) continue;
    claim.settings.calibration = text;
    claim.settings.calibrated = calibrated;
  }
}

void apply_profile(Draft& draft, const Yaml& yaml, const std::string& name) {
  yaml.allow({"name", "description", "caution", "calibration", "model", "seed", "bootstrap_resamples", "batch_tokens",
              "sweep_sequences", "survey", "training", "known_verdicts", "claims"});
  check_name(yaml, "name", name);
  draft.settings.profile = name;
  draft.settings.caution = yaml.text_or("caution", {});
  draft.model = filled_text(yaml.at("model"));
  for (const std::string& key : kRunNumbers) {
    if (const auto value = yaml.find(key)) set_run_number(draft.settings, key, *value);
  }
  if (const auto survey = yaml.find("survey")) draft.survey.merge(*survey);
  if (const auto training = yaml.find("training")) draft.training.merge(*training);
  if (const auto known = yaml.find("calibration")) set_calibration(draft, true, filled_text(*known), true);
  apply_known_verdicts(draft, yaml, true);
  const auto claims = yaml.find("claims");
  if (!claims) return;
  for (const auto& [id, parameters] : claims->entries()) {
    known_claim(draft, id, parameters).parameters.merge(parameters);
  }
}

/// The entry on `metric` of a claim's criteria or controls, which must be the only one.
template <typename Entry>
Entry& entry_on(std::vector<Entry>& entries, const std::string& metric, const Yaml& yaml) {
  std::vector<std::string> metrics;
  for (const Entry& entry : entries) metrics.push_back(entry.metric);
  const auto count = std::count(metrics.begin(), metrics.end(), metric);
  if (count > 1) yaml.fail("could mean either of two thresholds", "change the claim's YAML instead");
  if (count == 0) {
    throw Error("no criterion or control on " + in_quotes(metric), yaml.where(), did_you_mean(metric, metrics));
  }
  return entries[std::find(metrics.begin(), metrics.end(), metric) - metrics.begin()];
}

void set_threshold(Criterion& criterion, const Yaml& value, const std::string& source) {
  criterion.threshold = value.real();
  criterion.source = source;
}

void set_fraction(Control& control, const Yaml& value, const std::string& source) {
  control.fraction = read_fraction(value);
  control.source = source;
}

/// With an op, a criterion of the model's own; without, another threshold for one of the claim's.
void apply_model_criterion(Judging& judging, const Yaml& entry) {
  if (entry.has("op")) {
    judging.criteria.push_back(read_criterion(entry));
    return;
  }
  entry.allow({"metric", "threshold", "source"});
  set_threshold(entry_on(judging.criteria, entry.at("metric").text(), entry), entry.at("threshold"),
                filled_text(entry.at("source")));
}

void apply_model_claim(ClaimDraft& claim, const Yaml& yaml) {
  yaml.allow({"parameters", "criteria", "controls", "calibration"});
  Judging& judging = claim.settings.judging;
  claim.settings.calibration = yaml.text_or("calibration", claim.settings.calibration);
  if (const auto parameters = yaml.find("parameters")) claim.parameters.merge(*parameters);
  read_list(yaml, "criteria", [&](const Yaml& entry) {
    apply_model_criterion(judging, entry);
    return 0;
  });
  check_distinct(yaml, judging);
  read_list(yaml, "controls", [&](const Yaml& entry) {
    entry.allow({"metric", "fraction", "source"});
    set_fraction(entry_on(judging.controls, entry.at("metric").text(), entry), entry.at("fraction"),
                 filled_text(entry.at("source")));
    return 0;
  });
}

// ---- models -----------------------------------------------------------------------------------------

std::string read_sha256(const Yaml& yaml) {
  const std::string text = yaml.text();
  const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (text.size() != 64 || !hex) yaml.fail("is no sha256", "give 64 lower-case hexadecimal digits");
  return text;
}

using Numbers = std::vector<std::pair<std::string, int64_t ModelConfig::*>>;

const Numbers kShape = {{"layers", &ModelConfig::layers},
                        {"width", &ModelConfig::width},
                        {"heads", &ModelConfig::heads},
                        {"hidden", &ModelConfig::hidden},
                        {"vocabulary", &ModelConfig::vocabulary}};

/// Reads every number, so that one that is missing shows whatever the others are.
bool agrees(const ModelConfig& model, const Yaml& yaml, const Numbers& numbers) {
  bool same = true;
  for (const auto& [key, member] : numbers) same = yaml.at(key).integer() == model.*member && same;
  return same;
}

/// Models of one shape are taken for relatives: fine-tuned or re-initialised weights, another file type.
bool has_shape(const ModelConfig& model, const Yaml& shape) {
  shape.allow({"layers", "width", "heads", "hidden", "vocabulary"});
  return agrees(model, shape, kShape);
}

/// A model whose weights do not come with this project is known by its shape and two numbers more.
bool has_identity(const ModelConfig& model, const Yaml& identity) {
  identity.allow({"architecture", "layers", "width", "heads", "kv_heads", "hidden", "vocabulary", "context"});
  const bool same = agrees(model, identity, kShape) &
                    agrees(model, identity, {{"kv_heads", &ModelConfig::kv_heads}, {"context", &ModelConfig::context}});
  return identity.at("architecture").text() == model.architecture && same;
}

ModelSettings read_model(const Yaml& yaml, const std::string& name, const fs::path& assets) {
  yaml.allow({"name", "description", "file", "identity", "shape", "sha256", "licence", "consent", "source", "bos",
              "reinitialised", "calibration", "known_verdicts", "claims"});
  check_name(yaml, "name", name);
  ModelSettings model;
  model.name = name;
  if (const auto identity = yaml.find("identity")) {
    (void)has_identity({}, *identity);  // what is wrong with it shows in `validate`
  } else {
    model.file = assets / filled_text(yaml.at("file"));
  }
  if (const auto shape = yaml.find("shape")) (void)has_shape({}, *shape);
  model.reinitialised = yaml.flag_or("reinitialised", false);
  if (const auto sha256 = yaml.find("sha256")) model.sha256 = read_sha256(*sha256);
  if (const auto bos = yaml.find("bos")) model.bos = bos->flag();
  model.licence = yaml.text_or("licence", {});
  model.consent = yaml.text_or("consent", {});
  model.source = yaml.text_or("source", {});
  return model;
}

void apply_model(Draft& draft, const Yaml& yaml, const std::string& name, const fs::path& assets) {
  draft.settings.model = read_model(yaml, name, assets);
  apply_known_verdicts(draft, yaml, false);
  if (const auto known = yaml.find("calibration")) set_calibration(draft, false, filled_text(*known), false);
  if (yaml.has("shape")) set_calibration(draft, false, kKnownModel, true);
  const auto claims = yaml.find("claims");
  if (!claims) return;
  for (const auto& [id, changes] : claims->entries()) {
    apply_model_claim(known_claim(draft, id, changes), changes);
  }
}

bool looks_like_path(const std::string& text) {
  return text.find('/') != std::string::npos || fs::path(text).extension() == ".gguf";
}

void require_consent(const ModelSettings& model, const std::vector<std::string>& accepted) {
  if (model.consent.empty() || contains(accepted, model.consent)) return;
  throw Error("the model " + model.name + " comes under its own licence: " + model.licence, "--model " + model.name,
              "read it, then add --accept-licence " + model.consent);
}

/// Nothing where the model cannot be read: whoever opens it says why.
std::optional<ModelConfig> config_of(const fs::path& model) {
  try {
    return describe_model(model).config;
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The file in `folder` whose entry under `key` a model has.
std::optional<std::string> file_of(const std::optional<ModelConfig>& config, const fs::path& folder,
                                   const std::string& key, bool (*has)(const ModelConfig&, const Yaml&)) {
  if (!config) return std::nullopt;
  for (const auto& name : names_in(folder)) {
    const auto entry = Yaml::read(folder / (name + ".yaml")).find(key);
    if (entry && has(*config, *entry)) return name;
  }
  return std::nullopt;
}

void note_everywhere(Draft& draft, const std::string& note) {
  for (ClaimDraft& claim : draft.claims) {
    if (!trains(claim)) claim.settings.notes.push_back(note);
  }
}

/// A path: judged as the model that it is by its shape, or by this project's thresholds alone.
void choose_path(Draft& draft, const std::string& path, const fs::path& folder, const fs::path& assets) {
  auto model = model_from_path(path);
  const auto config = config_of(model.file);
  if (file_of(config, folder, "shape", has_shape)) set_calibration(draft, false, kKnownModel, true);
  if (const auto known = file_of(config, folder, "identity", has_identity)) {
    apply_model(draft, Yaml::read(folder / (*known + ".yaml")), *known, assets);
    model.judged_as = *known;
    model.bos = draft.settings.model.bos;
    note_everywhere(
        draft, "The model has the shape of " + *known + " and is judged by configs/models/" + *known +
                   ".yaml: the paper's own numbers are among the thresholds. A fine-tuned model has that shape, too.");
  } else {
    note_everywhere(draft,
                    "The paper's own numbers are of Llama-2-7B and Llama-3-8B. This is another model: it is judged by "
                    "this project's thresholds alone.");
  }
  draft.settings.model = std::move(model);
}

void choose_model(Draft& draft, const std::string& model, const SettingsRequest& request) {
  const fs::path folder = request.configs / "models";
  const bool named = contains(names_in(folder), model);
  if (!named && (looks_like_path(model) || is_there(model))) {
    return choose_path(draft, model, folder, request.assets);
  }
  apply_model(draft, read_named(folder, "model", model), model, request.assets);
  if (draft.settings.model.file.empty()) {
    throw Error("the weights of " + model + " do not come with this project", "--model " + model,
                "name their folder or file with --model PATH; its shape tells which model it is");
  }
  require_consent(draft.settings.model, request.accepted_licences);
}

// ---- --set ------------------------------------------------------------------------------------------

/// Every key that --set knows, for suggestions.
std::vector<std::string> all_keys(const Draft& draft) {
  std::vector<std::string> keys = kRunNumbers;
  for (const std::string& key : draft.survey.keys()) keys.push_back("survey." + key);
  for (const std::string& key : draft.training.keys()) keys.push_back("training." + key);
  for (const ClaimDraft& claim : draft.claims) {
    const std::string prefix = "claims." + claim.settings.id + ".";
    for (const std::string& key : claim.parameters.keys()) keys.push_back(prefix + key);
    for (const Criterion& criterion : claim.settings.judging.criteria) {
      keys.push_back(prefix + "criteria." + criterion.metric + ".threshold");
    }
    for (const Control& control : claim.settings.judging.controls) {
      keys.push_back(prefix + "controls." + control.metric + ".fraction");
    }
  }
  return keys;
}

/// The middle of `text` when it starts and ends as given.
std::optional<std::string> between(const std::string& text, const std::string& start, const std::string& end) {
  const bool fits = text.size() > start.size() + end.size() && text.starts_with(start) && text.ends_with(end);
  if (!fits) return std::nullopt;
  return text.substr(start.size(), text.size() - start.size() - end.size());
}

void override_claim(ClaimDraft& claim, const std::string& key, const Yaml& value) {
  Judging& judging = claim.settings.judging;
  if (const auto criterion = between(key, "criteria.", ".threshold")) {
    set_threshold(entry_on(judging.criteria, *criterion, value), value, kCommandLineSource);
    claim.settings.calibration = kOverriddenCalibration;
  } else if (const auto control = between(key, "controls.", ".fraction")) {
    set_fraction(entry_on(judging.controls, *control, value), value, kCommandLineSource);
    claim.settings.calibration = kOverriddenCalibration;
  } else {
    claim.parameters.set(key, value);
  }
}

/// Other models than the profile's, of which nothing is known.
void forget_training(Draft& draft) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim)) claim.settings.known.reset();
  }
  set_calibration(draft, true, kUnknownTraining, false);
}

void override_training(Draft& draft, const std::string& key, const Yaml& value) {
  draft.training.set(key, value);
  forget_training(draft);
}

void apply_override(Draft& draft, const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals), place = "--set " + text;
  if (equals == std::string::npos || equals + 1 == text.size()) {
    throw Error("no value for " + in_quotes(key), place, "write --set key=value");
  }
  const std::vector<std::string> keys = all_keys(draft);
  if (!contains(keys, key)) {
    throw Error("unknown key " + in_quotes(key), place, did_you_mean(key, keys));
  }
  const Yaml value = Yaml::parse(text.substr(equals + 1), place, key);
  if (contains(kRunNumbers, key)) return set_run_number(draft.settings, key, value);
  if (const auto survey_key = between(key, "survey.", "")) return draft.survey.set(*survey_key, value);
  if (const auto training_key = between(key, "training.", "")) return override_training(draft, *training_key, value);
  const std::string inner = key.substr(std::string("claims.").size());
  const size_t dot = inner.find('.');
  override_claim(*find_claim(draft, inner.substr(0, dot)), inner.substr(dot + 1), value);
}

// ---- a recorded run ---------------------------------------------------------------------------------

constexpr const char* kConfigFile = "config.yaml";

/// Parameters that are no more, or that have come since, are an Error or keep today's value.
void apply_recorded(Draft& draft, const Yaml& yaml) {
  for (const std::string& key : kRunNumbers) set_run_number(draft.settings, key, yaml.at(key));
  draft.settings.dtype = yaml.text_or("dtype", draft.settings.dtype);
  draft.survey.merge(yaml.at("survey"));
  const auto of_the_profile = draft.training.yaml(0);
  if (const auto training = yaml.find("training"); training && training->is_mapping()) draft.training.merge(*training);
  if (draft.training.yaml(0) != of_the_profile) forget_training(draft);
  for (const auto& [id, claim] : yaml.at("claims").entries()) {
    if (const auto parameters = claim.find("parameters"); parameters && parameters->is_mapping()) {
      known_claim(draft, id, claim).parameters.merge(*parameters);
    }
  }
}

// ---- --only -----------------------------------------------------------------------------------------

std::regex pattern(const std::string& only) {
  try {
    if (only.size() > kLongestPattern) throw std::regex_error(std::regex_constants::error_space);
    return std::regex(only);
  } catch (const std::regex_error& error) {
    throw Error("not a regular expression: " + in_quotes(only), "--only", "name a claim or a part of its id");
  }
}

/// An id names that claim alone, though it may be a part of another id; all else is searched for.
void select(std::vector<ClaimDraft>& claims, const std::string& only) {
  if (only.empty()) return;
  const std::vector<std::string> known = ids(claims);
  const bool exact = contains(known, only);
  const std::regex wanted = pattern(only);
  std::erase_if(claims, [&](const ClaimDraft& claim) {
    return exact ? claim.settings.id != only : !std::regex_search(claim.settings.id, wanted);
  });
  if (claims.empty()) {
    throw Error("no claim matches " + in_quotes(only), "--only", did_you_mean(only, known));
  }
}

std::string known_dtype(const std::string& name) {
  const std::vector<std::string> known = {"float32", "bfloat16", "float16"};
  if (!contains(known, name))
    throw Error("unknown type of numbers " + in_quotes(name), "--dtype", did_you_mean(name, known));
  return name;
}

/// Nothing: up to the model.
std::optional<bool> known_bos(const std::string& name) {
  const std::vector<std::string> known = {"on", "off", "auto"};
  if (!contains(known, name)) throw Error("unknown use of BOS " + in_quotes(name), "--bos", "give on, off or auto");
  return name == "auto" ? std::nullopt : std::optional(name == "on");
}

/// The claim as it is, on few sequences.
std::optional<SweepSettings> dtype_check(const ClaimDraft& claim) {
  if (trains(claim)) return std::nullopt;
  ParameterTable few = claim.parameters;
  limit_sequences(few, kDtypeSequences, Yaml::parse(std::to_string(kDtypeSequences), "--dtype", "sequences"));
  SweepSettings check;
  check.suffix = "dtype";
  check.parameters = Parameters(few, claim.file);
  return check;
}

Settings finish(Draft draft) {
  Settings settings = std::move(draft.settings);
  settings.survey = Parameters(draft.survey, "survey");
  settings.training = Parameters(draft.training, "training");
  for (ClaimDraft& claim : draft.claims) {
    claim.settings.parameters = Parameters(claim.parameters, claim.file);
    claim.settings.sweep = read_sweep(claim, settings.sweep_sequences);
    if (settings.dtype != "float32") claim.settings.dtype_check = dtype_check(claim);
    settings.claims.push_back(std::move(claim.settings));
  }
  return settings;
}

// ---- config.yaml ------------------------------------------------------------------------------------

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  // The shortest of the two that means the same number.
  char brief[32];
  std::snprintf(brief, sizeof brief, "%.15g", value);
  return as_real(brief) == value ? brief : text;
}

std::string indented(const std::string& text, const std::string& indent) {
  std::string result;
  for (size_t first = 0; first < text.size();) {
    const size_t last = std::min(text.find('\n', first), text.size() - 1) + 1;
    result += indent + text.substr(first, last - first);
    first = last;
  }
  return result;
}

std::string model_yaml(const ModelSettings& model) {
  std::string text = "model:\n  name: " + yaml_quoted(model.name) + "\n";
  text += "  file: " + yaml_quoted(model.file.filename().string()) + "\n";
  if (model.from_path) text += "  path: " + yaml_quoted(fs::absolute(model.file).lexically_normal().string()) + "\n";
  if (model.sha256) text += "  sha256: " + *model.sha256 + "\n";
  if (!model.judged_as.empty()) text += "  judged_as: " + yaml_quoted(model.judged_as) + "\n";
  text += std::string("  bos: ") + (!model.bos ? "auto" : *model.bos ? "on" : "off") + "\n";
  return text + "  reinitialised: " + (model.reinitialised ? "true" : "false") + "\n";
}

std::string sweep_yaml(const ClaimSettings& claim) {
  std::string text = claim.sweep.empty() ? "" : "    sweep:\n";
  for (const SweepSettings& point : claim.sweep) {
    text += "      " + point.suffix + ": " + yaml_quoted(point.changes) + "\n";
  }
  return text;
}

std::string claim_yaml(const ClaimSettings& claim) {
  std::string text = "  " + claim.id + ":\n    parameters:\n";
  text += indented(claim.parameters.yaml(), "      ") + sweep_yaml(claim) + "    criteria:\n";
  for (const Criterion& c : claim.judging.criteria) {
    text += "      - {metric: " + c.metric + ", op: \"" + c.op + "\", threshold: " + number_text(c.threshold) +
            ", source: " + yaml_quoted(c.source) + "}\n";
  }
  text += "    controls:\n";
  for (const Control& c : claim.judging.controls) {
    text += "      - {metric: " + c.metric + ", of: " + c.of + ", fraction: " + number_text(c.fraction) +
            ", source: " + yaml_quoted(c.source) + "}\n";
  }
  return text;
}

// ---- validation -------------------------------------------------------------------------------------

template <typename Check>
void collect(std::vector<std::string>& findings, Check check) {
  try {
    check();
  } catch (const Error& error) {
    findings.emplace_back(error.what());
  }
}

std::vector<ClaimDraft> validate_claims(const fs::path& configs, std::vector<std::string>& findings) {
  std::vector<ClaimDraft> claims;
  collect(findings, [&] {
    for (const std::string& name : names_in(configs / "claims")) {
      collect(findings, [&] { claims.push_back(read_claim(configs / "claims" / (name + ".yaml"))); });
    }
  });
  return claims;
}

/// Applies every file of configs/<folder> to a fresh copy of the claims.
template <typename Apply>
void validate_folder(const fs::path& folder, const std::vector<ClaimDraft>& claims, std::vector<std::string>& findings,
                     Apply apply) {
  collect(findings, [&] {
    for (const std::string& name : names_in(folder)) {
      Draft draft;
      draft.claims = claims;
      collect(findings, [&] { apply(draft, Yaml::read(folder / (name + ".yaml")), name); });
    }
  });
}

}  // namespace

std::string Settings::yaml() const {
  std::string text = "profile: " + yaml_quoted(profile) + "\nseed: " + std::to_string(seed) +
                     "\nbootstrap_resamples: " + std::to_string(bootstrap_resamples) +
                     "\nbatch_tokens: " + std::to_string(batch_tokens) + "\ndtype: " + dtype +
                     "\nsweep_sequences: " + std::to_string(sweep_sequences) + "\nsurvey:\n" +
                     indented(survey.yaml(), "  ") + "training:\n" + indented(training.yaml(), "  ") +
                     model_yaml(model) + "claims:\n";
  for (const ClaimSettings& claim : claims) text += claim_yaml(claim);
  return text;
}

Settings load_settings(const SettingsRequest& request) {
  Draft draft;
  draft.claims = read_claims(request.configs);
  draft.training = read_training(request.configs);
  read_arms(draft.training, draft.claims);
  const std::string profile = request.profile.empty() ? kDefaultProfile : request.profile;
  apply_profile(draft, read_named(request.configs / "profiles", "profile", profile), profile);
  choose_model(draft, request.model.empty() ? draft.model : request.model, request);
  if (!request.bos.empty()) draft.settings.model.bos = known_bos(request.bos);
  if (request.recorded) apply_recorded(draft, Yaml::read(*request.recorded));
  for (const std::string& text : request.overrides) apply_override(draft, text);
  if (request.seed) draft.settings.seed = *request.seed;
  if (!request.dtype.empty()) draft.settings.dtype = known_dtype(request.dtype);
  select(draft.claims, request.only);
  auto settings = finish(std::move(draft));
  add_registration(settings, request.configs);
  return settings;
}

SettingsRequest recorded_request(const fs::path& run, SettingsRequest request) {
  const auto config = run / kConfigFile;
  if (!fs::exists(config)) throw Error("there is no config.yaml", run.string(), "name the folder of a run");
  const Yaml yaml = Yaml::read(config);
  const Yaml model = yaml.at("model");
  request.recorded = config;
  request.profile = yaml.at("profile").text();
  request.model = model.has("path") ? model.at("path").text() : model.at("name").text();
  request.bos = model.at("bos").text();
  const std::regex sign("[^A-Za-z0-9_]");
  std::string claims;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (!fs::exists(entry.path() / "record.json")) continue;
    claims += (claims.empty() ? "" : "|") + std::regex_replace(entry.path().filename().string(), sign, "\\$&");
  }
  if (claims.empty()) throw Error("there are no records", run.string(), "name the folder of a run that ended");
  request.only = "^(" + claims + ")$";
  return request;
}

std::vector<std::string> validate_configs(const fs::path& configs) {
  std::vector<std::string> findings;
  std::vector<ClaimDraft> claims = validate_claims(configs, findings);
  collect(findings, [&] { read_arms(read_training(configs), claims); });
  if (!findings.empty()) return findings;  // what refers to the claims cannot be judged without them
  validate_folder(configs / "profiles", claims, findings, [&](Draft& draft, const Yaml& yaml, const std::string& name) {
    draft.training = read_training(configs);
    apply_profile(draft, yaml, name);
    read_named(configs / "models", "model", draft.model);
  });
  validate_folder(configs / "models", claims, findings,
                  [](Draft& draft, const Yaml& yaml, const std::string& name) { apply_model(draft, yaml, name, {}); });
  collect(findings, [&] { check_registration(configs, ids(claims)); });
  return findings;
}

}  // namespace replicate
