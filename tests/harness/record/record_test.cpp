#include "harness/record/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/run_folder.h"
#include "harness/record/samples.h"
#include "tests/support/sample_records.h"
#include "tests/support/special_numbers.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

using OrderedJson = nlohmann::ordered_json;

Measurement full_measurement() {
  Measurement measurement;
  measurement.metrics = {{"selectivity", 0.1, 0.05, 0.2, 16, "natural", {{"layer", 1}, {"neuron", 0}}},
                         {"bare", 3, std::nullopt, std::nullopt, 0, "random", {}},
                         {"undefined", kNaN, kNaN, kNaN, 2, "natural", {}}};
  measurement.series = {{"attention", "natural", "layer", {1, 2}, {0.5, kNaN}, {0.4, kNaN}, {0.6, kNaN}},
                        {"no_interval", "random", "position", {0}, {1}, {}, {}}};
  measurement.samples = {{"selectivity", "natural", {{"layer", 1}, {"neuron", 0}}, {0.1, kNaN, 1e-300}},
                         {"selectivity", "random", {}, {1.0 / 3}},
                         {"odd, \"name\"", "natural", {}, {-0.0, 5}},
                         {"two\nlines", "natural", {}, {7}}};
  measurement.maps = {{"attention_map", "natural", "Attention", {{"layer", 3}}, {{1, 0}, {0.25, kNaN}}}};
  measurement.notes = {"a note"};
  measurement.unmet = "no sink";
  measurement.too_few = "too few sequences";
  measurement.inapplicable = "too short";
  return measurement;
}

/// A record in which every field differs from its default, but for what only records of schema 1 have.
Record full_record() {
  Record record;
  record.claim = "variance_scaling";
  record.title = "A title with \"quotes\", commas,\nlines and ünïcode";
  record.kind = ClaimKind::intervention;
  record.paper = {{"6", "20", "20a"}, "a statement", "an expectation"};
  record.model = {"smollm2", "ab12", "llama", "Q4_1", 135, 30, 576, 9, 3, 49152, true, "org/smollm2@0f3a"};
  record.inputs = {{"natural_bos", "natural", 16, 256, "cd34", true}};
  record.seed = UINT64_MAX;
  record.profile = "cpu";
  record.environment = {"0.1.0", "abc", "2.13.0", "g++ 12", "cpu", "a processor", "float32", 2};
  record.environment.date = "2026-12-31T23:59:59Z";
  record.environment.cuda = "driver 13.0, runtime 12.8";
  record.environment.attention = "kernels";
  record.environment.tf32 = true;
  record.environment.gpu_memory_mb = 80.5;
  record.measurement = full_measurement();
  record.criteria = {{"selectivity", Operator::above, 0.1, "paper figure 6", Outcome::pass, 0.0078125}};
  record.controls = {{"control", "selectivity", 0.2, "set before measuring", ControlOutcome::not_measured, 0.5}};
  record.edition = 2;
  record.version = 3;
  record.checks = {{"induced", Operator::at_least, 0.2, "a convention", Outcome::pass, 0}};
  record.stages = {{3, {4, 5}, Verdict::pass, "it holds", record.criteria, record.checks, record.controls},
                   {0, {4, 5, 9}, Verdict::fail, "it does not", {}, {}, {}}};
  record.variations = {{"k5", "target: 5", true, ""}, {"bos", "bos: on", {}, "no spike with a sink after it"}};
  record.standing = Standing::calibrated;
  record.bearing = Bearing::contradicts;
  record.fact = "mask_induced_sink";
  record.registration = {2, "2026-12-31", "ab12", true};
  record.panels = {{"panel", "layer", "attention", true, true, {{"attention", "natural", "a label"}}, {{"line", 0.2}}}};
  record.caution = "few tokens";
  record.arithmetic = "a part of it";
  record.otherwise = "something else";
  record.deviations = {"a difference"};
  record.parameters = "natural:\n  sequences: 16\n";
  record.fingerprint = "0a1b";
  record.thresholds_sha256 = "ef56";
  record.calibration = "set before";
  record.calibrated = true;
  record.recorded = {
      .run = "cpu-tiny", .profile = "cpu", .thresholds_sha256 = "fe65", .verdict = Verdict::inconclusive};
  record.error_rates = {300, 1, 100, 2, 7, 90, 3, {{"control", 80, 79}}};
  record.verdict = Verdict::not_applicable;
  record.reason = "no sink";
  record.known_verdict = Verdict::fail;
  record.known_why = "a known failure";
  record.command = "./replicate --only variance_scaling";
  record.seconds = 1.5;
  record.peak_memory_mb = 512.25;
  return record;
}

Record full_record_of_schema_1() {
  Record record = full_record();
  record.schema = 1;
  record.sweep = {{"k5", "target: 5", Verdict::inconclusive, "too few sequences"}};
  return record;
}

Record minimal_record() {
  Record record;
  record.claim = "sink_onset";
  return record;
}

TEST(Record, RoundTripsEveryField) {
  // Equality by text: the writer puts down every field, and NaN does not equal itself.
  const std::string text = record_to_json(full_record());
  const Record again = record_from_json(text, "test");
  EXPECT_EQ(record_to_json(again), text);
  EXPECT_EQ(again.seed, UINT64_MAX);
  EXPECT_EQ(again.paper.figures, full_record().paper.figures);
  EXPECT_EQ(again.title, full_record().title);
  EXPECT_EQ(again.known_verdict, Verdict::fail);
  EXPECT_EQ(again.measurement.unmet, "no sink");
  EXPECT_EQ(again.measurement.inapplicable, "too short");
  EXPECT_EQ(again.measurement.too_few, "too few sequences");
  EXPECT_EQ(again.measurement.maps[0].values[1][0], 0.25);
  EXPECT_EQ(again.criteria[0].p, 0.0078125);
  EXPECT_EQ(again.deviations, full_record().deviations);
  EXPECT_EQ(again.recorded->verdict, Verdict::inconclusive);
  EXPECT_EQ(again.recorded->profile, "cpu");
  EXPECT_EQ(again.caution + ", " + again.arithmetic, "few tokens, a part of it");
  EXPECT_EQ(again.error_rates->missed, 2);
  EXPECT_EQ(again.error_rates->uninformative, 7);
  EXPECT_EQ(again.error_rates->near_miss_passes, 3);
  EXPECT_EQ(again.error_rates->controls.at(0).metric, "control");
  EXPECT_EQ(again.error_rates->controls.at(0).fired, 79);
  EXPECT_TRUE(std::isnan(again.measurement.series[0].y[1]));
}

std::string keys(const OrderedJson& json) {
  std::string keys;
  for (const auto& [key, value] : json.items()) keys += key + " ";
  return keys;
}

/// Together with the round trip: what is written is read, and this is what is written.
TEST(Record, WritesEveryFieldInAFixedOrder) {
  const OrderedJson json = OrderedJson::parse(record_to_json(full_record()));
  EXPECT_EQ(keys(json),
            "schema edition version claim title kind paper model inputs seed profile caution environment metrics "
            "series maps notes "
            "unmet inapplicable too_few criteria checks controls thresholds_sha256 calibration calibrated recorded "
            "error_rates verdict reason standing bearing fact stages variations registration "
            "known_verdict known_why panels arithmetic otherwise deviations parameters fingerprint command "
            "seconds peak_memory_mb ");
  EXPECT_EQ(keys(json["paper"]), "figures statement expected ");
  EXPECT_EQ(keys(json["model"]),
            "name sha256 architecture parameters quantization layers width heads kv_heads vocabulary "
            "reinitialised hub ");
  EXPECT_EQ(keys(json["inputs"][0]), "label kind sequences length sha256 bos ");
  EXPECT_EQ(keys(json["environment"]),
            "version commit libtorch compiler device cpu threads dtype date cuda attention tf32 gpu_memory_mb ");
  EXPECT_EQ(keys(json["metrics"][0]), "name where value low high n inputs ");
  EXPECT_EQ(keys(json["series"][0]), "name inputs axis x y low high ");
  EXPECT_EQ(keys(json["maps"][0]), "name inputs title where values ");
  EXPECT_EQ(keys(json["stages"][0]), "spike sinks verdict reason criteria checks controls ");
  EXPECT_EQ(keys(json["variations"][0]), "suffix changes agrees reason ");
  EXPECT_EQ(keys(json["registration"]), "version date definition_sha256 as_registered ");
  EXPECT_EQ(keys(json["criteria"][0]), "metric op threshold outcome p source ");
  EXPECT_EQ(keys(json["controls"][0]), "metric of fraction outcome p source ");
  EXPECT_EQ(keys(json["recorded"]), "run profile thresholds_sha256 verdict ");
  EXPECT_EQ(keys(json["error_rates"]),
            "null_runs false_passes planted_runs missed uninformative near_miss_runs near_miss_passes controls ");
  EXPECT_EQ(keys(json["panels"][0]), "title x y log_x log_y curves thresholds ");
}

/// They call what a run recorded `registered`, and have a sweep, whose points were judged.
TEST(Record, OfTheFirstSchemaKeepsWhatOnlyThatHas) {
  const auto text = record_to_json(full_record_of_schema_1());
  const auto json = OrderedJson::parse(text);
  EXPECT_TRUE(json.contains("registered"));
  EXPECT_FALSE(json.contains("recorded"));
  EXPECT_EQ(keys(json["sweep"][0]), "suffix changes verdict reason ");
  const auto again = record_from_json(text, "test");
  EXPECT_EQ(again.recorded->run, "cpu-tiny");
  ASSERT_EQ(again.sweep.size(), 1u);
  EXPECT_EQ(again.sweep[0].verdict, Verdict::inconclusive);
}

TEST(Record, TellsNoBoundsFromUndefinedBounds) {
  const auto metrics = record_from_json(record_to_json(full_record()), "test").measurement.metrics;
  EXPECT_EQ(metrics[0].where.at("neuron"), 0);
  EXPECT_FALSE(metrics[1].low.has_value());
  ASSERT_TRUE(metrics[2].low.has_value());
  EXPECT_TRUE(std::isnan(*metrics[2].low));
}

TEST(Record, WritesNumbersAsThePublishedSchemaSays) {
  const OrderedJson json = OrderedJson::parse(record_to_json(full_record()));
  EXPECT_EQ(json["schema"], 2);
  EXPECT_EQ(json["paper"]["figures"], OrderedJson({6, 20, "20a"}));
  EXPECT_TRUE(json["series"][0]["y"][1].is_null());
  EXPECT_TRUE(json["metrics"][2]["value"].is_null());
}

TEST(Record, NumbersSurviveExactly) {
  Record record = minimal_record();
  for (const double value : {0.1, 1.0 / 3, 1e-308, 1.7976931348623157e308, -0.0, 123456789.123456789}) {
    record.seconds = value;
    EXPECT_EQ(record_from_json(record_to_json(record), "test").seconds, value);
  }
}

TEST(Record, TextThatIsNoUtf8IsWrittenAll) {
  Record record = minimal_record();
  record.reason = "broken \xff byte";
  EXPECT_NO_THROW(record_from_json(record_to_json(record), "test"));
}

TEST(Record, FolderRoundTripWithSamples) {
  const TemporaryFolder folder;
  write_record(full_record(), folder / "run/variance_scaling");
  const Record again = read_record(folder / "run/variance_scaling");
  const auto& samples = again.measurement.samples;
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_EQ(samples[0].where, full_record().measurement.samples[0].where);
  EXPECT_TRUE(std::isnan(samples[0].values[1]));
  EXPECT_EQ(samples[0].values[2], 1e-300);
  EXPECT_EQ(samples[1].values, (std::vector<double>{1.0 / 3}));
  EXPECT_EQ(samples[2].metric, "odd, \"name\"");
  EXPECT_TRUE(std::signbit(samples[2].values[0]));
  EXPECT_EQ(samples[3].metric, "two\nlines");
}

TEST(Record, WithoutSamplesStillReads) {
  const TemporaryFolder folder;
  write_record(minimal_record(), folder.path());
  std::filesystem::remove(folder / "samples.csv");
  EXPECT_EQ(read_record(folder.path()).claim, "sink_onset");
}

TEST(Record, SampleRecordsOfTheReportsRoundTrip) {
  for (const Record& record : sample::records()) {
    const std::string text = record_to_json(record);
    EXPECT_EQ(record_to_json(record_from_json(text, "test")), text) << record.claim;
  }
}

/// What the reader leaves out of a recorded run: parts of a way of judging that is gone, which no report shows.
OrderedJson without_what_is_gone(const std::string& text) {
  auto json = OrderedJson::parse(text);
  json.erase("rivals");
  for (auto& criterion : json["criteria"]) criterion.erase("effect_size");
  return json;
}

TEST(Record, RecordedRunsAreWrittenAsTheyWereRead) {
  int records = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(REPLICATE_SOURCE_DIR) /
                                                                         "results/reference")) {
    if (entry.path().filename() != "record.json") continue;
    const std::string text = read_text(entry.path());
    const auto again = OrderedJson::parse(record_to_json(record_from_json(text, entry.path().string())));
    EXPECT_TRUE(again == without_what_is_gone(text)) << entry.path();
    ++records;
  }
  EXPECT_GT(records, 30);
}

TEST(Record, MissingFileNamesIt) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of([&] { read_record(folder.path()); }).find("record.json"), std::string::npos);
}

/// The message for a full record with one JSON value changed.
std::string message_with(const std::string& pointer, const OrderedJson& value) {
  const bool of_schema_1 = pointer.starts_with("/sweep");
  OrderedJson json = OrderedJson::parse(record_to_json(of_schema_1 ? full_record_of_schema_1() : full_record()));
  json[OrderedJson::json_pointer(pointer)] = value;
  return message_of([&] { record_from_json(json.dump(), "file.json"); });
}

TEST(MalformedRecord, NamesFileAndField) {
  const std::vector<std::tuple<std::string, OrderedJson, std::string>> cases = {
      {"/schema", 3, "schema"},
      {"/schema", "1", "schema"},
      {"/claim", 5, "claim"},
      {"/claim", "../escape", "claim"},
      {"/claim", "", "claim"},
      {"/seed", -1, "seed"},
      {"/seed", 1.5, "seed"},
      {"/paper", "text", "paper"},
      {"/paper/figures/0", true, "paper.figures[0]"},
      {"/model/parameters", "many", "model.parameters"},
      {"/model/parameters", UINT64_MAX, "model.parameters"},
      {"/inputs/0/bos", 1, "inputs[0].bos"},
      {"/inputs", OrderedJson::object(), "inputs"},
      {"/environment/threads", -3, "environment.threads"},
      {"/environment/threads", UINT64_MAX, "environment.threads"},
      {"/metrics/0/value", "0.5", "metrics[0].value"},
      {"/metrics/0/where/layer", 1.5, "metrics[0].where.layer"},
      {"/metrics/1/n", nullptr, "metrics[1].n"},
      {"/series/0/y", OrderedJson::array({1}), "series[0]"},
      {"/series/0/low", OrderedJson::array({1}), "series[0]"},
      {"/series/0/x/1", "two", "series[0].x[1]"},
      {"/maps/0/values/1", OrderedJson::array({1}), "maps[0]"},
      {"/maps/0/where/layer", "three", "maps[0].where.layer"},
      {"/sweep/0/verdict", "maybe", "sweep[0].verdict"},
      {"/sweep/0/changes", 5, "sweep[0].changes"},
      {"/criteria/0/outcome", "passed", "criteria[0].outcome"},
      {"/controls/0/outcome", "pass", "controls[0].outcome"},
      {"/criteria/0/op", "==", "criteria[0].op"},
      {"/kind", "mechanisms", "kind"},
      {"/panels/0/log_x", "no", "panels[0].log_x"},
      {"/verdict", "maybe", "verdict"},
      {"/standing", "maybe", "standing"},
      {"/bearing", "maybe", "bearing"},
      {"/stages/0/verdict", "maybe", "stages[0].verdict"},
      {"/stages/0/sinks", 5, "stages[0].sinks"},
      {"/variations/0/agrees", "yes", "variations[0].agrees"},
      {"/registration/date", 5, "registration.date"},
      {"/known_verdict", "maybe", "known_verdict"},
      {"/notes", "text", "notes"},
      {"/error_rates/null_runs", -1, "error_rates.null_runs"},
      {"/error_rates/false_passes", -1, "error_rates.false_passes"},
      {"/error_rates/false_passes", 301, "error_rates.false_passes"},
      {"/error_rates/planted_runs", -1, "error_rates.planted_runs"},
      {"/error_rates/missed", 101, "error_rates.missed"},
      {"/error_rates/near_miss_passes", 91, "error_rates"},
      {"/error_rates/controls/0/fired", 81, "error_rates.controls[0].fired"},
  };
  for (const auto& [pointer, value, field] : cases) {
    const std::string message = message_with(pointer, value);
    EXPECT_NE(message.find("file.json"), std::string::npos) << pointer << ": " << message;
    EXPECT_NE(message.find("'" + field + "'"), std::string::npos) << pointer << ": " << message;
  }
}

TEST(MalformedRecord, EveryRequiredFieldIsMissed) {
  const OrderedJson whole = OrderedJson::parse(record_to_json(full_record()));
  for (const char* key :
       {"schema", "claim", "paper", "model", "inputs", "seed", "environment", "metrics", "series", "criteria",
        "controls", "thresholds_sha256", "verdict", "reason", "seconds", "peak_memory_mb"}) {
    OrderedJson json = whole;
    json.erase(key);
    const auto message = message_of([&] { record_from_json(json.dump(), "file.json"); });
    EXPECT_NE(message.find("'" + std::string(key) + "' is missing"), std::string::npos) << message;
  }
}

TEST(MalformedRecord, EveryTruncationIsAnErrorAndNoCrash) {
  const std::string text = record_to_json(full_record());
  for (size_t size = 0; size + 2 < text.size(); size += 7) {
    EXPECT_THROW(record_from_json(text.substr(0, size), "file.json"), Error) << size;
  }
}

TEST(MalformedRecord, HostileJsonIsAnErrorAndNoCrash) {
  for (const std::string& text : {std::string("[]"), std::string("null"), std::string("\xff\xfe"),
                                  std::string(1 << 20, '['), std::string("{\"schema\": 1e999}")}) {
    EXPECT_THROW(record_from_json(text, "file.json"), Error);
  }
}

TEST(MalformedRecord, NestedTooDeepOrWithAKeyTwiceIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_NE(message_of([&] { record_from_json("{\"notes\": " + deep + "}", "file.json"); }).find("nested too deep"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              record_from_json("{\"schema\": 1, \"schema\": 1}", "file.json");
            }).find("'schema' is there twice"),
            std::string::npos);
}

/// Whatever stands in the file: names and what is wrong there are quoted.
TEST(MalformedRecord, IsSaidInOneShortLine) {
  const std::string hostile = "\x1b[31m\n\xff" + std::string(100'000, 'a');
  OrderedJson record = OrderedJson::parse(record_to_json(full_record()));
  record["metrics"][0]["where"]["\x1b\n" + std::string(100'000, 'a')] = "no number";
  for (const std::string& text : {hostile, "{\"" + hostile, "{\"schema\": \"" + hostile, record.dump()}) {
    const auto message = message_of([&] { record_from_json(text, "file.json"); });
    EXPECT_FALSE(message.empty());
    EXPECT_LT(message.size(), 300U);
    EXPECT_TRUE(std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; })) << message;
  }
}

/// Were each key looked for among all others, these would take minutes.
TEST(MalformedRecord, ManyKeysAreReadAtOnce) {
  Record record = full_record();
  for (int i = 0; i < 300'000; ++i) record.measurement.metrics[0].where["key" + std::to_string(i)] = i;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(record_from_json(record_to_json(record), "file.json").measurement.metrics[0].where.size(), 300'002U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Samples, EmptyListIsItsHeader) {
  EXPECT_EQ(samples_to_csv({}), "metric,inputs,where,unit,value\n");
  EXPECT_TRUE(samples_from_csv("metric,inputs,where,unit,value\n", "file.csv").empty());
}

TEST(Samples, MalformedRowsNameTheirLine) {
  const std::string header = "metric,inputs,where,unit,value\n";
  for (const char* row : {"a,b,,0", "a,b,,0,1,2", "a,b,,1,1", "a,b,,0,x", "a,b,layer,0,1", "a,b,layer=x,0,1",
                          "\"a,b,,0,1", "a,b,,0,1\na,b,,2,1"}) {
    const auto message = message_of([&] { samples_from_csv(header + row + "\n", "file.csv"); });
    EXPECT_NE(message.find("file.csv:"), std::string::npos) << row << ": " << message;
  }
  EXPECT_THROW(samples_from_csv("", "file.csv"), Error);
  EXPECT_THROW(samples_from_csv("metric,value\n", "file.csv"), Error);
}

// ---- docs/record.schema.json, which tests/schema_test.py holds against recorded runs

OrderedJson schema() {
  return OrderedJson::parse(read_text(std::filesystem::path(REPLICATE_SOURCE_DIR) / "docs/record.schema.json"));
}

/// What the schema says of a place, followed to where it is defined.
const OrderedJson& defined(const OrderedJson& whole, const OrderedJson& part) {
  return part.contains("$ref") ? whole.at(OrderedJson::json_pointer(part["$ref"].get<std::string>().substr(1))) : part;
}

/// Calls visit(pointer, object, its part of the schema) for every object of a record with keys of its own.
template <typename Visit>
void walk(const OrderedJson& whole, const OrderedJson& part, const OrderedJson& value, const std::string& pointer,
          Visit visit) {
  const OrderedJson& here = defined(whole, part);
  if (value.is_object() && here.contains("properties")) {
    visit(pointer, value, here);
    for (const auto& [key, item] : value.items()) {
      if (here["properties"].contains(key)) walk(whole, here["properties"][key], item, pointer + "/" + key, visit);
    }
  }
  if (!value.is_array() || !here.contains("items")) return;
  for (size_t i = 0; i < value.size(); ++i)
    walk(whole, here["items"], value[i], pointer + "/" + std::to_string(i), visit);
}

TEST(RecordSchema, HasJustTheKeysThatAreWritten) {
  const OrderedJson whole = schema(), record = OrderedJson::parse(record_to_json(full_record()));
  int objects = 0;
  walk(whole, whole, record, "", [&](const std::string& pointer, const OrderedJson& object, const OrderedJson& part) {
    ++objects;
    for (const auto& [key, value] : object.items()) {
      EXPECT_TRUE(part["properties"].contains(key)) << pointer << "/" << key << " is not in the schema";
    }
    if (pointer.ends_with("/1") || pointer.ends_with("/2")) return;  // the first of a list has every key
    for (const auto& [key, value] : part["properties"].items()) {
      if (key == "registered" || key == "sweep" || key == "rivals" || key == "effect_size") continue;  // of schema 1
      EXPECT_TRUE(object.contains(key)) << pointer << "/" << key << " is never written";
    }
  });
  EXPECT_GT(objects, 12);
}

TEST(RecordSchema, RequiresJustTheKeysThatTheReaderNeeds) {
  const OrderedJson whole = schema(), record = OrderedJson::parse(record_to_json(full_record()));
  walk(whole, whole, record, "", [&](const std::string& pointer, const OrderedJson& object, const OrderedJson& part) {
    for (const auto& [key, value] : object.items()) {
      OrderedJson changed = record;
      changed[OrderedJson::json_pointer(pointer)].erase(key);
      const bool needed = !message_of([&] { record_from_json(changed.dump(), "file.json"); }).empty();
      const OrderedJson required = part.value("required", OrderedJson::array());
      EXPECT_EQ(std::find(required.begin(), required.end(), key) != required.end(), needed) << pointer << "/" << key;
    }
  });
}

}  // namespace
}  // namespace replicate
