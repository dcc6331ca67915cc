#include <sstream>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

std::string print(const Span& span) {
  switch (span.kind) {
    case Span::Kind::strong: return "**" + escape_markdown(span.text) + "**";
    case Span::Kind::code: return markdown_code(span.text);
    case Span::Kind::link: return "[" + escape_markdown(span.text) + "](" + escape_url(span.target) + ")";
    case Span::Kind::verdict: return look_of(span.text).sign + " **" + escape_markdown(span.text) + "**";
    case Span::Kind::sign: return look_of(span.text).sign + " " + escape_markdown(span.text);
    case Span::Kind::line_break: return "<br>";
    default: return escape_markdown(span.text);
  }
}

/// Markdown sees no emphasis in "** words**": blanks move out of it.
Span without_outer_blanks(Span span, std::string& before, std::string& after) {
  while (!span.text.empty() && span.text.front() == ' ') before += ' ', span.text.erase(0, 1);
  while (!span.text.empty() && span.text.back() == ' ') after += ' ', span.text.pop_back();
  return span;
}

std::string print(const Line& line) {
  std::string result;
  for (const Span& span : line) {
    std::string before, after;
    const Span inner = without_outer_blanks(span, before, after);
    const bool printed = !inner.text.empty() || inner.kind == Span::Kind::line_break;
    result += before + (printed ? print(inner) : "") + after;
  }
  return result;
}

class MarkdownPrinter {
 public:
  std::string print_document(const Document& document) {
    out_ << "# " << escape_markdown(document.title) << "\n\n";
    print_blocks(document.blocks);
    return out_.str();
  }

  void operator()(const Paragraph& paragraph) {
    const bool quoted = paragraph.role == Paragraph::Role::quote || paragraph.role == Paragraph::Role::warning;
    out_ << (quoted ? "> " : "") << print(paragraph.line) << "\n\n";
  }

  void operator()(const Subheading& heading) { out_ << "### " << escape_markdown(heading.title) << "\n\n"; }

  void operator()(const Table& table) {
    for (const Column& column : table.columns) out_ << "| " << escape_markdown(column.title) << " ";
    out_ << "|\n";
    for (const Column& column : table.columns) out_ << (column.role == Column::Role::number ? "| ---: " : "| --- ");
    out_ << "|\n";
    for (const auto& row : table.rows) print_row(row);
    out_ << "\n";
  }

  void operator()(const Board& board) {
    for (const auto& group : board.groups) {
      (*this)(Subheading{group.title});
      (*this)(Table{group.title, board.columns, group.rows});
    }
  }

  void operator()(const Steps& steps) {
    size_t number = 0;
    for (const auto& step : steps.steps) {
      const Span name = step.target.empty() ? span::text(step.name) : span::link(step.name, step.target);
      out_ << ++number << ". " << print(Line{name, span::text(": "), span::verdict(step.verdict), span::text(" ")})
           << print(step.note) << "\n";
    }
    out_ << "\n";
  }

  /// Paper has no slider: the layer shown first.
  void operator()(const LayerTable& layers) {
    Table table{layers.label, layers.columns, {}};
    table.columns.push_back({"Layer " + std::to_string(layers.shown)});
    for (const auto& row : layers.rows) {
      table.rows.push_back(row.cells);
      table.rows.back().push_back({span::text(layers.shown <= row.values.size() ? row.values[layers.shown - 1] : "")});
    }
    (*this)(table);
  }

  /// The drawing is shown whole by the first figure that is about it.
  void operator()(const Figure& figure) {
    if (figure.first > 0) return;
    out_ << "![" << escape_markdown(join(figure.panels, "; ")) << "](" << escape_url(figure.drawing) << ".svg)\n\n"
         << print(figure.caption) << "\n\n";
  }

  /// What paper has no place for is in a file.
  void operator()(const MapChooser& chooser) { out_ << print(chooser.caption) << "\n\n"; }

  void operator()(const Listing& listing) {
    std::string code = clean_multiline(listing.code), fence = "```";
    while (code.find(fence) != std::string::npos) fence += '`';
    if (!code.empty() && code.back() == '\n') code.pop_back();
    out_ << fence << "\n" << code << "\n" << fence << "\n\n";
  }

  void operator()(const Bullets& bullets) {
    for (const Line& item : bullets.items) out_ << "- " << print(item) << "\n";
    out_ << "\n";
  }

  void operator()(const Definitions& definitions) {
    for (const auto& [term, meaning] : definitions.entries)
      out_ << "- **" << escape_markdown(term) << "**: " << print(meaning) << "\n";
    out_ << "\n";
  }

  void operator()(const Fold& fold) {
    out_ << "<details" << (fold.open ? " open" : "") << "><summary>" << escape_html(clean(fold.title))
         << "</summary>\n\n";
    print_blocks(fold.blocks);
    out_ << "</details>\n\n";
  }

  void operator()(const Section& section) {
    out_ << "<a id=\"" << section.anchor << "\"></a>\n\n## " << print(section.title) << "\n\n";
    print_blocks(section.blocks);
  }

 private:
  void print_blocks(const Blocks& blocks) {
    for (const Block& block : blocks) std::visit(*this, block.content);
  }

  void print_row(const std::vector<Line>& row) {
    for (const Line& cell : row) out_ << "| " << print(cell) << " ";
    out_ << "|\n";
  }

  std::ostringstream out_;
};

}  // namespace

std::string markdown_page(const Document& document) { return MarkdownPrinter().print_document(document); }

std::string markdown_report(const std::vector<Record>& records) { return markdown_page(report_content(records)); }

}  // namespace replicate::report
