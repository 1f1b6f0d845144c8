#include "plan/variants.hpp"

#include <algorithm>
#include <cmath>

namespace fabricheck::plan {
namespace {

/// Those of `named` that a row has.
template <class T>
std::vector<T> known_to(const std::vector<T>& has, const std::vector<T>& named) {
  std::vector<T> known;
  for (const T one : named)
    if (std::find(has.begin(), has.end(), one) != has.end()) known.push_back(one);
  return known;
}

}  // namespace

std::vector<Variant> variants_of(const CheckRow& row, const Request& request) {
  const auto one_of = [](bool has, const auto& named, auto otherwise) {
    auto all = named;
    if (!has || all.empty()) all.assign(1, otherwise);
    return all;
  };
  std::vector<Variant> variants;
  for (const DataType type : one_of(row.typed, known_to(row.types, request.types), row.types.front()))
    for (const Reduction reduction :
         one_of(row.reduces, known_to(row.reductions, request.reductions), row.reductions.front()))
      for (const bool in_place : one_of(row.can_be_in_place, request.in_place, false))
        variants.push_back({type, reduction, in_place});
  return variants;
}

std::vector<Variant> other_variants(const CheckRow& row) {
  Request all;
  all.types = row.types;
  all.reductions = row.reductions;
  all.in_place = {false, true};
  std::vector<Variant> variants = variants_of(row, all);
  std::erase(variants, Variant{});
  return variants;
}

std::uint64_t other_variants_bytes(const CheckRow& row, const Request& request) {
  if (request.sizes.empty()) return row.variant_bytes;
  const auto distance = [&](std::uint64_t bytes) {
    return std::abs(std::log(static_cast<double>(bytes) / static_cast<double>(row.variant_bytes)));
  };
  return *std::min_element(
      request.sizes.begin(), request.sizes.end(),
      [&](std::uint64_t one, std::uint64_t other) { return distance(one) < distance(other); });
}

}  // namespace fabricheck::plan
