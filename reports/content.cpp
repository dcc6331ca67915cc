#include "reports/content.h"

#include <cctype>

#include "reports/findings.h"
#include "reports/sections/sections.h"

namespace replicate::report {

std::string anchor_of(const std::string& claim) {
  std::string anchor = claim;
  for (char& c : anchor)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '-';
  return anchor;
}

Document claim_content(const Record& record) {
  return {title_of(record),
          {paragraph({span::link("All claims of this run", "../report.html")}), claim_section(record, Detail::open)}};
}

Document report_content(const std::vector<Record>& records) {
  Document document{report_title(records), answer_blocks(records)};
  if (records.empty()) return document;
  append(document.blocks, chain_section(records));
  append(document.blocks, shortfall_section(records));
  document.blocks.push_back(verdict_section(records));
  append(document.blocks, evidence_section(records));
  for (const Record& record : records) document.blocks.push_back(claim_section(record, Detail::folded));
  append(document.blocks, layers_section(records));
  append(document.blocks, deviations_section(records));
  document.blocks.push_back(cost_section(records));
  document.blocks.push_back(provenance_section(records));
  document.blocks.push_back(cite_section(records));
  document.blocks.push_back({Section{"definitions", {span::text("Definitions")}, {{glossary()}}}});
  return document;
}

}  // namespace replicate::report
