// NCCL's collectives as rows: needed with and without NCCL. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fabricheck::collectives::nccl {

/// One collective; everything about its checks follows. Formulas: collectives/bandwidth.hpp. The names are
/// those that platforms' figures have.
struct Row {
  const char* name;
  const char* call;  ///< for errors and descriptions
  std::uint64_t (*payload)(std::uint64_t, int, std::size_t);
  double (*bus_factor)(int);
  bool quick{};     ///< part of suite quick
  bool reduces{};   ///< has a reduction
  bool in_place{};  ///< can work in one buffer
};

const std::vector<Row>& rows();

}  // namespace fabricheck::collectives::nccl
