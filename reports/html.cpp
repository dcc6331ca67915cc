#include <array>
#include <regex>
#include <sstream>

#include "harness/run_folder.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/html_style.h"
#include "reports/plot_script.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate {
namespace {

/// Nothing is fetched and nothing runs, whatever got into a record or a plot.
constexpr std::string_view kPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Long metric names may break after an underscore.
std::string breakable(std::string html) {
  replace_all(html, "_", "_<wbr>");
  return html;
}

std::string badge(const std::string& word) {
  const std::string icon = look_of(word).icon;
  return "<span class=\"verdict " + icon + "\"><svg aria-hidden=\"true\"><use href=\"#icon-" +
         icon + "\"/></svg>" + escape_html(word) + "</span>";
}

std::string print(const Span& span) {
  const std::string words = escape_html(span.text);
  switch (span.kind) {
    case Span::Kind::strong:
      return "<strong>" + words + "</strong>";
    case Span::Kind::code:
      return "<code>" + breakable(words) + "</code>";
    case Span::Kind::muted:
      return "<span class=\"muted\">" + words + "</span>";
    case Span::Kind::link:
      return "<a href=\"" + escape_url(span.target) + "\">" + breakable(words) + "</a>";
    case Span::Kind::verdict:
      return badge(span.text);
    case Span::Kind::line_break:
      return "<br>";
    case Span::Kind::text:
      break;
  }
  return words;
}

std::string print(const Line& line) {
  std::string result;
  for (const Span& span : line)
    result += span.text.empty() && span.kind == Span::Kind::text ? "" : print(span);
  return result;
}

// ---- plots ------------------------------------------------------------------------------------

/// What stands between <svg ...> and </svg>, and the drawing's size.
struct Drawing {
  std::string body;
  double width = 0, height = 0;
};

std::optional<Drawing> parse_drawing(const std::string& svg) {
  std::smatch match;
  static const std::regex kViewBox(R"(<svg[^>]*viewBox=['"]0 0 ([0-9.]+) ([0-9.]+)['"][^>]*>)");
  const size_t end = svg.rfind("</svg>");
  const std::string opening = svg.substr(0, 1000);
  if (!std::regex_search(opening, match, kViewBox) || end == std::string::npos) return std::nullopt;
  const auto start = static_cast<size_t>(match.position(0) + match.length(0));
  return Drawing{svg.substr(start, end - start), std::stod(match[1]), std::stod(match[2])};
}

/// gnuplot gives every drawing the same ids; in one page they must differ.
void make_ids_unique(std::string& body, const std::string& prefix) {
  constexpr std::array<std::string_view, 6> kReferences = {" id='",    " id=\"", "href='#",
                                                           "href=\"#", "url(#",  "url('#"};
  for (const std::string_view reference : kReferences)
    replace_all(body, reference, std::string(reference) + prefix);
}

/// Black ink follows the page's colour, so that a plot can be read on dark ground.
void use_page_ink(std::string& body) {
  for (const char* attribute : {"fill", "stroke"})
    for (const char* quote : {"'", "\""})
      replace_all(body, std::string(attribute) + "=" + quote + "black" + quote,
                  std::string(attribute) + "=" + quote + "currentColor" + quote);
  replace_all(body, " color=\"black\"", "");
}

std::string window_on(const Drawing& drawing, const Grid& grid, size_t panel, const std::string& id,
                      const std::string& label) {
  const double width = drawing.width / static_cast<double>(grid.columns);
  const double height = drawing.height / static_cast<double>(grid.rows);
  const auto column = static_cast<double>(panel % grid.columns);
  const auto row = static_cast<double>(panel / grid.columns);
  std::ostringstream out;
  out << "<svg role=\"img\" aria-label=\"" << escape_html(label) << "\" viewBox=\""
      << column * width << " " << row * height << " " << width << " " << height
      << "\"><use href=\"#" << id << "\"/></svg>\n";
  return out.str();
}

/// What is looked at one by one: panels, or the page that they make up.
std::vector<std::string> windows_of(const Figure& figure) {
  if (figure.kind != Figure::Kind::page) return figure.panels;
  return {join(figure.panels, "; ")};
}

std::string panels_class(const Figure& figure) {
  if (figure.kind == Figure::Kind::page) return "panels page";
  const std::string name = figure.kind == Figure::Kind::maps ? "panels maps" : "panels";
  return figure.panels.size() == 1 ? name + " single" : name;
}

/// A page keeps its width on narrow screens, and scrolls by keyboard, too.
constexpr const char* kScrollable = " role=\"region\" tabindex=\"0\" aria-label=\"Plots\"";

std::string inline_drawing(Drawing drawing, const Figure& figure) {
  const std::string anchor = anchor_of(figure.drawing), id = anchor + "-drawing";
  const std::vector<std::string> windows = windows_of(figure);
  const Grid grid = panel_grid(windows.size());
  make_ids_unique(drawing.body, anchor + "-");
  use_page_ink(drawing.body);
  std::string html = "<svg class=\"drawing\" aria-hidden=\"true\"><defs><g id=\"" + id + "\">" +
                     drawing.body + "</g></defs></svg>\n<div class=\"" + panels_class(figure) +
                     "\" style=\"--columns: " + std::to_string(grid.columns) + "\"" +
                     (figure.kind == Figure::Kind::page ? kScrollable : "") + ">\n";
  for (size_t i = 0; i < windows.size(); ++i)
    html += window_on(drawing, grid, i, id, "Plot: " + windows[i]);
  return html + "</div>\n";
}

// ---- blocks -----------------------------------------------------------------------------------

class HtmlPrinter {
 public:
  explicit HtmlPrinter(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string print_document(const Document& document) {
    out_ << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         << "<meta http-equiv=\"Content-Security-Policy\" content=\"" << kPolicy << "\">\n"
         << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
         << escape_html(document.title) << "</title>\n<style>" << kStyleSheet
         << "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#verdicts\">Skip to the "
            "verdicts</a>\n"
         << kIcons << "<main>\n<h1>" << escape_html(document.title) << "</h1>\n";
    print_blocks(document.blocks);
    out_ << "</main>\n</body>\n</html>\n";
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

  void operator()(const Subheading& heading) {
    out_ << "<h3>" << escape_html(heading.title) << "</h3>\n";
  }

  /// The wrapper scrolls by keyboard, too, should a table be wider than the page.
  void operator()(const Table& table) {
    out_ << "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\""
         << escape_html(table.label) << "\"><table>\n<thead><tr>";
    for (const Column& column : table.columns)
      out_ << "<th scope=\"col\"" << number_class(column) << ">"
           << breakable(escape_html(column.title)) << "</th>";
    out_ << "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) print_row(table.columns, row);
    out_ << "</tbody></table></div>\n";
  }

  void operator()(const Figure& figure) {
    const auto drawing = read_drawing(figure);
    out_ << "<figure>\n";
    if (drawing) {
      out_ << inline_drawing(*drawing, figure);
    } else {
      out_ << "<p class=\"note\">The plot is missing: <code>" << escape_html(figure.drawing)
           << ".svg</code> was not written.</p>\n";
    }
    out_ << "<figcaption>" << print(figure.caption) << "</figcaption>\n</figure>\n";
  }

  void operator()(const Listing& listing) {
    out_ << "<pre><code>" << escape_html(listing.code) << "</code></pre>\n";
  }

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
    out_ << "<details" << (fold.open ? " open" : "") << "><summary>" << escape_html(fold.title)
         << "</summary>\n";
    print_blocks(fold.blocks);
    out_ << "</details>\n";
  }

  void operator()(const Section& section) {
    out_ << "<section id=\"" << section.anchor << "\"><h2>" << print(section.title) << "</h2>\n";
    print_blocks(section.blocks);
    out_ << "</section>\n";
  }

 private:
  static std::string css_class(Paragraph::Role role) {
    using Role = Paragraph::Role;
    return role == Role::lead      ? " class=\"lead\""
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
  void print_row(const std::vector<Column>& columns, const std::vector<Line>& row) {
    out_ << "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string html = print(row[i]);
      out_ << "<td" << cell_class(columns[i], html) << " data-label=\""
           << escape_html(columns[i].title) << "\"><div>" << html << "</div></td>";
    }
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
  std::ostringstream out_;
};

}  // namespace

std::string html_page(const Document& document, const std::filesystem::path& folder) {
  return HtmlPrinter(folder).print_document(document);
}

std::string html_report(const std::vector<Record>& records, const std::filesystem::path& folder) {
  return html_page(report_content(records), folder);
}

}  // namespace replicate
