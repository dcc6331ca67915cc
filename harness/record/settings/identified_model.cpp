#include "harness/record/settings/identified_model.h"

#include <algorithm>
#include <iterator>

#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/model_settings.h"
#include "harness/record/settings/model_shape.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFiles = "configs/models/";

/// The first file whose entry under `key` the model has; null when there is none.
const ModelFile* file_of(const std::optional<ModelIdentity>& model, const std::vector<ModelFile>& files,
                         const std::string& key, bool (*has)(const ModelIdentity&, const Yaml&)) {
  if (!model) return nullptr;
  for (const ModelFile& file : files) {
    const auto entry = file.yaml.find(key);
    if (entry && has(*model, *entry)) return &file;
  }
  return nullptr;
}

void note_everywhere(Draft& draft, const std::string& note) {
  for (ClaimDraft& claim : draft.claims) {
    if (!trains(claim)) claim.settings.notes.push_back(note);
  }
}

/// The file has its say on the claims; of the model itself only whether it begins with BOS.
void judge_by(Draft& draft, const ModelFile& file, const fs::path& assets) {
  ModelSettings model = draft.settings.model;
  apply_model(draft, file.yaml, file.name, assets);
  model.judged_as = file.name;
  model.bos = draft.settings.model.bos;
  draft.settings.model = std::move(model);
  note_everywhere(draft, "The model has the shape of " + file.name + ", so the neurons and layers that " + kModelFiles +
                             file.name + ".yaml names are measured too. Fine-tuned models have that shape too.");
}

}  // namespace

std::vector<ModelFile> read_model_files(const fs::path& folder) {
  std::vector<ModelFile> files;
  for (const std::string& name : names_in(folder)) files.push_back({name, Yaml::read(folder / (name + ".yaml"))});
  return files;
}

void apply_identity(Draft& draft, const std::vector<ModelFile>& files, const std::optional<ModelIdentity>& identity,
                    const fs::path& assets) {
  std::vector<ModelFile> known;
  std::copy_if(files.begin(), files.end(), std::back_inserter(known),
               [&](const ModelFile& file) { return is_known_model(draft, file.yaml, file.name); });
  if (file_of(identity, known, "shape", has_shape)) set_calibration(draft, false, kKnownModel, true);
  if (const ModelFile* file = file_of(identity, files, "identity", has_identity)) return judge_by(draft, *file, assets);
  note_everywhere(
      draft,
      "The paper's own numbers are of Llama-2-7B and Llama-3-8B. This is another model: the survey finds its "
      "layers and neurons, and the thresholds are those of every model.");
}

}  // namespace replicate
