#pragma once

// For std::visit: one function per kind of a variant, none of which may be forgotten.

#include <concepts>

namespace replicate {

/// Several functions as one, chosen by the type of the argument. A kind of a variant that none of them takes does not
/// compile; `OneOf` in place of `auto` keeps that so where several kinds share a function.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

template <typename T, typename... Types>
concept OneOf = (std::same_as<T, Types> || ...);

}  // namespace replicate
