// How the budget is shared among planned checks. Pure.
#pragma once

#include "plan/plan.hpp"

namespace fabricheck::plan {

/// One rail, measured while the others rest: to hold all at once against, not to be judged.
bool is_rail_alone(const PlannedCheck& check);

/// Gives each check of the plan its budget and its repeats: see make_plan().
void share_budget(TestPlan& plan, const Request& request);

}  // namespace fabricheck::plan
