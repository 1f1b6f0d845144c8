// What a failing completion, registration or event means, in one sentence. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "fabric/verbs/provider.hpp"

namespace fabricheck::verbs {

/// The field's own name, "IBV_WC_RETRY_EXC_ERR".
const char* status_name(CompletionStatus status);

/// What usually causes it, a part of a sentence.
const char* usual_cause(CompletionStatus status);

/// Where a completion came from.
struct Origin {
  std::string operation;  ///< "RC write of 8 B"
  std::string device;     ///< "mlx5_0 port 1"
  std::string peer;       ///< "node8, mlx5_0 port 1"
};

std::string completion_error(const Completion& completion, const Origin& origin);

/// `code` is errno, `text` its words; `locked_limit_bytes` is what this process may lock.
std::string registration_error(const std::string& device, std::uint64_t bytes, int code,
                               const std::string& text, std::uint64_t locked_limit_bytes);

/// Throws Unavailable where the device cannot do the transport ("mlx5_0 cannot do UC: ..."), Error where it
/// failed. `code` is errno of the queue pair that could not be made, 0 where the driver set none.
[[noreturn]] void throw_no_queue_pair(const std::string& device, Transport transport, int work_requests,
                                      int code, const std::string& text);

AsyncEvent describe_event(const std::string& device, const std::string& name, bool fatal,
                          AsyncEvent::About about, int port);

}  // namespace fabricheck::verbs
