#include "core/verdict.hpp"

#include <array>
#include <utility>

namespace fabricheck {
namespace {

constexpr std::array<std::pair<Verdict, std::string_view>, 6> names{{{Verdict::pass, "PASS"},
                                                                     {Verdict::fail, "FAIL"},
                                                                     {Verdict::inconclusive, "INCONCLUSIVE"},
                                                                     {Verdict::error, "ERROR"},
                                                                     {Verdict::skipped, "SKIPPED"},
                                                                     {Verdict::unchecked, "UNCHECKED"}}};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  for (const auto& [value, name] : names)
    if (value == verdict) return name;
  return "ERROR";
}

std::optional<Verdict> verdict_from_name(std::string_view name) {
  for (const auto& [value, known] : names)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace fabricheck
