#include "app/probe_host.hpp"

#ifdef FABRICHECK_WITH_VERBS
#include "fabric/verbs/port_facts.hpp"
#endif

namespace fabricheck::app {

Host probe_this_host(const topology::ProbeOptions& options) {
  Host host = topology::probe_host(options);
#ifdef FABRICHECK_WITH_VERBS
  if (options.sysroot == "/") verbs::add_port_facts(host);
#endif
  return host;
}

std::vector<std::size_t> usable_gpus(const Host& host) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    if (host.gpus[i].status == "answers") usable.push_back(i);
  return usable;
}

}  // namespace fabricheck::app
