#include "reports/paper.h"
#include "reports/sections/sections.h"

namespace replicate::report {
namespace {

std::string article(const Paper& paper) {
  return "@misc{" + paper.bibtex + ",\n  title         = {" + paper.title + ": " + paper.subtitle +
         "},\n  year          = {" + std::to_string(paper.year) + "},\n  eprint        = {" + paper.arxiv +
         "},\n  archivePrefix = {arXiv}\n}";
}

std::string software(const Environment& environment) {
  return "@software{replicate,\n  title   = {replicate: a claim-by-claim replication of " + paper().title +
         "},\n  author  = {{The authors of replicate}},\n  year    = {2026},\n  version = {" + environment.version +
         (environment.commit.empty() ? "" : ", commit " + environment.commit) + "}\n}";
}

}  // namespace

Block cite_section(const std::vector<Record>& records) {
  return {Section{"cite",
                  {span::text("How to cite")},
                  {paragraph({span::text("The paper whose claims these are, and the program that measured them:")}),
                   {Listing{article(paper()) + "\n\n" + software(records.front().environment)}}}}};
}

}  // namespace replicate::report
