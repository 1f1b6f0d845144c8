// What NCCL wrote of this process. Private to this folder.
#pragma once

#include <map>
#include <string>

#include "core/run_record.hpp"

namespace fabricheck::collectives::nccl {

/// The facts in it, as a check's path tells them; none of an empty name or an unreadable file. A file that
/// has not grown is not read again.
std::map<std::string, Parameter> captured_facts(const std::string& file);

}  // namespace fabricheck::collectives::nccl
