#include "harness/study/runner/survey_stage.h"

#include "base/first_line.h"
#include "base/sha256.h"
#include "harness/study/runner/passes.h"

namespace replicate {
namespace {

std::string survey_key(const Session& session, const Lane& lane) {
  const auto parts = session.loaded.record.sha256 + (session.loaded.record.reinitialised ? "/null/" : "/") +
                     (session.settings.dtype == "float32" ? "" : session.settings.dtype + "/") +
                     std::to_string(session.settings.seed) + "/" + lane.tokens->sha256;
  return sha256_hex(std::as_bytes(std::span(parts)));
}

}  // namespace

bool survey(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
  const auto file = folder.path() / "survey.json";
  const Surveyor surveyor;
  const auto lane = survey_lane(session, surveyor);
  const auto key = survey_key(session, lane);
  if (std::filesystem::exists(file)) {
    session.survey = survey_from_json(read_text(file), file.string());
    if (session.survey.key == key) return true;
  }
  try {
    if (!pass(session, {lane}, "survey", progress)) return false;
  } catch (const std::exception& error) {
    for (auto& claim : claims) claim.error = first_line(error.what());
    return true;
  }
  session.survey = surveyor.reduce(session.loaded.model->config.layers, lane.tokens->length());
  session.survey.key = key;
  write_atomically(file, survey_to_json(session.survey));
  return true;
}

Lane survey_lane(Session& session, const Surveyor& surveyor) {
  const InputShape shape{session.settings.survey.integer("sequences"), session.settings.survey.integer("length")};
  const auto tokens = session.maker->make(InputKind::natural, shape, session.begins_with_bos(), Region::survey);
  return {session.loaded.model, tokens, {}, surveyor.probes()};
}

Survey assumed_survey(const Session& session) {
  Survey assumed;
  assumed.assumed = true;
  for (int64_t l = 3; l <= session.loaded.model->config.layers; ++l) assumed.sinks.sink_layers.push_back(l);
  assumed.sinks.spikes = {{2, 10, 100}};
  assumed.sinks.dominant_spike = 2;
  assumed.writers = {{2, {0}, true, {1}, {0, 1, 2, 3}, {4, 5, 6, 7}}};
  return assumed;
}

}  // namespace replicate
