// What the options of `run` stand for.
#pragma once

#include "app/options.hpp"
#include "app/parsed_words.hpp"

namespace fabricheck::app {

/// `known` are the ids of all checks, which --only and --skip have to match. Throws UsageError.
RunOptions run_of(const ParsedWords& parsed, const Words& known);

}  // namespace fabricheck::app
