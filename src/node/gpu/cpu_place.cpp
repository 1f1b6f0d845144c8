#include "node/gpu/cpu_place.hpp"

#include "topology/model/cpu_list.hpp"

namespace fabricheck::node::gpu {

OnCpus::OnCpus(const std::string& cpus) {
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (const int cpu : topology::parse_cpu_list(cpus))
    if (cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &wanted);
  if (sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  is_there_ = sched_setaffinity(0, sizeof wanted, &wanted) == 0;
}

OnCpus::~OnCpus() {
  if (is_there_) sched_setaffinity(0, sizeof before_, &before_);
}

}  // namespace fabricheck::node::gpu
