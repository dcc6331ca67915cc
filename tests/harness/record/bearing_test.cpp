#include "harness/record/bearing.h"

#include <gtest/gtest.h>

namespace replicate {
namespace {

Ruling ruling(Verdict verdict, bool by_arithmetic = false, bool by_a_control_alone = false) {
  Ruling one;
  one.verdict = verdict;
  one.by_arithmetic = by_arithmetic;
  one.by_a_control_alone = by_a_control_alone;
  return one;
}

TEST(Bearing, FollowsTheVerdictUnlessTheClaimSaysOtherwise) {
  EXPECT_EQ(bearing_of(ruling(Verdict::pass)), Bearing::supports);
  EXPECT_EQ(bearing_of(ruling(Verdict::fail)), Bearing::contradicts);
  for (const auto verdict :
       {Verdict::inconclusive, Verdict::not_applicable, Verdict::not_run, Verdict::descriptive, Verdict::error}) {
    EXPECT_EQ(bearing_of(ruling(verdict)), Bearing::silent);
  }
  const std::map<Verdict, Bearing> fail_is_silent = {{Verdict::fail, Bearing::silent}};
  EXPECT_EQ(bearing_of(ruling(Verdict::fail), fail_is_silent), Bearing::silent);
  EXPECT_EQ(bearing_of(ruling(Verdict::pass), fail_is_silent), Bearing::supports);
}

TEST(Bearing, AFailContradictsOnlyWithWhatTheClaimAsksOfAContradiction) {
  auto failed = ruling(Verdict::fail);
  failed.may_contradict = false;
  EXPECT_EQ(bearing_of(failed), Bearing::silent);
  auto passed = ruling(Verdict::pass);
  passed.may_contradict = false;
  EXPECT_EQ(bearing_of(passed), Bearing::supports);
}

TEST(Bearing, ArithmeticAndAControlAloneAreSilent) {
  const std::map<Verdict, Bearing> loud = {{Verdict::fail, Bearing::contradicts}};
  EXPECT_EQ(bearing_of(ruling(Verdict::pass, true)), Bearing::silent);
  EXPECT_EQ(bearing_of(ruling(Verdict::fail, false, true), loud), Bearing::silent);
}

ClaimEvidence claim(const std::string& id, Verdict verdict, Bearing bearing, Standing standing = Standing::calibrated) {
  const bool one_fact = id == "mask" || id == "source";
  return {id, verdict, standing, bearing, one_fact ? "mask" : ""};
}

TEST(EvidenceCount, CountsAFactOnce) {
  const auto supports = Bearing::supports, contradicts = Bearing::contradicts, silent = Bearing::silent;
  struct {
    Bearing mask, source;
    std::string line;
  } const cases[] = {
      {supports, supports, "supports 1, contradicts 0, silent 0; confirmatory 0"},
      {supports, silent, "supports 1, contradicts 0, silent 0; confirmatory 0"},
      {supports, contradicts, "supports 0, contradicts 1, silent 0; confirmatory 0"},
      {silent, contradicts, "supports 0, contradicts 1, silent 0; confirmatory 0"},
  };
  for (const auto& [mask, source, line] : cases) {
    EXPECT_EQ(
        evidence_line(count_evidence({claim("mask", Verdict::pass, mask), claim("source", Verdict::pass, source)})),
        line);
  }
}

TEST(EvidenceCount, SaysWhyItIsSilentAndWhatIsConfirmatory) {
  const auto count = count_evidence({
      claim("variance", Verdict::pass, Bearing::silent, Standing::arithmetic),
      claim("rank", Verdict::inconclusive, Bearing::silent),
      claim("absent", Verdict::not_applicable, Bearing::silent),
      claim("mask", Verdict::inconclusive, Bearing::silent),
      claim("source", Verdict::pass, Bearing::silent),
      claim("onset", Verdict::pass, Bearing::supports, Standing::confirmatory),
      claim("locking", Verdict::fail, Bearing::contradicts),
  });
  EXPECT_EQ(evidence_line(count),
            "supports 1, contradicts 1, silent 4 (2 inconclusive, 1 by arithmetic); confirmatory 1");
}

TEST(EvidenceCount, AConfirmatoryClaimThatIsSilentConfirmsNothing) {
  const auto count = count_evidence({claim("mask", Verdict::pass, Bearing::supports),
                                     claim("source", Verdict::inconclusive, Bearing::silent, Standing::confirmatory)});
  EXPECT_EQ(count.supports, 1);
  EXPECT_EQ(count.confirmatory, 0);
}

}  // namespace
}  // namespace replicate
