#include "reports/family.h"

#include "harness/record/evidence.h"

namespace replicate::report {

std::vector<FamilyMember> family_of(const std::vector<Record>& records) {
  std::vector<FamilyMember> family;
  std::vector<double> p;
  for (const Record& record : records)
    for (const Finding& criterion : record.criteria)
      if (criterion.p) {
        family.push_back({&record, &criterion, 1});
        p.push_back(*criterion.p);
      }
  const auto adjusted = holm(p);
  for (size_t i = 0; i < family.size(); ++i) family[i].adjusted = adjusted[i];
  return family;
}

}  // namespace replicate::report
