#include "reports/content.h"

#include <cctype>

#include "reports/sections.h"

namespace replicate {

std::string anchor_of(const std::string& claim) {
  std::string anchor = claim;
  for (char& c : anchor)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '-';
  return anchor;
}

Document report_content(const std::vector<Record>& records) {
  Document document{report_title(records), summary(records)};
  if (records.empty()) return document;
  document.blocks.push_back(verdict_section(records));
  append(document.blocks, chain_section(records));
  for (const Record& record : records) document.blocks.push_back(claim_section(record));
  document.blocks.push_back(provenance_section(records));
  document.blocks.push_back({Section{"definitions", {span::text("Definitions")}, {{glossary()}}}});
  return document;
}

}  // namespace replicate
