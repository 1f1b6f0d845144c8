// Words of failures that nobody had: in settings, help, code, training data and checks that found nothing.
#pragma once

#include <string_view>

namespace fabricheck::diagnose {

/// Whether a line that is none of NCCL's only speaks of the words between `before` and `rest`.
bool is_mentioned(std::string_view before, std::string_view rest);

}  // namespace fabricheck::diagnose
