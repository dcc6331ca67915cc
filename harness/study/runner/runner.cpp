#include "harness/study/runner/runner.h"

#include "base/error.h"
#include "base/log.h"
#include "harness/study/runner/passes.h"
#include "harness/study/runner/resume.h"
#include "harness/study/runner/survey_stage.h"
#include "harness/study/runner/training_stage.h"

namespace replicate {
namespace {

constexpr uintmax_t kRunBytes = 64 << 20;  // records, plots and report of one run, generously

/// Claims that have no finished record yet.
std::vector<ClaimRun> open_claims(Session& session, const RunFolder& folder) {
  std::vector<ClaimRun> open;
  for (const auto& settings : session.settings.claims) {
    if (auto kept = finished(session, settings, folder)) {
      log_info(settings.id + ": kept from " + folder.claim(settings.id).string());
      session.records[settings.id] = std::move(*kept);
    } else {
      std::filesystem::remove(folder.claim(settings.id) / "record.json");  // of another measurement
      open.push_back(start(session, settings));
    }
  }
  return open;
}

RunOutcome run(Session& session, const RunFolder& folder, Progress& progress) {
  session.prose_sha256 = session.maker->prose_sha256();
  auto claims = open_claims(session, folder);
  auto training = take_training_claims(claims);
  if (!claims.empty()) {
    if (!survey(session, claims, folder, progress)) return outcome(session, true);
    const auto measured = run_passes(session, claims, folder, progress);
    if (measured.interrupted || !measured.failure.empty()) return measured;
  }
  if (training.empty()) return outcome(session, false);
  if (!train_for(session, training, progress)) return outcome(session, true);
  return run_passes(session, training, folder, progress);
}

/// Records of an earlier run would be reported as this one's.
void refuse_used_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!std::filesystem::exists(entry.path() / "record.json")) continue;
    throw Error("the folder already holds records of a run", folder.string(),
                "use --resume to continue it, or another --out");
  }
}

}  // namespace

RunOutcome run_claims(const RunRequest& request, Progress& progress) {
  if (!request.resume) refuse_used_folder(request.out);
  Session session(request);
  const RunFolder folder(request.out, kRunBytes);
  log_to(folder.path() / "log.txt");
  write_atomically(folder.path() / "config.yaml", session.config());
  if (request.given) write_atomically(folder.path() / kTokensFile, given_jsonl(session.given));
  return run(session, folder, progress);
}

}  // namespace replicate
