#include "models/core/entropy.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "tests/support/assets.h"

namespace replicate {
namespace {

/// Numbers >= 0: everyday ones, denormal ones, all exponents, and the ends of the range.
Tensor numbers_of(at::ScalarType type) {
  const bool single = type == at::kFloat;
  auto generator = at::detail::createCPUGenerator();
  const auto uniform = at::rand({200'000}, generator, at::TensorOptions(type));
  const auto exponents = at::rand({200'000}, generator, at::TensorOptions(type)) * (single ? 270 : 2090);
  const auto ends = at::tensor({0., 1., single ? 1e-45 : 5e-324, 2.2e-308, HUGE_VAL}, type);
  return at::cat({uniform, uniform * (single ? 1e-38 : 1e-308), at::exp2(exponents - (single ? 148 : 1073)), ends});
}

TEST(Entropy, TermsHaveTheBitsOfSpecialEntr) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const auto x = numbers_of(type);
    const auto bits = [&](const Tensor& y) { return y.view(type == at::kFloat ? at::kInt : at::kLong); };
    EXPECT_TRUE(at::equal(bits(entropy_terms(x)), bits(at::special_entr(x)))) << type;
    EXPECT_TRUE(entropy_terms(at::full({3}, NAN, type)).isnan().all().item<bool>());
  }
}

/// The operations on real numbers whose source libtorch_cuda.so 2.13 holds as text, and those made of them.
const std::regex kCompiledWhenCalled(R"((\bat::|\.)(special_\w+|exp2|i0|sinc|erfc|erfinv|digamma|polygamma|)"
                                     R"(lgamma|mvlgamma|gcd|lcm|kaiser_window)_?(_out)?\()");

TEST(Entropy, NothingThatMayRunOnAGpuIsCompiledThere) {
  for (const auto* folder : {"models", "harness", "experiments"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source_folder() / folder)) {
      const auto& file = entry.path();
      if (!entry.is_regular_file() || file.filename() == "bca.cpp") continue;  // intervals are computed on the host
      std::ifstream stream(file);
      for (std::string line; std::getline(stream, line);) {
        if (line.starts_with("//")) continue;
        EXPECT_FALSE(std::regex_search(line, kCompiledWhenCalled)) << file << ": " << line;
      }
    }
  }
}

}  // namespace
}  // namespace replicate
