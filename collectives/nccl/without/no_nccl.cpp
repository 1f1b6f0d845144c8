#include "collectives/nccl/operation.hpp"
#include "collectives/nccl/settings.hpp"
#include "core/error.hpp"

namespace fabricheck::collectives::nccl {

const char* unavailable_reason() {
  const char* no_cuda = cuda::missing_runtime();
  return *no_cuda != 0 ? no_cuda : "built without NCCL";
}

void release_communicators(const Clock&, std::int64_t) {}

bool is_call_under_way() { return false; }

std::unique_ptr<TimedOperation> make_operation(const Row&, const std::shared_ptr<const Settings>&,
                                               const TimedRequest&) {
  throw Unavailable(unavailable_reason());
}

}  // namespace fabricheck::collectives::nccl
