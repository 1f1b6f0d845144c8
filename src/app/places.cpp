#include "app/places.hpp"

#include <map>
#include <set>

#include "control/clock_sync.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {

Places find_places(Communicator& world, const std::string& host) {
  Places places;
  std::map<std::string, std::string> boots;
  for (const std::string& one :
       allgather_strings(world, host + '\t' + topology::allowed_cpus() + '\t' + control::boot_identity())) {
    const auto tab = one.find('\t'), last = one.rfind('\t');
    places.rank_hosts.push_back(one.substr(0, tab));
    places.rank_cpus.push_back(one.substr(tab + 1, last - tab - 1));
    const std::string boot = one.substr(last + 1);
    if (!boot.empty() && boots.emplace(places.rank_hosts.back(), boot).first->second != boot)
      places.wrong =
          "two machines call themselves " + places.rank_hosts.back() +
          ", so what is measured could not be told apart: give each a name of its own (hostnamectl "
          "set-hostname)";
  }
  std::map<std::string, int> index, ranks_on;
  std::map<std::string, std::set<int>> cpus_on;
  for (std::size_t rank = 0; rank < places.rank_hosts.size(); ++rank) {
    const std::string& name = places.rank_hosts[rank];
    if (index.emplace(name, static_cast<int>(places.hosts.size())).second) {
      places.hosts.push_back(name);
      // By name alone: what they are is known to rank 0 later.
      HostEntry entry;
      entry.name = name;
      places.topology.hosts.push_back(entry);
    }
    RankPlace place;
    place.rank = static_cast<int>(rank);
    place.host = index[name];
    place.local_rank = ranks_on[name]++;
    place.cpus = places.rank_cpus[rank];
    if (place.rank == world.rank()) {
      places.local_rank = place.local_rank;
      places.leader = place.local_rank == 0;
    }
    for (const int cpu : topology::parse_cpu_list(place.cpus)) cpus_on[name].insert(cpu);
    places.topology.ranks.push_back(place);
  }
  for (const auto& [name, ranks] : ranks_on)
    if (static_cast<std::size_t>(ranks) > cpus_on[name].size()) places.oversubscribed = true;
  return places;
}

std::optional<int> bind_near_gpu(const Host& host, int local_rank, int local_ranks) {
  std::optional<int> gpu;
  std::optional<int> node;
  if (static_cast<std::size_t>(local_rank) < host.gpus.size()) {
    const Gpu& mine = host.gpus[static_cast<std::size_t>(local_rank)];
    gpu = mine.index;
    node = mine.numa_node;
  }
  if (!node && local_ranks > 1 && host.numa_nodes.size() > 1)
    node = host.numa_nodes[static_cast<std::size_t>(local_rank) * host.numa_nodes.size() /
                           static_cast<std::size_t>(local_ranks)]
               .index;
  for (const NumaNode& one : host.numa_nodes)
    if (node && one.index == *node && !one.cpus.empty()) topology::bind_to_cpus(one.cpus);
  return gpu;
}

}  // namespace fabricheck::app
