#pragma once

// Many runs beside each other: which claim replicates where.

#include <filesystem>
#include <string>
#include <vector>

#include "harness/record/record.h"
#include "reports/document.h"

namespace replicate::report {

struct NamedRun {
  std::string name;  ///< of its model, and whatever tells it from the others
  std::vector<Record> records;
};

/// A row per claim, a column per run: verdict, standing and bearing, the number that decided, the later stages and how
/// many variations agree; claims in the order of the
/// runs. Then the chains of the runs in one figure, where there are two.
Document matrix_content(const std::vector<NamedRun>& runs);

/// Writes matrix.html, matrix.md and chain.svg of run folders into `out`. Throws NoGnuplot as write_plots does. Error
/// when a folder has no records.
void write_matrix(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& out);

}  // namespace replicate::report
