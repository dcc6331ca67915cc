#pragma once

// Where a number came from: version, commit, compiler, machine, memory.

#include <string>

namespace replicate {

std::string version();    ///< the project's version
std::string commit();     ///< git commit of the build, "-dirty" appended when the tree was changed
std::string compiler();   ///< name and version
std::string cpu_name();   ///< model name of the first processor
double peak_memory_mb();  ///< high-water mark of this process's resident memory, MiB
std::string utc_time();   ///< "20261122T151200Z"
std::string utc_date();   ///< "2026-11-22T15:12:00Z"

}  // namespace replicate
