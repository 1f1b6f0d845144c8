// Work that may hang, in a child that is given up at its deadline and remembered where it cannot be killed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/node_state.hpp"
#include "process/child.hpp"

namespace fabricheck::node {

struct IsolatedAnswer {
  std::optional<std::string> text;  ///< all that the work wrote, where it came to its end
  std::string so_far;               ///< what it wrote before it hung or broke
  std::string problem;              ///< why there is no text, a part of a sentence
  bool hung{};                      ///< it was given all of `deadline`, or hangs since an earlier visit
  bool stuck{};                     ///< now or since an earlier visit: the child cannot be killed
};

class Isolation {
 public:
  /// `stuck` are the children that earlier visits of this boot left behind; those that are gone are
  /// forgotten.
  Isolation(std::vector<StuckProbe> stuck, double now_unix_s, const Deadline& whole);

  /// Runs `work` with a pipe to write to. Takes at most `deadline`, at most what is left of the whole, and a
  /// moment for killing. A probe that is stuck is not run again.
  IsolatedAnswer run(const std::string& probe, std::chrono::milliseconds deadline,
                     const std::function<void(int)>& work);

  /// Since when the probe is stuck; nothing: it is not.
  std::optional<double> stuck_since(const std::string& probe) const;

  void add_stuck(const std::string& probe, const process::ProcessId& child);

  const std::vector<StuckProbe>& stuck() const { return stuck_; }

  std::chrono::milliseconds left() const { return whole_.left(); }

 private:
  std::vector<StuckProbe> stuck_;
  double now_unix_s_;
  Deadline whole_;
};

}  // namespace fabricheck::node
