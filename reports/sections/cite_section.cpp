#include "reports/sections/sections.h"

namespace replicate {
namespace {

constexpr const char* kPaper = R"(@misc{structural_origin_of_attention_sink,
  title         = {The Structural Origin of Attention Sink: Variance Discrepancy, Super Neurons, and Dimension Disparity},
  year          = {2026},
  eprint        = {2605.06611},
  archivePrefix = {arXiv}
})";

std::string software(const Environment& environment) {
  return "@software{replicate,\n  title   = {replicate: a claim-by-claim replication of The Structural Origin of "
         "Attention Sink},\n"
         "  author  = {{The authors of replicate}},\n  year    = {2026},\n  version = {" +
         environment.version + (environment.commit.empty() ? "" : ", commit " + environment.commit) + "}\n}";
}

}  // namespace

Block cite_section(const std::vector<Record>& records) {
  return {Section{"cite",
                  {span::text("How to cite")},
                  {paragraph({span::text("The paper whose claims these are, and the program that measured them:")}),
                   {Listing{std::string(kPaper) + "\n\n" + software(records.front().environment)}}}}};
}

}  // namespace replicate
