// The alpha-beta model of every collective that was measured at enough sizes. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::app {

/// One fit per latency check, scope, group and variant: t = alpha + bytes / beta over the medians of its
/// sizes. Where there are fewer than three sizes, or time does not grow with them, there is none.
std::vector<Fit> alpha_beta_fits(std::span<const CheckRecord> checks);

}  // namespace fabricheck::app
