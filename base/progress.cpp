#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <iostream>

#include "base/terminal.h"

namespace replicate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBarSeconds = 0.1;     // between two drawings of the bar
constexpr double kLineSeconds = 5;      // between two plain lines
constexpr double kEstimateSeconds = 1;  // no estimate before this much was seen
constexpr int kBarWidth = 24;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr double kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kYear = 365 * kDay;

/// "3 min 05 s" of two units, the smaller one with two digits.
std::string two_units(double seconds, double large, const char* large_name, double small, const char* small_name) {
  const auto parts = std::llround(seconds / small);
  const auto in_large = std::llround(large / small);
  const std::string rest = std::to_string(parts % in_large);
  return std::to_string(parts / in_large) + large_name + (rest.size() < 2 ? "0" : "") + rest + small_name;
}

/// The current stage: how far it is and how long it takes.
class Stage {
 public:
  void begin(const std::string& name, double total) {
    name_ = name;
    total_ = total;
    done_ = 0;
    start_ = Clock::now();
  }
  void advance(double done) { done_ += done; }

  const std::string& name() const { return name_; }
  double seconds() const { return seconds_since(start_); }
  double fraction() const { return total_ > 0 ? std::clamp(done_ / total_, 0.0, 1.0) : 0; }

  bool finished() const { return fraction() > 0.999; }  // sums of many parts round

  std::string percent() const { return std::to_string(static_cast<int>(std::floor(100 * fraction()))) + "%"; }

  /// ", about 12 s left"; empty while too little is done to say.
  std::string estimate() const {
    if (seconds() < kEstimateSeconds || fraction() <= 0) return {};
    return ", about " + duration_text(seconds() * (1 - fraction()) / fraction()) + " left";
  }

 private:
  std::string name_;
  double total_ = 0, done_ = 0;
  Clock::time_point start_ = Clock::now();
};

/// True at most once in so many seconds.
class Pace {
 public:
  explicit Pace(double seconds) : seconds_(seconds) {}
  void restart() { last_ = Clock::now(); }
  bool due() {
    if (seconds_since(last_) < seconds_) return false;
    restart();
    return true;
  }

 private:
  double seconds_;
  Clock::time_point last_ = Clock::now();
};

class BarProgress : public Progress {
 public:
  BarProgress(std::ostream& out, int columns) : out_(out), columns_(columns) {}
  ~BarProgress() override { clear(); }

  void begin(const std::string& stage, double total) override {
    stage_.begin(stage, total);
    draw();
  }
  void advance(double done) override {
    stage_.advance(done);
    if (pace_.due()) draw();
  }
  void end() override { clear(); }
  void line(const std::string& text) override {
    clear();
    out_ << text << std::endl;
  }

 private:
  void draw() {
    const int filled = static_cast<int>(std::lround(kBarWidth * stage_.fraction()));
    const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
    std::string text = "[" + bar + "] " + stage_.percent() + " " + stage_.name() + stage_.estimate();
    text.resize(std::min(text.size(), static_cast<size_t>(columns_ - 1)));
    out_ << "\r\033[K" << text << std::flush;
    drawn_ = true;
  }
  void clear() {
    if (drawn_) out_ << "\r\033[K" << std::flush;
    drawn_ = false;
  }

  std::ostream& out_;
  int columns_;
  Stage stage_;
  Pace pace_{kBarSeconds};
  bool drawn_ = false;
};

class LineProgress : public Progress {
 public:
  explicit LineProgress(std::ostream& out) : out_(out) {}

  void begin(const std::string& stage, double total) override {
    stage_.begin(stage, total);
    pace_.restart();
    line(stage);
  }
  void advance(double done) override {
    stage_.advance(done);
    if (pace_.due()) line(stage_.name() + ": " + stage_.percent() + stage_.estimate());
  }
  void end() override {
    const std::string how = stage_.finished() ? "done" : "stopped at " + stage_.percent();
    line(stage_.name() + ": " + how + " after " + duration_text(stage_.seconds()));
  }
  void line(const std::string& text) override { out_ << text << std::endl; }

 private:
  std::ostream& out_;
  Stage stage_;
  Pace pace_{kLineSeconds};
};

}  // namespace

std::string duration_text(double seconds) {
  if (std::round(seconds) < kMinute) return std::to_string(std::llround(seconds)) + " s";
  if (std::round(seconds) < kHour) return two_units(seconds, kMinute, " min ", 1, " s");
  if (seconds < 2 * kDay) return two_units(seconds, kHour, " h ", kMinute, " min");
  if (seconds < 2 * kYear) return std::to_string(std::llround(seconds / kDay)) + " days";
  return std::to_string(std::llround(seconds / kYear)) + " years";
}

std::string duration_range_text(double low, double high) {
  constexpr std::array<std::pair<double, const char*>, 5> kUnits{
      {{1, " s"}, {kMinute, " min"}, {kHour, " h"}, {kDay, " days"}, {kYear, " years"}}};
  size_t unit = 0;
  while (unit + 1 < kUnits.size() && high >= 2 * kUnits[unit + 1].first) ++unit;
  const auto& [seconds, name] = kUnits[unit];
  const auto from = std::to_string(std::llround(low / seconds)), to = std::to_string(std::llround(high / seconds));
  return (from == to ? "about " : from + " to ") + to + name;
}

std::unique_ptr<Progress> make_progress() { return make_progress(std::cerr, terminal_columns(STDERR_FILENO)); }

std::unique_ptr<Progress> make_progress(std::ostream& out, int columns) {
  if (columns > 1) return std::make_unique<BarProgress>(out, columns);
  return std::make_unique<LineProgress>(out);
}

}  // namespace replicate
