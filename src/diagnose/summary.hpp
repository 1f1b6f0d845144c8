// What the observations tell, in words. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "diagnose/context.hpp"

namespace fabricheck::diagnose {

std::vector<std::string> what_was_seen(const Context& context);
std::vector<NotTested> what_was_not_seen(const Context& context);

/// Whether enough of a start or of a measurement was seen to say that it was well, should no rule object.
bool saw_enough(const Context& context);

}  // namespace fabricheck::diagnose
