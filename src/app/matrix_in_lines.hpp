// A matrix of `nvidia-smi topo -m` among other lines: scripts that gather what a node tells write all of it
// into one file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/topology_record.hpp"

namespace fabricheck::app {

/// The first matrix that can be read. Keeps a bounded number of lines, from the matrix's first one on.
class MatrixInLines {
 public:
  /// `file` is for the host's name and for what is wrong.
  explicit MatrixInLines(std::string file) : file_(std::move(file)) {}

  void look(std::string_view line, std::uint64_t number);
  /// No line follows.
  void finish();

  const std::optional<ClusterTopology>& topology() const { return topology_; }
  /// "FILE:LINE: …": why what looked like a matrix first is none. Empty where nothing did, or one was read.
  const std::string& problem() const { return problem_; }

 private:
  void keep(std::string_view line, std::uint64_t number);
  void read();

  std::string file_;
  std::string text_;
  std::uint64_t first_line_{}, next_line_{};
  std::size_t lines_since_row_{};
  bool has_header_{};
  std::optional<ClusterTopology> topology_;
  std::string problem_;
};

}  // namespace fabricheck::app
