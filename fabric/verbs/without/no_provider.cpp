// In place of ibverbs/ in a build without it.
#include "fabric/verbs/provider.hpp"

namespace fabricheck::verbs {

std::unique_ptr<Provider> system_provider() { return nullptr; }
const char* unavailable_reason() { return "built without verbs"; }

}  // namespace fabricheck::verbs
