#include "reports/content.h"
#include "reports/paper.h"

namespace replicate::report {

Definitions glossary() {
  Definitions definitions;
  for (const auto& [term, meaning] : paper().glossary) definitions.entries.push_back({term, {span::text(meaning)}});
  return definitions;
}

}  // namespace replicate::report
