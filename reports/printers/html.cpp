#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <span>
#include <sstream>

#include "base/base64.h"
#include "base/number_text.h"
#include "base/run_folder.h"
#include "base/sha256.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/plots/plot_script.h"
#include "reports/printers/page_parts.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// As it stands between the tags, which is what its hash covers.
std::string script() { return "\n" + std::string(kScript); }

/// Nothing is fetched, and nothing runs but this program's own script, whatever got into a record or a plot.
std::string policy() {
  return "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-" +
         base64(sha256(script())) + "'";
}

/// Long metric names may break after an underscore.
std::string breakable(std::string html) {
  replace_all(html, "_", "_<wbr>");
  return html;
}

std::string icon_of(const std::string& word) {
  return "<svg aria-hidden=\"true\"><use href=\"#icon-" + look_of(word).icon + "\"/></svg>";
}

std::string badge(const std::string& word) {
  return "<span class=\"verdict " + look_of(word).icon + "\">" + icon_of(word) + escape_html(word) + "</span>";
}

/// Links are relative to the run's folder; a page in a claim's folder takes its own name off them.
std::string target_from(const std::string& place, const std::string& target) {
  return escape_url(!place.empty() && target.starts_with(place) ? target.substr(place.size()) : target);
}

/// An icon alone; its word is there for those who do not see it.
std::string sign(const std::string& word) {
  return "<span class=\"sign " + look_of(word).icon + "\" title=\"" + escape_html(word) + "\">" + icon_of(word) +
         "<span class=\"unseen\">" + escape_html(word) + "</span></span>";
}

std::string print_words(const Span& span, const std::string& place) {
  const std::string words = escape_html(span.text);
  switch (span.kind) {
    case Span::Kind::strong: return "<strong>" + words + "</strong>";
    case Span::Kind::code: return "<code>" + breakable(words) + "</code>";
    case Span::Kind::muted: return "<span class=\"muted\">" + words + "</span>";
    case Span::Kind::link: return "<a href=\"" + target_from(place, span.target) + "\">" + breakable(words) + "</a>";
    case Span::Kind::verdict: return badge(span.text);
    case Span::Kind::sign: return sign(span.text);
    case Span::Kind::line_break: return "<br>";
    case Span::Kind::text: break;
  }
  return words;
}

std::string print(const Span& span, const std::string& place) {
  const std::string words = print_words(span, place);
  return span.hint.empty() ? words : "<span title=\"" + escape_html(span.hint) + "\">" + words + "</span>";
}

/// For report.js, which reads it as `dataset`.NAME.
std::string json_attribute(const std::string& name, const nlohmann::json& json) {
  return " data-" + name + "=\"" + escape_html(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) +
         "\"";
}

// ---- plots ------------------------------------------------------------------------------------------

/// What stands between <svg ...> and </svg>, and the drawing's size.
struct Drawing {
  std::string body;
  double width = 0, height = 0;
};

/// What gnuplot draws with; scripts, links, styles and the elements of HTML are not among them.
bool is_drawn(std::string_view element) {
  constexpr std::array<std::string_view, 16> kElements = {
      "circle", "defs",    "desc",    "feComposite", "feFlood", "filter", "g",     "image",
      "path",   "pattern", "polygon", "rect",        "text",    "title",  "tspan", "use"};
  return std::ranges::find(kElements, element) != kElements.end();
}

/// Nothing but name = 'value', and no name of an event.
bool are_plain_attributes(std::string_view text) {
  static const std::regex kName(R"([ \n\t]+(?!on)[a-z][a-z0-9:-]*[ \n\t]*=[ \n\t]*)", std::regex::icase);
  constexpr size_t kLongestName = 80;
  for (size_t quote; (quote = text.find_first_of("'\"")) != std::string_view::npos;) {
    const size_t end = text.find(text[quote], quote + 1);
    if (end == std::string_view::npos || quote > kLongestName) return false;
    if (!std::regex_match(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(quote), kName)) return false;
    text.remove_prefix(end + 1);
  }
  return text.find_first_not_of(" \n\t/") == std::string_view::npos;
}

/// A folder of a run may come from anywhere: what is drawn in it must stay a drawing on the page, every element closed.
bool is_only_drawn(std::string_view svg) {
  std::vector<std::string_view> open;
  for (size_t start; (start = svg.find('<')) != std::string_view::npos;) {
    const size_t end = svg.find('>', start);
    if (end == std::string_view::npos) return false;
    const bool closes = svg[start + 1] == '/', empty = svg[end - 1] == '/';
    const auto tag = svg.substr(start + 1 + closes, end - start - 1 - closes);
    const auto element = tag.substr(0, tag.find_first_of(" \n\t/"));
    const bool in_words =
        !open.empty() && (open.back() == "desc" || open.back() == "title");  // there HTML is read as HTML
    if (!is_drawn(element) || !are_plain_attributes(tag.substr(element.size())) || (in_words && !closes)) return false;
    if (closes && (open.empty() || open.back() != element)) return false;
    if (closes) open.pop_back();
    if (!closes && !empty) open.push_back(element);
    svg.remove_prefix(end + 1);
  }
  return open.empty();
}

std::optional<Drawing> parse_drawing(const std::string& svg) {
  std::smatch match;
  static const std::regex kViewBox(R"(<svg[^>]*viewBox=['"]0 0 ([0-9]{1,9}) ([0-9]{1,9})['"][^>]*>)");
  const size_t end = svg.rfind("</svg>");
  const std::string opening = svg.substr(0, 1000);
  if (!std::regex_search(opening, match, kViewBox) || end == std::string::npos) return std::nullopt;
  const auto start = static_cast<size_t>(match.position(0) + match.length(0));
  if (start > end || !is_only_drawn(std::string_view(svg).substr(start, end - start))) return std::nullopt;
  return Drawing{svg.substr(start, end - start), std::stod(match[1]), std::stod(match[2])};
}

/// gnuplot gives every drawing the same ids; in one page they must differ.
void make_ids_unique(std::string& body, const std::string& prefix) {
  constexpr std::array<std::string_view, 6> kReferences = {" id='", " id=\"", "href='#", "href=\"#", "url(#", "url('#"};
  for (const std::string_view reference : kReferences) replace_all(body, reference, std::string(reference) + prefix);
}

/// Black ink follows the page's colour, so that a plot can be read on dark ground.
void use_page_ink(std::string& body) {
  for (const char* attribute : {"fill", "stroke"})
    for (const char* quote : {"'", "\""})
      replace_all(body, std::string(attribute) + "=" + quote + "black" + quote,
                  std::string(attribute) + "=" + quote + "currentColor" + quote);
  replace_all(body, " color=\"black\"", "");
}

// ---- plots in numbers -------------------------------------------------------------------------------

double with_digits(double value, int digits) { return std::strtod(significant_text(value, digits).c_str(), nullptr); }

/// [x, y] or [x, y, low, high], with as many digits as a reader can use; x may be a count of tokens.
nlohmann::json point_json(const std::array<double, 4>& point) {
  auto json = nlohmann::json::array({with_digits(point[0], 12)});
  for (size_t i = 1; i < point.size(); ++i)
    if (std::isfinite(point[i])) json.push_back(with_digits(point[i], 5));
  return json;
}

nlohmann::json plot_json(const Plotted& plot) {
  nlohmann::json curves = nlohmann::json::array();
  for (const auto& curve : plot.curves) {
    nlohmann::json points = nlohmann::json::array();
    for (const auto& point : curve.points) points.push_back(point_json(point));
    curves.push_back({{"label", curve.label}, {"colour", curve.colour}, {"points", std::move(points)}});
  }
  return {{"x", plot.x},
          {"log", plot.log_x},
          {"ends", {plot.low, plot.high}},
          {"area", {plot.area.left, plot.area.top, plot.area.width, plot.area.height}},
          {"curves", std::move(curves)}};
}

/// What report.js shows under the pointer.
std::string plots_attribute(const std::vector<Plotted>& plots) {
  if (plots.empty()) return "";
  nlohmann::json all = nlohmann::json::array();
  for (const Plotted& plot : plots) all.push_back(plot_json(plot));
  return json_attribute("plots", all);
}

/// A part of a drawing that is shown by itself.
struct View {
  std::string label;
  Window window;
  std::vector<Plotted> plots;  ///< in it
};

std::string print_view(const View& view, const std::string& id) {
  const Window& window = view.window;
  std::ostringstream out;
  out << "<svg role=\"img\" aria-label=\"Plot: " << escape_html(view.label) << "\" viewBox=\"" << window.left << " "
      << window.top << " " << window.width << " " << window.height << "\"" << plots_attribute(view.plots)
      << "><use href=\"#" << id << "\"/></svg>\n";
  return out.str();
}

std::vector<Window> equal_windows(const Drawing& drawing, size_t count) {
  const Grid grid = panel_grid(count);
  const Cells cells{grid, drawing.width / static_cast<double>(grid.columns),
                    drawing.height / static_cast<double>(grid.rows)};
  std::vector<Window> windows;
  for (size_t i = 0; i < count; ++i) windows.push_back({cells.left(i), cells.top(i), cells.width, cells.height});
  return windows;
}

/// Whether they fill the drawing: one of an earlier version is laid out otherwise.
bool fill(const std::vector<Window>& windows, const Drawing& drawing) {
  double right = 0, bottom = 0;
  for (const Window& window : windows) {
    right = std::max(right, window.left + window.width);
    bottom = std::max(bottom, window.top + window.height);
  }
  return std::abs(right - drawing.width) <= 1 && std::abs(bottom - drawing.height) <= 1;
}

View whole(const Drawing& drawing, const Figure& figure, std::vector<Plotted> plots) {
  return {join(figure.panels, "; "), {0, 0, drawing.width, drawing.height}, std::move(plots)};
}

/// What is looked at one by one: panels, or the whole drawing where it is a page or is laid out otherwise.
std::vector<View> views_of(const Drawing& drawing, const Figure& figure) {
  const auto& panels = figure.panels;
  const bool own = !figure.windows.empty();
  if (figure.kind == Figure::Kind::page) return {whole(drawing, figure, figure.plotted)};
  if (panels.empty() || (own && !fill(figure.windows, drawing))) return {whole(drawing, figure, {})};
  const auto windows = own ? figure.windows : equal_windows(drawing, panels.size());
  std::vector<View> views;
  for (size_t i = 0; i < panels.size(); ++i) {
    views.push_back({panels[i], windows[i], {}});
    if (i < figure.plotted.size()) views.back().plots = {figure.plotted[i]};
  }
  return views;
}

std::string panels_class(const Figure& figure, size_t shown) {
  if (figure.kind == Figure::Kind::page) return "panels page";
  const std::string name = figure.kind == Figure::Kind::maps ? "panels maps" : "panels";
  return shown == 1 ? name + " single" : name;
}

/// A page keeps its width on narrow screens, and scrolls by keyboard, too.
constexpr const char* kScrollable = " role=\"region\" tabindex=\"0\" aria-label=\"Plots\"";

/// Ids and colours made the page's; not shown itself.
std::string hidden_drawing(Drawing drawing, const std::string& anchor) {
  make_ids_unique(drawing.body, anchor + "-");
  use_page_ink(drawing.body);
  return "<svg class=\"drawing\" aria-hidden=\"true\"><defs><g id=\"" + anchor + "-drawing\">" + drawing.body +
         "</g></defs></svg>\n";
}

/// Nothing where the figure that it goes on from has shown all there is.
std::string inline_drawing(const Drawing& drawing, const Figure& figure) {
  const std::string anchor = anchor_of(figure.drawing);
  const auto views = views_of(drawing, figure);
  if (figure.first >= views.size()) return "";
  const size_t end = figure.first + std::min(views.size() - figure.first, figure.count);
  std::string html = figure.first == 0 ? hidden_drawing(drawing, anchor) : "";
  html += "<div class=\"" + panels_class(figure, end - figure.first) +
          "\" style=\"--columns: " + std::to_string(panel_grid(views.size()).columns) + "\"" +
          (figure.kind == Figure::Kind::page ? kScrollable : "") + ">\n";
  for (size_t i = figure.first; i < end; ++i) html += print_view(views[i], anchor + "-drawing");
  return html + "</div>\n";
}

// ---- blocks -----------------------------------------------------------------------------------------

class HtmlPrinter {
 public:
  HtmlPrinter(std::filesystem::path folder, std::string place) : folder_(std::move(folder)), place_(std::move(place)) {}

  std::string print_document(const Document& document) {
    out_ << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         << "<meta http-equiv=\"Content-Security-Policy\" content=\"" << policy() << "\">\n"
         << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
         << escape_html(document.title) << "</title>\n<style>\n"
         << kStyleSheet
         << "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the "
            "content</a>\n"
         << kIcons;
    print_contents(document.blocks);
    out_ << "<main id=\"content\">\n<h1>" << escape_html(document.title) << "</h1>\n";
    print_blocks(document.blocks);
    out_ << "</main>\n<script>" << script() << "</script>\n</body>\n</html>\n";
    return out_.str();
  }

  void operator()(const Paragraph& paragraph) {
    using Role = Paragraph::Role;
    const std::string words = print(paragraph.line);
    if (paragraph.role == Role::quote) {
      out_ << "<blockquote><p>" << words << "</p></blockquote>\n";
    } else {
      out_ << "<p" << css_class(paragraph.role) << ">" << words << "</p>\n";
    }
  }

  void operator()(const Subheading& heading) { out_ << "<h3>" << escape_html(heading.title) << "</h3>\n"; }

  /// The wrapper scrolls by keyboard, too, should a table be wider than the page.
  void operator()(const Table& table) {
    open_table(table.label, table.columns);
    for (const auto& row : table.rows) print_row(table.columns, row);
    out_ << "</tbody></table></div>\n";
  }

  void operator()(const Board& board) {
    out_ << "<div class=\"board\" role=\"group\" aria-label=\"" << escape_html(board.label) << "\">\n";
    for (const auto& group : board.groups) {
      out_ << "<table><caption>" << escape_html(group.title) << "</caption>\n<thead class=\"unseen\"><tr>";
      for (const Column& column : board.columns) out_ << "<th scope=\"col\">" << escape_html(column.title) << "</th>";
      out_ << "</tr></thead>\n<tbody>\n";
      for (const auto& row : group.rows) print_row(board.columns, row);
      out_ << "</tbody></table>\n";
    }
    out_ << "</div>\n";
  }

  void operator()(const Steps& steps) {
    out_ << "<ol class=\"steps\" aria-label=\"" << escape_html(steps.label) << "\">\n";
    for (const auto& step : steps.steps) {
      const std::string name = escape_html(step.name);
      out_ << "<li class=\"" << look_of(step.verdict).icon << "\"><span class=\"name\">"
           << (step.target.empty() ? name : "<a href=\"" + escape_url(step.target) + "\">" + name + "</a>") << "</span>"
           << report::print(span::verdict(step.verdict), place_) << "<span class=\"note\">" << print(step.note)
           << "</span></li>\n";
    }
    out_ << "</ol>\n";
  }

  /// Without a script: the layer shown first, and no slider.
  void operator()(const LayerTable& layers) {
    const std::string shown = std::to_string(layers.shown);
    out_ << "<div class=\"layers\">\n<p class=\"fixed\">Layer " << shown
         << ".</p>\n<label class=\"control\" hidden>Layer "
         << "<input type=\"range\" min=\"1\" max=\"" << layers.layers << "\" value=\"" << shown << "\"> <output>"
         << shown << "</output> of " << layers.layers << "</label>\n";
    open_table(layers.label, layers.columns, "Value [95% interval]");
    for (const auto& row : layers.rows) {
      out_ << "<tr" << json_attribute("values", row.values) << ">";
      for (size_t i = 0; i < row.cells.size(); ++i) print_cell(layers.columns[i], print(row.cells[i]));
      print_cell({"Value"}, escape_html(layers.shown <= row.values.size() ? row.values[layers.shown - 1] : ""));
      out_ << "</tr>\n";
    }
    out_ << "</tbody></table></div>\n</div>\n";
  }

  void operator()(const Figure& figure) {
    const auto drawing = read_drawing(figure);
    if (!drawing && figure.first > 0) return;  // the figure that it goes on from has said so
    out_ << "<figure>\n";
    if (drawing) {
      out_ << inline_drawing(*drawing, figure);
    } else {
      out_ << "<p class=\"note\">The plot is missing: <code>" << escape_html(figure.drawing)
           << ".svg</code> was not written, or is none of gnuplot's.</p>\n";
    }
    out_ << "<figcaption>" << print(figure.caption) << "</figcaption>\n</figure>\n";
  }

  /// Without a script: where the numbers are.
  void operator()(const MapChooser& chooser) {
    const auto& maps = chooser.maps;
    const nlohmann::json json = {{"layers", maps.layers}, {"heads", maps.heads}, {"layer", maps.first_layer},
                                 {"passes", maps.passes}, {"texts", maps.texts}, {"shares", maps.shares}};
    out_ << "<figure class=\"chooser\"" << json_attribute("maps", json) << ">\n<figcaption>" << print(chooser.caption)
         << "</figcaption>\n</figure>\n";
  }

  void operator()(const Listing& listing) { out_ << "<pre><code>" << escape_html(listing.code) << "</code></pre>\n"; }

  void operator()(const Bullets& bullets) {
    out_ << "<ul>\n";
    for (const Line& item : bullets.items) out_ << "<li>" << print(item) << "</li>\n";
    out_ << "</ul>\n";
  }

  void operator()(const Definitions& definitions) {
    out_ << "<dl>\n";
    for (const auto& [term, meaning] : definitions.entries)
      out_ << "<dt>" << escape_html(term) << "</dt><dd>" << print(meaning) << "</dd>\n";
    out_ << "</dl>\n";
  }

  void operator()(const Fold& fold) {
    out_ << "<details" << (fold.open ? " open" : "") << "><summary>" << escape_html(fold.title) << "</summary>\n";
    print_blocks(fold.blocks);
    out_ << "</details>\n";
  }

  void operator()(const Section& section) {
    out_ << "<section id=\"" << section.anchor << "\"" << (section.verdict.empty() ? "" : " class=\"claim\"") << "><h2>"
         << print(section.title) << "</h2>\n";
    print_blocks(section.blocks);
    out_ << "</section>\n";
  }

 private:
  std::string print(const Line& line) const {
    std::string result;
    for (const Span& span : line)
      result += span.text.empty() && span.kind == Span::Kind::text ? "" : report::print(span, place_);
    return result;
  }

  /// Nothing for a page of one section.
  void print_contents(const Blocks& blocks) {
    std::vector<const Section*> sections;
    for (const Block& block : blocks)
      if (const auto* section = std::get_if<Section>(&block.content)) sections.push_back(section);
    if (sections.size() < 2) return;
    out_ << "<nav aria-label=\"Contents\"><details><summary>Contents</summary><ul>\n";
    for (const Section* section : sections) {
      const std::string& label = section->label.empty() ? section->title.front().text : section->label;
      const bool is_claim = !section->verdict.empty();
      out_ << "<li" << (is_claim ? " class=\"" + look_of(section->verdict).icon + "\"" : "") << "><a href=\"#"
           << section->anchor << "\">" << (is_claim ? icon_of(section->verdict) : "") << breakable(escape_html(label))
           << "</a></li>\n";
    }
    out_ << "</ul></details></nav>\n";
  }

  void open_table(const std::string& label, const std::vector<Column>& columns, const std::string& last = {}) {
    out_ << "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"" << escape_html(label)
         << "\"><table>\n<thead><tr>";
    for (const Column& column : columns)
      out_ << "<th scope=\"col\"" << number_class(column) << ">" << breakable(escape_html(column.title)) << "</th>";
    if (!last.empty()) out_ << "<th scope=\"col\">" << escape_html(last) << "</th>";
    out_ << "</tr></thead>\n<tbody>\n";
  }

  static std::string css_class(Paragraph::Role role) {
    using Role = Paragraph::Role;
    return role == Role::lead      ? " class=\"lead\""
           : role == Role::facts   ? " class=\"facts\""
           : role == Role::note    ? " class=\"note\""
           : role == Role::warning ? " class=\"warning\""
                                   : "";
  }

  static std::string number_class(const Column& column) {
    return column.role == Column::Role::number ? " class=\"number\"" : "";
  }

  static std::string cell_class(const Column& column, const std::string& html) {
    if (html.empty()) return " class=\"empty\"";
    return number_class(column);
  }

  /// Narrow screens lay label and <div> side by side.
  void print_cell(const Column& column, const std::string& html) {
    out_ << "<td" << cell_class(column, html) << " data-label=\"" << escape_html(column.title) << "\"><div>" << html
         << "</div></td>";
  }

  void print_row(const std::vector<Column>& columns, const std::vector<Line>& row) {
    out_ << "<tr>";
    for (size_t i = 0; i < row.size(); ++i) print_cell(columns[i], print(row[i]));
    out_ << "</tr>\n";
  }

  std::optional<Drawing> read_drawing(const Figure& figure) const {
    const auto path = folder_ / (figure.drawing + ".svg");
    if (!std::filesystem::exists(path)) return std::nullopt;
    return parse_drawing(read_text(path));
  }

  void print_blocks(const Blocks& blocks) {
    for (const Block& block : blocks) std::visit(*this, block.content);
  }

  std::filesystem::path folder_;
  std::string place_;
  std::ostringstream out_;
};

}  // namespace

std::string html_page(const Document& document, const std::filesystem::path& folder, const std::string& place) {
  return HtmlPrinter(folder, place).print_document(document);
}

std::string html_report(const std::vector<Record>& records, const std::filesystem::path& folder) {
  return html_page(report_content(records), folder);
}

}  // namespace replicate::report
