#pragma once

// The record: everything one claim leaves behind, as plain data. Experiments fill a `Measurement`,
// the verdict engine adds `Judgement`, the runner adds provenance. Console, Markdown, HTML, JUnit
// and plots read records and nothing else, so a run folder can be rendered again without computing.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/head_maps.h"
#include "harness/record/words.h"

namespace replicate {

/// One number with its 95% interval. `name` is part of the contract with outside readers.
struct Metric {
  std::string name;
  double value = 0;
  std::optional<double> low, high;       ///< 95% bootstrap interval; absent when none was computed
  int64_t n = 0;                         ///< units of sampling behind the interval (sequences or seeds)
  std::string inputs;                    ///< label of the inputs it was measured on: "natural", "random", ...
  std::map<std::string, int64_t> where;  ///< e.g. {"layer": 3}; layers and heads count from 1
};

/// One curve. `y[i]` may be NaN where the quantity does not exist (written as null).
struct Series {
  std::string name;
  std::string inputs;
  std::string axis;                     ///< "layer", "position", "length", "visible_positions", ...
  std::vector<double> x, y, low, high;  ///< low and high are empty or as long as y
};

/// The per-sequence (or per-seed) values behind one metric's interval: a column of samples.csv.
struct Samples {
  std::string metric;
  std::string inputs;
  std::map<std::string, int64_t> where;
  std::vector<double> values;  ///< values[i] belongs to sequence (or seed) i of those inputs
};

/// A matrix to look at, such as mean attention probabilities of one layer: values[query][key].
struct Map {
  std::string name;
  std::string inputs;
  std::string title;
  std::map<std::string, int64_t> where;
  std::vector<std::vector<double>> values;  ///< rows of one length
};

/// What one set of inputs was; `sha256` is taken over the token ids (little-endian int64, row
/// major).
struct InputsRecord {
  std::string label;  ///< the name metrics and series refer to
  std::string kind;   ///< natural | random | repeated | tokens
  int64_t sequences = 0;
  int64_t length = 0;
  std::string sha256;
  bool bos = false;
};

/// What an experiment hands over. It measures; it never judges.
struct Measurement {
  std::vector<Metric> metrics;
  std::vector<Series> series;
  std::vector<Samples> samples;
  std::vector<Map> maps;
  std::optional<HeadMaps> head_maps;  ///< in a file of their own
  std::vector<std::string> notes;     ///< sentences for the reader: what a number means on this model
  std::optional<std::string> unmet;   ///< the precondition that this model does not meet, e.g. "no sink layer"
  std::optional<std::string>
      inapplicable;  ///< why this model or these inputs cannot answer the question: the verdict is `not applicable`
  std::optional<std::string> too_few;  ///< why what was measured is too little to judge: the verdict is `inconclusive`
};

/// What a claim's YAML asks of a metric.
struct Criterion {
  std::string metric;
  Operator op = Operator::above;
  double threshold = 0;
  std::string source;  ///< where the threshold comes from
};

/// A criterion with what came of it.
struct Finding : Criterion {
  Outcome outcome = Outcome::unjudged;
  std::optional<double> p = {};  ///< one-sided: that it holds by chance; absent where nothing was tested
};

/// A control stays below `fraction` of the effect `of`.
struct Control {
  std::string metric;
  std::string of;
  double fraction = 0;
  std::string source;
};

/// A control with what came of it.
struct ControlFinding : Control {
  ControlOutcome outcome = ControlOutcome::unjudged;
  std::optional<double> p = {};  ///< that it stays there by chance; absent where nothing was tested
};

/// One curve of a plot panel, picked from the record by series name and inputs.
struct PanelCurve {
  std::string series;
  std::string inputs;  ///< empty: the first series of that name, which is the primary condition
  std::string label;
};

/// One panel of the claim's figure; a claim's YAML lists them and the record carries them.
struct Panel {
  std::string title, x, y;
  bool log_x = false, log_y = false;
  std::vector<PanelCurve> curves;
  std::vector<std::pair<std::string, double>> thresholds;  ///< label, y value: drawn as a dashed line
};

/// Of records of schema 1: the claim judged again with something changed. Its metrics stand among the record's, with
/// the suffix.
struct SweepPoint {
  std::string suffix;   ///< "k5": metrics carry "_k5"
  std::string changes;  ///< "target: 5"
  Verdict verdict = Verdict::error;
  std::string reason;
};

/// What a claim that is bound to a spike came to at one stage of the model (stages.h), or at all of them together. Its
/// metrics carry the spike in `where`.
struct StageFinding {
  int64_t spike = 0;                ///< 0: all stages together
  std::vector<int64_t> sinks = {};  ///< the layers with a sink in which it was measured
  Verdict verdict = Verdict::error;
  std::string reason = {};
  std::vector<Finding> criteria = {}, checks = {};
  std::vector<ControlFinding> controls = {};
};

/// The judged criteria with one thing changed, on few sequences. Its metrics stand among the record's, with the suffix.
struct Variation {
  std::string suffix;          ///< "k5": metrics carry "_k5"
  std::string changes;         ///< "target: 5"
  std::optional<bool> agrees;  ///< every point estimate lies on the verdict's side; nothing where that cannot be told
  std::string reason;          ///< why not, where `agrees` is nothing
};

struct PaperReference {
  std::vector<std::string> figures;
  std::string statement;
  std::string expected;  ///< what the paper shows, in words with its number where there is one
};

struct ModelRecord {
  std::string name, sha256, architecture, quantization;
  int64_t parameters = 0, layers = 0, width = 0, heads = 0, kv_heads = 0, vocabulary = 0;
  bool reinitialised = false;           ///< the null model: same shapes, fresh weights
  std::optional<std::string> hub = {};  ///< ORG/NAME@COMMIT of a snapshot from Hugging Face's hub
};

/// The claim's definition as configs/registered.yaml holds it.
struct RegisteredDefinition {
  int64_t version = 1;
  std::string date;  ///< of its registration: 2026-12-31
  std::string definition_sha256;
  bool as_registered =
      false;  ///< this is how it was measured and judged: no other sizes or inputs, no changed definition
};

/// What the claim came to in the last recorded run of the model, or of the profile's training: configs/known.yaml.
struct RecordedVerdict {
  std::string run;                ///< a folder of results/reference
  std::string profile;            ///< of that run
  std::string thresholds_sha256;  ///< as used there
  Verdict verdict = Verdict::error;
};

/// How often a control fired on models that were built for it.
struct ControlRates {
  std::string metric;
  int64_t runs = 0, fired = 0;
};

/// How often a claim's test erred on models of which the truth is known: configs/calibration.yaml.
struct ErrorRates {
  int64_t null_runs = 0, false_passes = 0;  ///< passes on models that lack the effect
  int64_t planted_runs = 0, missed = 0;  ///< no pass on models into which it was built; none where it cannot be built
  int64_t uninformative = 0;  ///< runs beside the null runs in which the claim was not judged by its criteria
  int64_t near_miss_runs = 0, near_miss_passes = 0;  ///< passes where the effect is 0.5 to 1.0 of its threshold
  std::vector<ControlRates> controls = {};
};

struct Environment {
  std::string version, commit, libtorch, compiler, device, cpu, dtype;
  int threads = 0;
  std::string date = {};       ///< when the claim ended, UTC: 2026-12-31T23:59:59Z
  std::string cuda = {};       ///< versions of driver and runtime; empty without a GPU
  std::string attention = {};  ///< which implementation: blocked, or kernels
  bool tf32 = false;           ///< float32 products may be rounded to TF32
  double gpu_memory_mb = 0;    ///< largest use by tensors, up to this claim
};

struct Record {
  int schema = 2;
  int64_t edition = 1;  ///< of the rules that judged: 1 in records of schema 1, else 2
  int64_t version = 1;  ///< of the claim's definition
  std::string claim, title;
  ClaimKind kind = ClaimKind::unknown;
  PaperReference paper;
  ModelRecord model;
  std::vector<InputsRecord> inputs;
  uint64_t seed = 0;
  std::string profile;
  std::string
      caution;  ///< what the profile says of its numbers, such as that they are not to be quoted; empty: nothing
  Environment environment;
  Measurement measurement;
  std::vector<Finding> criteria;
  std::vector<Finding> checks;  ///< that the intervention took; by point estimates
  std::vector<ControlFinding> controls;
  std::vector<SweepPoint> sweep;     ///< of schema 1
  std::vector<StageFinding> stages;  ///< of a claim that is bound to a spike: the judged stage first
  std::vector<Variation> variations;
  std::optional<Standing> standing;  ///< nothing where nothing is judged, and in records of schema 1
  std::optional<Bearing> bearing;    ///< likewise
  std::string fact;                  ///< claims of one fact count once in a summary; empty: this one alone
  std::optional<RegisteredDefinition> registration;  ///< nothing where the definition is not registered
  std::vector<Panel> panels;
  std::string
      arithmetic;  ///< what of the claim holds by arithmetic in any weights; empty: nothing. It marks the title †
  std::string otherwise;                ///< what it may mean where the claim does not pass
  std::vector<std::string> deviations;  ///< where the measurement differs from the paper's
  std::string parameters;               ///< the claim's merged parameters, as YAML text
  std::string fingerprint;              ///< of all that the measurement depends on; --resume compares it
  std::string thresholds_sha256;        ///< of all that decides the verdict, as used
  std::string calibration;              ///< what was known of the model when the thresholds were chosen, in a sentence
  bool calibrated =
      false;  ///< numbers of this model, of its shape or of this training regime were known: the verdict tests nothing
  std::optional<RecordedVerdict> recorded;  ///< nothing where no such run is recorded
  std::optional<ErrorRates> error_rates;    ///< nothing where the claim was not calibrated
  Verdict verdict = Verdict::error;
  std::string reason;
  std::optional<Verdict> known_verdict;  ///< what configs/known.yaml says is expected, if anything
  std::string known_why;
  std::string command;  ///< how to repeat this claim alone
  double seconds = 0;   ///< without survey and loading
  double peak_memory_mb = 0;
};

/// Writes `folder/record.json`, `folder/samples.csv` and, where there are maps of heads, `folder/attention.json`, each
/// whole or not at all.
void write_record(const Record& record, const std::filesystem::path& folder);

/// Reads `folder/record.json` (samples.csv and attention.json when they are there). Error names the file and the field.
Record read_record(const std::filesystem::path& folder);

/// JSON text of a record, as written: keys in a fixed order, NaN and infinities as null, numbers
/// with 17 digits at most.
std::string record_to_json(const Record& record);
Record record_from_json(const std::string& text, const std::string& where);

}  // namespace replicate
