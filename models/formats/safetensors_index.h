#pragma once

#include <set>
#include <string>
#include <string_view>

namespace replicate {

/// The files that a model.safetensors.index.json names, which lie beside it. Error when the text is no such index, and
/// on a name that is no file's alone. `where` names the text.
std::set<std::string> files_of_index(std::string_view json, const std::string& where);

}  // namespace replicate
