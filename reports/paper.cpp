#include "reports/paper.h"

#include "base/yaml.h"

namespace replicate::report {
namespace {

double threshold(const Yaml& yaml, double sink_excess) {
  return yaml.text() == "sink_excess" ? sink_excess : yaml.real();
}

ChainLink read_link(const Yaml& yaml, double sink_excess) {
  yaml.allow({"name", "says", "claim", "metric", "panel_claim", "panel", "log_y", "curves", "thresholds"});
  ChainLink link{yaml.at("name").text(),
                 yaml.at("says").text(),
                 yaml.at("claim").text(),
                 yaml.at("metric").text(),
                 yaml.text_or("panel_claim", yaml.at("claim").text()),
                 yaml.at("panel").text(),
                 yaml.flag_or("log_y", false),
                 {},
                 {}};
  for (const auto& [series, label] : yaml.at("curves").entries()) link.curves.push_back({series, "", label.text()});
  if (const auto thresholds = yaml.find("thresholds")) {
    for (const auto& [label, value] : thresholds->entries())
      link.thresholds.emplace_back(label, threshold(value, sink_excess));
  }
  return link;
}

ChainArrow read_arrow(const Yaml& yaml) {
  yaml.allow({"links", "says", "claim", "metric"});
  return {yaml.at("links").text(), yaml.at("says").text(), yaml.at("claim").text(), yaml.at("metric").text()};
}

}  // namespace

const Paper& paper() {
  static const Paper kPaper = read_paper(std::string(kPaperYaml), "configs/paper.yaml");
  return kPaper;
}

Paper read_paper(const std::string& text, const std::string& file) {
  const Yaml yaml = Yaml::parse_file(text, file);
  yaml.allow({"title", "subtitle", "year", "arxiv", "bibtex", "sink_excess", "links", "arrows", "beyond", "glossary"});
  Paper paper{yaml.at("title").text(),
              yaml.at("subtitle").text(),
              yaml.at("year").integer(),
              yaml.at("sink_excess").real(),
              yaml.at("arxiv").text(),
              yaml.at("bibtex").text(),
              {},
              {},
              {},
              {}};
  for (const Yaml& link : yaml.at("links").items()) paper.links.push_back(read_link(link, paper.sink_excess));
  for (const Yaml& arrow : yaml.at("arrows").items()) paper.arrows.push_back(read_arrow(arrow));
  for (const Yaml& claim : yaml.at("beyond").items()) paper.beyond.push_back(claim.text());
  for (const auto& [term, meaning] : yaml.at("glossary").entries()) paper.glossary.emplace_back(term, meaning.text());
  return paper;
}

}  // namespace replicate::report
