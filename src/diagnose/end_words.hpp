// How the ends of programs look that no phrase knows by name.
#pragma once

#include <string_view>

namespace fabricheck::diagnose {

/// Whether a line that is none of NCCL's looks like the end of a process or like a failure: an exception, a
/// fatal signal, a status that is not 0, a loss that is no number, what a tool says of broken hardware. What
/// it was of cannot be told, only that nobody can say "healthy" beside it.
bool looks_like_an_end(std::string_view line);

}  // namespace fabricheck::diagnose
