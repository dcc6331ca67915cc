#include "harness/record/clauses.h"

#include <cmath>

#include "base/number_text.h"

namespace replicate {

std::string short_number(double value) { return std::isfinite(value) ? significant_text(value, 4) : "no value"; }
std::string exact_number(double value) { return significant_text(value, 17); }

void add_clause(std::string& sentence, const std::string& clause) {
  sentence += (sentence.empty() ? "" : "; ") + clause;
}

}  // namespace replicate
