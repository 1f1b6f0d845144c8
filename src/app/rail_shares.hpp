// What rails take from each other: each at once with the others, held against itself alone. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/finding.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// Rails that share nothing reach all of it at once. Two measurements of a sound machine differ by up to the
/// 5 % that targets allow, and here there are two: what is below with its whole interval is no noise.
inline constexpr double clear_share_percent = 90.0;

/// The records of rails at once that were also measured alone, with what that says in their path: "alone",
/// the figure alone in the check's unit, "share_of_alone_percent", and its interval "…_low" and "…_high"
/// where both figures have one. Of a time and the bandwidth that presents it, the bandwidth.
std::vector<CheckRecord> compare_rails(std::span<const CheckRecord> checks);

/// "nccl-rails-interfere": rails whose share is below clear_share_percent with all of its interval; one
/// finding for all of them. `checks` have what compare_rails() says.
std::vector<Finding> rail_findings(std::span<const CheckRecord> checks);

}  // namespace fabricheck::app
