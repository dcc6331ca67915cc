#include "reports/tables.h"

#include <cmath>
#include <initializer_list>

#include "base/csv.h"
#include "base/number_text.h"
#include "harness/record/samples.h"

namespace replicate::report {
namespace {

std::string row(std::initializer_list<std::string> cells) {
  std::string line;
  for (const auto& cell : cells) line += csv_cell(cell) + ',';
  line.back() = '\n';
  return line;
}

std::string number(double value) { return std::isnan(value) ? "" : shortest_text(value); }
std::string number(const std::optional<double>& value) { return value ? number(*value) : ""; }

/// Of a band, which is empty or has a value per point.
std::string number(const std::vector<double>& band, size_t i) { return i < band.size() ? number(band[i]) : ""; }

std::string head_row(const std::string& claim, const Metric& metric) {
  const auto layer = metric.where.find("layer"), head = metric.where.find("head");
  if (layer == metric.where.end() || head == metric.where.end()) return "";
  return row({claim, metric.name, metric.inputs, std::to_string(layer->second), std::to_string(head->second),
              number(metric.value), number(metric.low), number(metric.high)});
}

bool is_layers_by_heads(const Map& map, const ModelRecord& model) {
  return !map.values.empty() && static_cast<int64_t>(map.values.size()) == model.layers &&
         static_cast<int64_t>(map.values.front().size()) == model.heads;
}

std::string head_rows(const std::string& claim, const Map& map) {
  std::string text;
  for (size_t layer = 0; layer < map.values.size(); ++layer) {
    for (size_t head = 0; head < map.values[layer].size(); ++head) {
      text += row({claim, map.name, map.inputs, std::to_string(layer + 1), std::to_string(head + 1),
                   number(map.values[layer][head]), "", ""});
    }
  }
  return text;
}

}  // namespace

std::string metrics_csv(const std::vector<Record>& records) {
  std::string text = "claim,metric,inputs,where,value,low,high,n\n";
  for (const Record& record : records) {
    for (const Metric& metric : record.measurement.metrics) {
      text += row({record.claim, metric.name, metric.inputs, where_text(metric.where), number(metric.value),
                   number(metric.low), number(metric.high), std::to_string(metric.n)});
    }
  }
  return text;
}

std::string curves_csv(const std::vector<Record>& records) {
  std::string text = "claim,curve,inputs,axis,x,value,low,high\n";
  for (const Record& record : records) {
    for (const Series& curve : record.measurement.series) {
      for (size_t i = 0; i < curve.x.size(); ++i) {
        text += row({record.claim, curve.name, curve.inputs, curve.axis, number(curve.x[i]), number(curve.y[i]),
                     number(curve.low, i), number(curve.high, i)});
      }
    }
  }
  return text;
}

std::string heads_csv(const std::vector<Record>& records) {
  std::string text = "claim,metric,inputs,layer,head,value,low,high\n";
  for (const Record& record : records) {
    for (const Metric& metric : record.measurement.metrics) text += head_row(record.claim, metric);
    for (const Map& map : record.measurement.maps) {
      if (is_layers_by_heads(map, record.model)) text += head_rows(record.claim, map);
    }
  }
  return text;
}

}  // namespace replicate::report
