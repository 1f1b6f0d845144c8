// What NCCL wrote of this process. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "collectives/nccl/log.hpp"

namespace fabricheck::collectives::nccl {

/// While it lives NCCL also tells by which algorithm and protocol it makes each call. Lines in every call
/// cost time in every call, so it is for one that is not timed. Does nothing where `wanted` is false, nothing
/// is captured or this NCCL cannot: `reset_log` is Calls::reset_log. Of the ranks of a communicator the first
/// is the one that NCCL tells it on.
class ChoicesTold {
 public:
  ChoicesTold(void (*reset_log)(), const std::string& file, bool wanted);
  ~ChoicesTold();
  ChoicesTold(const ChoicesTold&) = delete;
  ChoicesTold& operator=(const ChoicesTold&) = delete;

 private:
  void (*reset_log_)();
  const std::string& file_;
  bool is_told_;
};

/// Removes the file and all its pieces, and their folder where nothing else is in it; with `keep_in`, a
/// folder, they stay there as one nccl.log: whether as a whole; nothing where there is none to keep.
std::optional<bool> put_log_away(const std::string& file, const std::string& keep_in);

/// How much has been written until now; 0 of an empty name or a file that is not there.
std::uint64_t captured_bytes(const std::string& file);

/// What the whole file says, or its first 4 MiB; nothing of an empty name or an unreadable file. A file that
/// has not grown is not read again.
NcclFacts captured_facts(const std::string& file);

/// What was written between two moments, or the first 4 MiB of it: where nothing else ran meanwhile, what was
/// said of what did.
NcclFacts captured_facts(const std::string& file, std::uint64_t from, std::uint64_t to);

}  // namespace fabricheck::collectives::nccl
