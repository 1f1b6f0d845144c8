// Where memory lies follows from where the thread runs that asks for it: moves the thread for a moment.
#pragma once

#include <sched.h>

#include <string>

namespace fabricheck::node::gpu {

/// The calling thread runs on `cpus` ("0-15,32-47") while this lives, then where it was allowed before.
class OnCpus {
 public:
  explicit OnCpus(const std::string& cpus);
  ~OnCpus();
  OnCpus(const OnCpus&) = delete;
  OnCpus& operator=(const OnCpus&) = delete;
  /// False: the kernel does not let it run there (a control group or container forbids these CPUs), and it
  /// runs where it did.
  bool is_there() const { return is_there_; }

 private:
  cpu_set_t before_{};
  bool is_there_{};
};

}  // namespace fabricheck::node::gpu
