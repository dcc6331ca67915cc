#include "harness/record/samples.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/csv.h"
#include "base/error.h"
#include "base/number_text.h"

namespace replicate {
namespace {

constexpr const char* kHeader = "metric,inputs,where,unit,value";
constexpr size_t kColumns = 5;

using Row = std::array<std::string, kColumns>;

template <typename Number>
Number parse_number(const std::string& text, const std::string& where) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return value;
  throw Error(in_quotes(text) + " is not a number", where, "restore the file or run the claim again");
}

std::map<std::string, int64_t> parse_where(const std::string& text, const std::string& where) {
  std::map<std::string, int64_t> places;
  for (size_t first = 0; first < text.size();) {
    const size_t last = std::min(text.find(';', first), text.size());
    const size_t equals = text.find('=', first);
    if (equals >= last) throw Error("a place without '='", where, "write it as layer=3");
    places[text.substr(first, equals - first)] =
        parse_number<int64_t>(text.substr(equals + 1, last - equals - 1), where);
    first = last + 1;
  }
  return places;
}

/// Walks the rows of a CSV text, quoted cells included.
class CsvReader {
 public:
  CsvReader(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  bool done() const { return at_ >= text_.size(); }
  std::string place() const { return where_ + ":" + std::to_string(line_); }

  Row row() {
    Row cells;
    ++line_;
    for (size_t column = 0; column < kColumns; ++column) {
      cells[column] = next_cell();
      const char wanted = column + 1 < kColumns ? ',' : '\n';
      if (done() && wanted == '\n') break;
      if (done() || text_[at_] != wanted) fail();
      ++at_;
    }
    return cells;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error("a row of samples needs 5 cells", place(), "restore the file or run the claim again");
  }

  std::string next_cell() { return !done() && text_[at_] == '"' ? quoted_cell() : plain_cell(); }

  std::string plain_cell() {
    const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    const std::string cell = text_.substr(at_, end - at_);
    at_ = end;
    return cell;
  }

  std::string quoted_cell() {
    std::string cell;
    for (++at_; !done(); ++at_) {
      if (text_[at_] == '"' && (++at_ >= text_.size() || text_[at_] != '"')) return cell;
      cell += text_[at_];
    }
    fail();
  }

  const std::string& text_;
  const std::string& where_;
  size_t at_ = 0;
  int64_t line_ = 1;  // the header is line 1
};

bool continues(const std::vector<Samples>& samples, const Row& row, int64_t unit,
               const std::map<std::string, int64_t>& where) {
  if (unit == 0 || samples.empty()) return false;
  const Samples& last = samples.back();
  return last.metric == row[0] && last.inputs == row[1] && last.where == where &&
         unit == static_cast<int64_t>(last.values.size());
}

void append_row(std::vector<Samples>& samples, const Row& row, const std::string& place) {
  const auto where = parse_where(row[2], place);
  const auto unit = parse_number<int64_t>(row[3], place);
  if (!continues(samples, row, unit, where)) {
    if (unit != 0) throw Error("units are out of order", place, "restore the file");
    samples.push_back({row[0], row[1], where, {}});
  }
  samples.back().values.push_back(parse_number<double>(row[4], place));
}

}  // namespace

std::string where_text(const std::map<std::string, int64_t>& where) {
  std::string text;
  for (const auto& [key, value] : where) {
    if (!text.empty()) text += ';';
    text += key + '=' + std::to_string(value);
  }
  return text;
}

std::string samples_to_csv(const std::vector<Samples>& samples) {
  std::string text = std::string(kHeader) + '\n';
  for (const Samples& column : samples) {
    const std::string start =
        csv_cell(column.metric) + ',' + csv_cell(column.inputs) + ',' + csv_cell(where_text(column.where)) + ',';
    for (size_t unit = 0; unit < column.values.size(); ++unit) {
      text += start + std::to_string(unit) + ',' + shortest_text(column.values[unit]) + '\n';
    }
  }
  return text;
}

std::vector<Samples> samples_from_csv(const std::string& text, const std::string& where) {
  const std::string header = std::string(kHeader) + '\n';
  if (!text.starts_with(header)) {
    throw Error("the columns are not " + std::string(kHeader), where, "restore the file");
  }
  const std::string body = text.substr(header.size());
  CsvReader reader(body, where);
  std::vector<Samples> samples;
  while (!reader.done()) {
    const Row row = reader.row();
    append_row(samples, row, reader.place());
  }
  return samples;
}

}  // namespace replicate
