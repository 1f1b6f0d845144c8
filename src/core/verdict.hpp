// Verdicts and how they combine into the run's verdict and exit status.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fabricheck {

enum class Verdict { pass, fail, inconclusive, error, skipped, unchecked };

/// "PASS", "FAIL", "INCONCLUSIVE", "ERROR", "SKIPPED", "UNCHECKED".
std::string_view verdict_name(Verdict verdict);
/// Inverse of verdict_name; nullopt for anything else.
std::optional<Verdict> verdict_from_name(std::string_view name);

namespace exit_status {
inline constexpr int passed = 0;
inline constexpr int target_missed = 1;
inline constexpr int usage = 2;
inline constexpr int broken = 3;
inline constexpr int rank_lost = 4;
}  // namespace exit_status

}  // namespace fabricheck
