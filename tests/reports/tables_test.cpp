#include "reports/tables.h"

#include <gtest/gtest.h>

#include "base/csv.h"
#include "tests/support/special_numbers.h"

namespace replicate::report {
namespace {

Record measured() {
  Record record;
  record.claim = "a_claim";
  record.model.layers = 2;
  record.model.heads = 3;
  record.measurement.metrics = {
      {"share", 0.25, 0.125, 0.5, 16, "natural", {{"layer", 3}, {"neuron", 0}}},
      {"alignment", 0.5, {}, {}, 0, "natural", {{"layer", 2}, {"head", 7}}},
      {"nothing", kNaN, {}, {}, 8, "a, \"b\"", {}},
  };
  record.measurement.series = {{"norm", "random", "layer", {1, 2}, {3.5, kNaN}, {3, kNaN}, {4, kNaN}},
                               {"plain", "random", "position", {0}, {1}, {}, {}}};
  record.measurement.maps = {{"entropy", "natural", "a title", {}, {{0, 1, 2}, {3, 4, kNaN}}},
                             {"attention", "natural", "a title", {{"layer", 1}}, {{1, 0}, {0.5, 0.5}}}};
  return record;
}

TEST(Tables, MetricsHaveTheirPlaceAndInterval) {
  EXPECT_EQ(metrics_csv({measured()}),
            "claim,metric,inputs,where,value,low,high,n\n"
            "a_claim,share,natural,layer=3;neuron=0,0.25,0.125,0.5,16\n"
            "a_claim,alignment,natural,head=7;layer=2,0.5,,,0\n"
            "a_claim,nothing,\"a, \"\"b\"\"\",,,,,8\n");
}

TEST(Tables, CurvesAreWrittenPointByPoint) {
  EXPECT_EQ(curves_csv({measured()}),
            "claim,curve,inputs,axis,x,value,low,high\n"
            "a_claim,norm,random,layer,1,3.5,3,4\n"
            "a_claim,norm,random,layer,2,,,\n"
            "a_claim,plain,random,position,0,1,,\n");
}

TEST(Tables, HeadsAreThoseOfMetricsAndOfMapsByLayerAndHead) {
  EXPECT_EQ(heads_csv({measured()}),
            "claim,metric,inputs,layer,head,value,low,high\n"
            "a_claim,alignment,natural,2,7,0.5,,\n"
            "a_claim,entropy,natural,1,1,0,,\n"
            "a_claim,entropy,natural,1,2,1,,\n"
            "a_claim,entropy,natural,1,3,2,,\n"
            "a_claim,entropy,natural,2,1,3,,\n"
            "a_claim,entropy,natural,2,2,4,,\n"
            "a_claim,entropy,natural,2,3,,,\n");
}

TEST(Tables, AMapWithoutRowsIsOfNoHead) {
  Record record = measured();
  record.model.layers = 0;
  record.measurement.metrics.clear();
  record.measurement.maps = {{"entropy", "natural", "a title", {}, {}}};
  EXPECT_EQ(heads_csv({record}), "claim,metric,inputs,layer,head,value,low,high\n");
}

TEST(Tables, ARunWithoutRecordsLeavesTheColumns) {
  EXPECT_EQ(metrics_csv({}), "claim,metric,inputs,where,value,low,high,n\n");
}

TEST(Csv, QuotesWhatWouldBreakARow) {
  EXPECT_EQ(csv_cell("plain text"), "plain text");
  EXPECT_EQ(csv_cell("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_cell("say \"no\""), "\"say \"\"no\"\"\"");
  EXPECT_EQ(csv_cell("two\nlines"), "\"two\nlines\"");
}

}  // namespace
}  // namespace replicate::report
