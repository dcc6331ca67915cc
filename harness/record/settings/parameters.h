#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace YAML {
class Node;
}

namespace replicate {

class ParameterTable;

/// Typed, read-only view of one claim's merged parameters. Error names key, file and what was
/// expected.
class Parameters {
 public:
  Parameters();  ///< none at all
  Parameters(const YAML::Node& node, std::string where);
  Parameters(const ParameterTable& table, std::string where);
  ~Parameters();
  Parameters(const Parameters&);
  Parameters& operator=(const Parameters&);

  // Copies share what has been read. A list parameter may be empty; a real one may be written as
  // "1".
  int64_t integer(const std::string& key) const;  ///< dotted keys: "natural.sequences"
  double real(const std::string& key) const;
  bool flag(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  std::vector<double> reals(const std::string& key) const;
  bool has(const std::string& key) const;
  std::string yaml() const;  ///< as YAML text, for the record
  /// Error with "did you mean" on the first key that is not one of these: a typo, or a parameter without effect.
  void allow(const std::vector<std::string>& keys) const;
  std::vector<std::string> unread() const;  ///< keys that have not been read so far

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace replicate
