#pragma once

// Everything a reader may want to change lives in configs/*.yaml. A claim's own YAML is the schema
// of its parameters: a profile, a model file or --set may override a key that stands there, and
// nothing else.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/settings/model_identity.h"
#include "harness/record/settings/parameters.h"
#include "harness/record/stages.h"
#include "harness/record/verdict.h"

namespace replicate {

/// One point of a claim's sweep: the same measurement with something changed.
struct SweepSettings {
  std::string suffix;   ///< "k5"
  std::string changes;  ///< as the YAML says it: "target: 5"
  Parameters parameters;
  std::optional<bool> bos;
  std::optional<uint64_t> seed;
  std::string text;  ///< of Settings::sweep_texts, in place of the default prose; empty: that
};

/// What somebody expects a claim to end with.
struct ExpectedVerdict {
  Verdict verdict;
  std::string why, since;
};

/// configs/known.yaml on a claim: for this model, or for what this profile trains.
struct KnownVerdict {
  std::optional<ExpectedVerdict> expected = {};  ///< nothing for other training than the profile's
  std::optional<RecordedVerdict> recorded = {};  ///< how it came out where it was last recorded
};

/// configs/claims/<id>.yaml after profile, model and --set have had their say.
struct ClaimSettings {
  std::string id, title, calibration;
  std::string fact;  ///< see Record
  PaperReference paper;
  Judging judging;
  std::vector<Panel> panels;
  std::vector<std::string> arms;  ///< that a training claim compares, the baseline first
  Parameters parameters;
  std::vector<SweepSettings> sweep;          ///< empty where the profile asks for none
  std::optional<SweepSettings> dtype_check;  ///< few sequences, to measure what --dtype changes; nothing for float32
  KnownVerdict known;
  std::string definition_sha256;                     ///< see definition.h
  std::optional<RegisteredDefinition> registration;  ///< see Record
  bool calibrated = false;                           ///< see Record
  std::vector<std::string> predicted_models = {};    ///< sha256 of the files for which its verdict was predicted
  std::optional<ErrorRates> error_rates;
  std::vector<std::string> notes;       ///< sentences for the report
  std::string arithmetic, otherwise;    ///< see Record
  std::vector<std::string> deviations;  ///< see Record
};

/// Of the definition; 1 for a claim that judges nothing.
int64_t version_of(const ClaimSettings& claim);

/// configs/models/<name>.yaml, or made up from a bare path.
struct ModelSettings {
  std::string name;
  std::string judged_as;              ///< a path's: the file in configs/models whose identity it has; empty: none
  std::filesystem::path file;         ///< resolved against the assets folder
  std::optional<std::string> hub;     ///< ORG/NAME@COMMIT, of a snapshot in a cache of Hugging Face's hub
  bool from_path = false;             ///< named by its path, not by a file in configs/models
  bool reinitialised = false;         ///< the null model: this file's configuration, fresh weights
  std::optional<std::string> sha256;  ///< expected, when the YAML pins it
  std::optional<bool> bos =
      false;  ///< natural inputs begin with BOS; nothing: as ModelConfig says that the model was trained
  std::string licence, source;
  std::string consent;  ///< name of the licence that --accept-licence must accept; empty: none
};

/// The whole of one run's settings.
struct Settings {
  std::string profile;
  uint64_t seed = 0;
  int64_t bootstrap_resamples = 2000;
  int64_t batch_tokens = 0;       ///< tokens per micro-batch, 0: chosen by the executor
  std::string dtype = "float32";  ///< of the forward's matrix products
  uint64_t weight_noise = 0;      ///< seed of the noise on a quantised model's weights (noisy_store); 0: none
  std::string caution;            ///< see Record
  int64_t sweep_sequences = 0;    ///< at most so many judged sequences a sweep point; 0: no sweep
  /// Each is one more sweep point of every claim that has a sweep and is judged on natural text: a folder of
  /// assets/text, or "chat", the default prose as the model's chat template hands it over.
  std::vector<std::string> sweep_texts;
  Parameters survey;    ///< sequences, length, random_length
  SurveyRules rules;    ///< configs/judging.yaml
  Parameters training;  ///< configs/training.yaml, with what the profile changes
  ModelSettings model;
  std::vector<ClaimSettings> claims;  ///< in the order of the paper's figures, then by id
  std::string not_run;                ///< what --all leaves out here, and how to run it; empty: nothing
};

struct SettingsRequest {
  std::filesystem::path configs;       ///< the configs folder
  std::filesystem::path assets;        ///< where set-up put models and texts
  std::string profile;                 ///< smoke | cpu | ...; empty: cpu
  std::string model;                   ///< a name under configs/models, or a path to a file; empty: the profile's
  std::string only;                    ///< see select; empty: all
  std::vector<std::string> overrides;  ///< "--set a.b=c"
  std::optional<uint64_t> seed;
  std::vector<std::string> accepted_licences = {};
  std::string dtype = {};   ///< float32 | bfloat16 | float16; empty: float32
  bool by_default = false;  ///< a run: without `only` it has the claims of select_by_default, and not all
  std::string bos = {};     ///< on | off | auto; empty: as the model's file says, auto for a path
  std::optional<std::filesystem::path> recorded =
      {};  ///< config.yaml of a run: its numbers and parameters, before overrides
};

struct SettingsLayers;

/// What the settings of a run are made of, once read.
struct LoadedSettings {
  std::optional<std::filesystem::path> unidentified;  ///< the file or folder of a model that is given by its path
  std::shared_ptr<const SettingsLayers> layers;
};

/// Reads the files under configs that the request needs, and the recorded run; it opens no model. A model whose licence
/// asks for consent is refused without it. Unknown claim, profile or model, or a path that leads nowhere: Error, with
/// "did you mean '...'?" where that can be told. Whether the file of a model named under configs/models exists is not
/// asked here.
LoadedSettings load_settings(const SettingsRequest& request);

/// Merges, later ones winning: claim YAML and training.yaml, profile, model (parameters and calibration), a recorded
/// run,
/// --set, --seed. A model given by its path is judged by the file of configs/models whose identity it has; `identity`
/// is what was read from it, nothing when it could not be read. Keys of --set: seed, bootstrap_resamples, batch_tokens,
/// sweep_sequences, sweep_texts, weight_noise, survey.<key>, training.<key>, claims.<id>.<parameter>. What --set
/// training.<key> trains has no expected verdict. Unknown key, or no claim that --only matches: Error with "did you
/// mean '...'?".
Settings resolve(const LoadedSettings& loaded, const std::optional<ModelIdentity>& identity = std::nullopt);

}  // namespace replicate
