// What is looked at on a node beside its devices. Every probe takes a root folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts.hpp"
#include "node/isolation.hpp"

namespace fabricheck::node {

/// Each file system in a child of its own: a mount whose server is gone hangs whoever looks at it. Where
/// `sysroot` is not "/" only what its mount table tells is known.
std::vector<FileSystemFact> look_at_file_systems(const std::string& sysroot,
                                                 const std::vector<FileSystemRule>& rules,
                                                 Isolation& isolation);

SharedMemoryFact look_at_shared_memory(const std::string& sysroot);

/// By adjtimex, which asks no daemon.
ClockFact look_at_clock(const std::string& sysroot);

/// /dev/kmsg, or else var/log/kern.log below `sysroot`, from `position` on.
KernelLogFact read_kernel_log(const std::string& sysroot, const std::optional<LogPosition>& position);

/// The XID or SXid that a message of the kernel begins with, "[TIME] " before it aside; nothing: it has none.
/// Messages that merely hold such words may be quoting a process, whose name is its user's to choose.
std::optional<KernelEvent> parse_kernel_event(std::string_view text);

/// Counters of the NICs by sysfs, and of the GPUs as the host has them.
std::vector<CounterFact> read_counters(const std::string& sysroot, const Host& host);

/// Sets per_hour from what the last visit saw. A counter that became smaller was reset.
void add_rates(std::vector<CounterFact>& counters, const NodeState& last, double now_unix_s);

/// What the next visit compares with: new where the old is an hour old, or more than there is now.
void move_bases(std::map<std::string, CounterBase>& bases, const std::vector<CounterFact>& counters,
                double now_unix_s);

/// Of this boot; empty: not known.
std::string boot_id(const std::string& sysroot);

struct MountEntry {
  std::string path;
  std::string type;
  bool read_only{};
};
/// Of proc/self/mounts (fstab(5): blanks in paths are octal escapes).
std::vector<MountEntry> parse_mounts(std::string_view text);

}  // namespace fabricheck::node
