#pragma once

// The report as a tree of plain blocks: built once from records (content.h), printed as HTML and as
// Markdown. So both say the same, and neither printer knows what a claim is.

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "harness/record/head_maps.h"

namespace replicate::report {

/// A run of characters in one role. Text is raw here; printers escape it.
struct Span {
  enum class Kind {
    text,
    strong,
    code,
    muted,
    link,        ///< target: an anchor of this document ("#id") or a file beside it
    verdict,     ///< text: a verdict or an outcome, shown with its sign and colour
    sign,        ///< the same, shown by its sign alone where there is a colour to go with it
    line_break,  ///< text: empty
  };
  Kind kind = Kind::text;
  std::string text;
  std::string target = {};
  std::string hint = {};  ///< what a pointer that rests on it shows; nothing a reader must know
};
using Line = std::vector<Span>;

namespace span {
inline Span text(std::string words) { return {Span::Kind::text, std::move(words)}; }
inline Span strong(std::string words) { return {Span::Kind::strong, std::move(words)}; }
inline Span code(std::string words) { return {Span::Kind::code, std::move(words)}; }
inline Span muted(std::string words) { return {Span::Kind::muted, std::move(words)}; }
inline Span verdict(std::string word) { return {Span::Kind::verdict, std::move(word)}; }
inline Span sign(std::string word) { return {Span::Kind::sign, std::move(word)}; }
inline Span line_break() { return {Span::Kind::line_break, ""}; }
inline Span link(std::string words, std::string target) {
  return {Span::Kind::link, std::move(words), std::move(target)};
}
}  // namespace span

inline void append(Line& line, const Line& more) { line.insert(line.end(), more.begin(), more.end()); }

struct Block;
using Blocks = std::vector<Block>;

struct Paragraph {
  enum class Role { plain, lead, facts, note, warning, quote };
  Line line;
  Role role = Role::plain;
};

struct Subheading {
  std::string title;
};

struct Column {
  enum class Role { text, number, code };
  std::string title;
  Role role = Role::text;
};

struct Table {
  std::string label;  ///< what it holds, for people who do not see it
  std::vector<Column> columns;
  std::vector<std::vector<Line>> rows;
};

/// Short tables that stand beside each other where there is room, and fit a screen.
struct Board {
  struct Group {
    std::string title;
    std::vector<std::vector<Line>> rows;
  };
  std::string label;
  std::vector<Column> columns;
  std::vector<Group> groups;
};

/// Steps of one way, each with what became of it, in the order in which one leads to the next.
struct Steps {
  struct Step {
    std::string name, verdict;
    std::string target;  ///< a link's
    Line note;
  };
  std::string label;
  std::vector<Step> steps;
};

/// Values of one layer, chosen by a slider where the page can have one.
struct LayerTable {
  struct Row {
    std::vector<Line> cells;          ///< of the columns
    std::vector<std::string> values;  ///< by layer, from 1; the last column
  };
  std::string label;
  std::vector<Column> columns;   ///< but the last
  size_t layers = 0, shown = 0;  ///< how many; the one shown at first
  std::vector<Row> rows;
};

/// A part of a drawing, in its pixels.
struct Window {
  double left = 0, top = 0, width = 0, height = 0;
};

/// What a panel plots, in numbers: for a reader who points at it.
struct Plotted {
  struct Curve {
    std::string label, colour;
    std::vector<std::array<double, 4>> points;  ///< x, y and the ends of y's interval, NaN where it has none
  };
  std::string x;  ///< name of the axis
  bool log_x = false;
  double low = 0, high = 0;  ///< x at its left and at its right end
  Window area = {};          ///< what the axes enclose
  std::vector<Curve> curves;
};

/// A drawing with its panels.
struct Figure {
  enum class Kind {
    plots,  ///< panels in a grid, row by row, that HTML may lay out anew on narrow screens
    maps,   ///< the same, and colours are data
    page,   ///< panels above each other that belong together
  };
  std::string drawing;              ///< its file beside the report, without ".svg"
  std::vector<std::string> panels;  ///< their titles
  Line caption;
  Kind kind = Kind::plots;
  std::vector<Window> windows = {};   ///< where each panel is; empty: in cells of one size, row by row. Where
                                      ///< they do not fill the drawing, it is shown whole
  std::vector<Plotted> plotted = {};  ///< by panel; empty: no reader can point at them
  size_t first = 0;                   ///< panels before this one are shown by an earlier figure of the same drawing
  size_t count = SIZE_MAX;
};

/// Attention maps of single heads; the reader chooses layer, head and text where the page can have that.
struct MapChooser {
  HeadMaps maps;
  Line caption;
};

struct Listing {
  std::string code;
};

struct Bullets {
  std::vector<Line> items;
};

struct Definitions {
  std::vector<std::pair<std::string, Line>> entries;
};

struct Fold {
  std::string title;
  Blocks blocks;
  bool open = false;  ///< until the reader closes it
};

struct Section {
  std::string anchor;
  Line title;
  Blocks blocks;
  std::string label = {};    ///< in the contents; empty: the title's first words
  std::string verdict = {};  ///< of a claim's section, which may be a page of its own
};

struct Block {
  std::variant<Paragraph, Subheading, Table, Board, Steps, LayerTable, Figure, MapChooser, Listing, Bullets,
               Definitions, Fold, Section>
      content;
};

inline void append(Blocks& blocks, const Blocks& more) { blocks.insert(blocks.end(), more.begin(), more.end()); }

inline Block paragraph(Line line, Paragraph::Role role = Paragraph::Role::plain) {
  return {Paragraph{std::move(line), role}};
}

struct Document {
  std::string title;
  Blocks blocks;
};

}  // namespace replicate::report
