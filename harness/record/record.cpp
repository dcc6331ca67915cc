#include "harness/record/record.h"

#include "base/error.h"
#include "base/json_section.h"
#include "base/run_folder.h"
#include "harness/record/record_fields.h"
#include "harness/record/samples.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeadMapsFile = "attention.json";
constexpr const char* kRemedy = "restore the record or run the claim again";

nlohmann::json parse(const std::string& text, const std::string& where) {
  try {
    return parse_json(text, where);
  } catch (const Error& error) {
    throw Error("this is not a record: " + error.what_happened(), where, kRemedy);
  }
}

}  // namespace

std::string record_to_json(const Record& record) {
  const auto json = JsonWriter::write(record);
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

Record record_from_json(const std::string& text, const std::string& where) {
  const auto json = parse(text, where);
  if (!json.is_object()) throw Error("the record is not an object", where, kRemedy);
  Record record;
  JsonReader::read(JsonField(json, where, "", kRemedy), record);
  return record;
}

void write_record(const Record& record, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error("cannot create the claim's folder: " + error.message(), folder.string(),
                "choose another folder with --out");
  }
  // The record comes last: where it stands, its samples and maps do too.
  write_atomically(folder / "samples.csv", samples_to_csv(record.measurement.samples));
  fs::remove(folder / kHeadMapsFile, error);  // of another measurement
  if (const auto& maps = record.measurement.head_maps)
    write_atomically(folder / kHeadMapsFile, head_maps_to_json(*maps));
  write_atomically(folder / "record.json", record_to_json(record));
}

Record read_record(const fs::path& folder) {
  const fs::path file = folder / "record.json", samples = folder / "samples.csv", maps = folder / kHeadMapsFile;
  Record record = record_from_json(read_text(file), file.string());
  if (fs::exists(samples)) {
    record.measurement.samples = samples_from_csv(read_text(samples), samples.string());
  }
  if (fs::exists(maps)) record.measurement.head_maps = head_maps_from_json(read_text(maps), maps.string());
  return record;
}

}  // namespace replicate
