#include "reports/plots/sheet.h"

#include <regex>

#include "base/number_text.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr const char* kCommonSettings = R"(set encoding utf8
set samples 2
set border 3 lc rgb '#777777'
set tics nomirror out scale 0.6 textcolor lt -1
set format '%g'
set grid ytics lc rgb '#B0B0B0' lw 0.6 dt (1,3)
set key left top vertical maxcols 1 Left reverse samplen 3.2 spacing 1.1
set ylabel offset 0,0
set xlabel offset 0,0.5
)";

constexpr double kPixelsPerInch = 96, kPointsPerInch = 72;

std::string svg_terminal(const Sheet& sheet) {
  return "set terminal svg size " + gnuplot_number(sheet.width) + "," + gnuplot_number(sheet.height) +
         " dynamic noenhanced font 'Sans," + gnuplot_number(sheet.font) + "'\n";
}

std::string pdf_terminal(const Sheet& sheet) {
  return "set terminal pdfcairo size " + gnuplot_number(sheet.width / kPixelsPerInch) + "in," +
         gnuplot_number(sheet.height / kPixelsPerInch) + "in noenhanced font 'Sans," +
         gnuplot_number(sheet.font * kPointsPerInch / kPixelsPerInch) + "'\n";
}

}  // namespace

std::string script_of(const Sheet& sheet, const std::string& file) {
  return sheet.data + (file.ends_with(".pdf") ? pdf_terminal(sheet) : svg_terminal(sheet)) + "set output " +
         gnuplot_quote(file) + "\n" + kCommonSettings + "set multiplot\n" + sheet.commands +
         "unset multiplot\nunset output\n";
}

std::string margins(const Sheet& sheet, const Frame& frame) {
  const auto x = [&](double pixels) { return gnuplot_number(pixels / sheet.width); };
  const auto y = [&](double pixels) { return gnuplot_number(1 - pixels / sheet.height); };
  return "set lmargin at screen " + x(frame.left) + "\nset rmargin at screen " + x(frame.right) +
         "\nset tmargin at screen " + y(frame.top) + "\nset bmargin at screen " + y(frame.bottom) + "\n";
}

std::string at_screen(const Sheet& sheet, double x, double y) {
  return "screen " + gnuplot_number(x / sheet.width) + "," + gnuplot_number(1 - y / sheet.height);
}

std::string gnuplot_number(double value) { return significant_text(value, 10); }

std::string clipped(const std::string& words, size_t longest) {
  const std::string whole = clean(words);
  if (display_width(whole) <= longest) return whole;
  if (longest < 2) return "";
  return wrap(whole, longest - 1).front() + "…";
}

std::string tidy_svg(std::string svg) {
  static const std::regex kTooltip("<title>[A-Za-z0-9_ ]*</title>");
  svg = std::regex_replace(svg, kTooltip, "");
  replace_all(svg, "font-family=\"Sans:Bold\"", "font-family=\"Sans\" font-weight=\"bold\"");
  replace_all(svg, "font-family=\":Bold\"", "font-family=\"Sans\" font-weight=\"bold\"");
  replace_all(svg, "font-family=\"Sans\"", "font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\"");
  replace_all(svg, "<image ", "<image style='image-rendering: pixelated' ");
  return svg;
}

}  // namespace replicate::report
