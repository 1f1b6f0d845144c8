// What NCCL wrote of this process. Private to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "collectives/nccl/log.hpp"

namespace fabricheck::collectives::nccl {

/// How much has been written until now; 0 of an empty name or a file that is not there.
std::uint64_t captured_bytes(const std::string& file);

/// What the whole file says, or its first 4 MiB; nothing of an empty name or an unreadable file. A file that
/// has not grown is not read again.
NcclFacts captured_facts(const std::string& file);

/// What was written between two moments, or the first 4 MiB of it: where nothing else ran meanwhile, what was
/// said of what did.
NcclFacts captured_facts(const std::string& file, std::uint64_t from, std::uint64_t to);

}  // namespace fabricheck::collectives::nccl
