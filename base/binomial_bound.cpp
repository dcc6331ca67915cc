#include "base/binomial_bound.h"

#include <boost/math/distributions/binomial.hpp>

namespace replicate {

double binomial_upper_bound(int64_t successes, int64_t n) {
  if (successes >= n) return 1;
  using Binomial = boost::math::binomial;
  return Binomial::find_upper_bound_on_p(static_cast<double>(n), static_cast<double>(successes), 0.05);
}

}  // namespace replicate
