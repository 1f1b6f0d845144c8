#include "topology/model/paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "topology/model/pci_tree.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

struct Word {
  PathType type;
  std::string_view name;
};
constexpr std::array kWords{Word{PathType::self, "X"},    Word{PathType::pix, "PIX"},
                            Word{PathType::pxb, "PXB"},   Word{PathType::phb, "PHB"},
                            Word{PathType::node, "NODE"}, Word{PathType::sys, "SYS"},
                            Word{PathType::unknown, "?"}};

std::vector<Endpoint> endpoints(const Host& host) {
  std::vector<Endpoint> ends;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    ends.push_back({Endpoint::Kind::gpu, i, fmt::format("GPU{}", host.gpus[i].index)});
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i)
    ends.push_back({Endpoint::Kind::nic, i, host.rdma_devices[i].name});
  return ends;
}

/// Row and column of each end in the given matrix. A matrix without a legend calls NICs by number; one whose
/// columns were too narrow has the same name several times, in the order of the devices.
std::vector<std::optional<std::size_t>> places_in(const GivenPaths& given,
                                                  const std::vector<Endpoint>& ends) {
  std::unordered_map<std::string_view, std::vector<std::size_t>> by_name;
  for (std::size_t i = 0; i < given.names.size(); ++i) by_name[given.names[i]].push_back(i);
  std::unordered_map<std::string_view, std::size_t> met;
  std::vector<std::optional<std::size_t>> places;
  for (const Endpoint& end : ends) {
    std::optional<std::size_t> place;
    if (const auto found = by_name.find(end.name); found != by_name.end()) {
      const std::size_t time = met[end.name]++;
      if (time < found->second.size()) place = found->second[time];
    } else if (end.kind == Endpoint::Kind::nic) {
      const auto numbered = by_name.find(fmt::format("NIC{}", end.index));
      if (numbered != by_name.end()) place = numbered->second.front();
    }
    places.push_back(place);
  }
  return places;
}

Path given_cell(const GivenPaths& given, std::optional<std::size_t> row, std::optional<std::size_t> column) {
  if (!row || !column || *row >= given.cells.size() || *column >= given.cells[*row].size()) return {};
  return parse_path(given.cells[*row][*column]).value_or(Path{});
}

void fill_from_given(const GivenPaths& given, PathMatrix& matrix) {
  const auto places = places_in(given, matrix.ends);
  const std::size_t size = matrix.ends.size();
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t column = 0; column < size; ++column) {
      if (row == column) continue;
      Path& cell = matrix.cells[row * size + column];
      cell = given_cell(given, places[row], places[column]);
      if (cell.type == PathType::unknown) cell = given_cell(given, places[column], places[row]);
      if (cell.type == PathType::self) cell = {};
    }
  }
}

/// Active NVLinks of one GPU by where they lead.
struct LinksOut {
  int to_switch{};
  std::map<std::size_t, int> to_gpu;  ///< index into Host::gpus -> links
};

std::vector<LinksOut> links_out(const Host& host, const PciTree& tree) {
  std::unordered_map<std::string_view, std::size_t> by_address;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    if (!host.gpus[i].pci_address.empty()) by_address.emplace(host.gpus[i].pci_address, i);
  std::vector<LinksOut> links(host.gpus.size());
  for (std::size_t i = 0; i < host.gpus.size(); ++i) {
    for (const NvLink& link : host.gpus[i].nvlinks) {
      if (!link.active.value_or(false)) continue;
      const PciNode* const remote = tree.find(link.remote_pci_address);
      const auto peer = by_address.find(link.remote_pci_address);
      if (link.remote == "switch" || (link.remote.empty() && remote && remote->kind == "nvswitch")) {
        ++links[i].to_switch;
      } else if (link.remote != "cpu" && peer != by_address.end() && peer->second != i) {
        ++links[i].to_gpu[peer->second];
      }
    }
  }
  return links;
}

/// GPUs of one machine can be split into partitions that the switches do not join.
bool one_fabric(const Gpu& a, const Gpu& b) {
  if (!a.fabric || !b.fabric) return true;
  if (a.fabric->cluster_uuid != b.fabric->cluster_uuid) return false;
  return !a.fabric->clique_id || !b.fabric->clique_id || a.fabric->clique_id == b.fabric->clique_id;
}

/// The number of NVLinks between two GPUs. Where one end tells less than the other, the smaller number is
/// what can carry data both ways; an end that tells nothing takes the other's word.
int nvlinks_between(const Host& host, const std::vector<LinksOut>& links, std::size_t a, std::size_t b) {
  const auto direct = [&](std::size_t from, std::size_t to) {
    const auto found = links[from].to_gpu.find(to);
    return found == links[from].to_gpu.end() ? 0 : found->second;
  };
  const int forth = direct(a, b);
  const int back = direct(b, a);
  const int counted = forth > 0 && back > 0 ? std::min(forth, back) : std::max(forth, back);
  if (counted > 0) return counted;
  return one_fabric(host.gpus[a], host.gpus[b]) ? std::min(links[a].to_switch, links[b].to_switch) : 0;
}

std::vector<PciPlace> places_of(const Host& host, const PciTree& tree, const std::vector<Endpoint>& ends) {
  std::vector<PciPlace> places;
  for (const Endpoint& end : ends) {
    if (end.kind == Endpoint::Kind::gpu) {
      places.push_back(tree.place(host.gpus[end.index].pci_address, host.gpus[end.index].numa_node));
    } else {
      const RdmaDevice& nic = host.rdma_devices[end.index];
      places.push_back(tree.place(nic.pci_address, nic.numa_node));
    }
  }
  return places;
}

void fill_from_devices(const Host& host, PathMatrix& matrix) {
  const PciTree tree(host);
  const auto links = links_out(host, tree);
  const auto places = places_of(host, tree, matrix.ends);
  const std::size_t size = matrix.ends.size();
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t column = row + 1; column < size; ++column) {
      Path path{pci_path(places[row], places[column]), 0};
      if (matrix.ends[column].kind == Endpoint::Kind::gpu) {
        const int count = nvlinks_between(host, links, matrix.ends[row].index, matrix.ends[column].index);
        if (count > 0) path = {PathType::nvlink, count};
      }
      matrix.cells[row * size + column] = path;
      matrix.cells[column * size + row] = path;
    }
  }
}

/// 0: a port is active; 1: nothing is known of its ports; 2: down; 3: the device cannot be used.
int usability(const RdmaDevice& nic) {
  if (nic.status != "answers") return 3;
  bool known = false;
  for (const RdmaPort& port : nic.ports) {
    if (port.state == "ACTIVE") return 0;
    known = known || !port.state.empty();
  }
  return known ? 2 : 1;
}

/// The fastest port's rate; 0 where none is known.
double rate_of(const RdmaDevice& nic) {
  double rate = 0;
  for (const RdmaPort& port : nic.ports) rate = std::max(rate, port.rate_Gbps.value_or(0));
  return rate;
}

/// Whether one NIC is at the place where the other could be: the model says it, and what it is used for does
/// not speak against it.
bool same_kind(const RdmaDevice& a, const RdmaDevice& b) {
  if (a.virtual_function.value_or(false) != b.virtual_function.value_or(false)) return false;
  if (!a.ports.empty() && !b.ports.empty() && !a.ports[0].link_layer.empty() &&
      !b.ports[0].link_layer.empty() && a.ports[0].link_layer != b.ports[0].link_layer)
    return false;
  if (!a.ids.empty() && !b.ids.empty()) return a.ids == b.ids;
  return !a.board.empty() && a.board == b.board;
}

/// Functions of one card differ in what is behind the dot.
bool one_card(const RdmaDevice& a, const RdmaDevice& b) {
  const auto slot = [](const RdmaDevice& nic) {
    return std::string_view(nic.pci_address).substr(0, nic.pci_address.rfind('.'));
  };
  return !a.pci_address.empty() && slot(a) == slot(b);
}

/// What a NIC counts as when GPUs are given theirs.
struct Standing {
  int usability{};
  double rate_Gbps{};
  bool operator==(const Standing&) const = default;
};

std::vector<Standing> standings_now(const Host& host) {
  std::vector<Standing> all;
  for (const RdmaDevice& nic : host.rdma_devices) all.push_back({usability(nic), rate_of(nic)});
  return all;
}

/// A NIC that is down or silent counts as its active kin does. Not so the second port of a card whose first
/// one is active: that is often left without a cable.
std::vector<Standing> standings_as_built(const Host& host) {
  std::vector<Standing> all = standings_now(host);
  const std::vector<Standing> now = all;
  for (std::size_t nic = 0; nic < all.size(); ++nic) {
    if (now[nic].usability < 2) continue;
    const RdmaDevice& device = host.rdma_devices[nic];
    Standing best = now[nic];
    bool spare = false;
    for (std::size_t other = 0; other < all.size(); ++other) {
      const RdmaDevice& one = host.rdma_devices[other];
      if (now[other].usability != 0) continue;
      spare = spare || one_card(device, one);
      if (!same_kind(device, one)) continue;
      best = {0, std::max(best.rate_Gbps, now[other].rate_Gbps)};
    }
    if (!spare) all[nic] = best;
  }
  return all;
}

/// How far each NIC is from each GPU, finer than in words: of two PXB the one over fewer bridges is nearer.
class Distances {
 public:
  Distances(const Host& host, const PathMatrix& paths) : host_(host), paths_(paths) {
    if (host.given_paths) return;
    const PciTree tree(host);
    places_ = places_of(host, tree, paths.ends);
  }

  std::pair<PathType, std::size_t> at(std::size_t gpu, std::size_t nic) const {
    const std::size_t end = host_.gpus.size() + nic;
    const PathType type = paths_.at(gpu, end).type;
    const bool below_bridges = type == PathType::pix || type == PathType::pxb;
    return {type, below_bridges && !places_.empty() ? bridges_between(places_[gpu], places_[end]) : 0};
  }

  /// Whether `nic` is as near to the GPU as its nearest one is, by a switch that they share.
  bool as_near_as(std::size_t gpu, std::size_t nearest, std::size_t nic) const {
    const auto distance = at(gpu, nic);
    if (distance.first != PathType::pix && distance.first != PathType::pxb) return false;
    const RdmaDevice& one = host_.rdma_devices[nearest];
    const RdmaDevice& other = host_.rdma_devices[nic];
    return distance == at(gpu, nearest) &&
           one.virtual_function.value_or(false) == other.virtual_function.value_or(false);
  }

 private:
  const Host& host_;
  const PathMatrix& paths_;
  std::vector<PciPlace> places_;
};

std::vector<std::optional<std::size_t>> nearest_by(const Host& host, const PathMatrix& paths,
                                                   const Distances& distances,
                                                   const std::vector<Standing>& standings) {
  std::vector<std::size_t> taken(host.rdma_devices.size(), 0);
  std::vector<std::optional<std::size_t>> nearest(host.gpus.size());
  for (std::size_t gpu = 0; gpu < host.gpus.size(); ++gpu) {
    const auto key = [&](std::size_t nic) {
      return std::make_tuple(standings[nic].usability, distances.at(gpu, nic), -standings[nic].rate_Gbps,
                             taken[nic]);
    };
    for (std::size_t nic = 0; nic < host.rdma_devices.size(); ++nic) {
      if (standings[nic].usability == 3) continue;
      if (paths.at(gpu, host.gpus.size() + nic).type == PathType::unknown) continue;
      if (!nearest[gpu] || key(nic) < key(*nearest[gpu])) nearest[gpu] = nic;
    }
    if (nearest[gpu]) ++taken[*nearest[gpu]];
  }
  return nearest;
}

}  // namespace

std::string path_name(Path path) {
  if (path.type == PathType::nvlink) return fmt::format("NV{}", path.nvlinks);
  for (const Word& word : kWords)
    if (word.type == path.type) return std::string(word.name);
  return "?";
}

std::optional<Path> parse_path(std::string_view name) {
  for (const Word& word : kWords)
    if (word.name == name) return Path{word.type, 0};
  constexpr long kMostNvLinks = 999;
  if (name.substr(0, 2) != "NV") return std::nullopt;
  const auto count = parse_number(name.substr(2));
  if (!count || *count < 1 || *count > kMostNvLinks || name[2] == '0') return std::nullopt;
  return Path{PathType::nvlink, static_cast<int>(*count)};
}

PathMatrix paths_of(const Host& host) {
  PathMatrix matrix;
  matrix.ends = endpoints(host);
  const std::size_t size = matrix.ends.size();
  matrix.cells.resize(size * size);
  for (std::size_t i = 0; i < size; ++i) matrix.cells[i * size + i] = {PathType::self, 0};
  if (host.given_paths) {
    fill_from_given(*host.given_paths, matrix);
  } else {
    fill_from_devices(host, matrix);
  }
  return matrix;
}

std::vector<std::optional<std::size_t>> nearest_nics(const Host& host, const PathMatrix& paths) {
  return nearest_by(host, paths, Distances(host, paths), standings_now(host));
}

std::vector<Rail> rails_of(const Host& host, const PathMatrix& paths) {
  const Distances distances(host, paths);
  const auto standings = standings_as_built(host);
  const auto nearest = nearest_by(host, paths, distances, standings);
  std::vector<Rail> rails(host.rdma_devices.size());
  for (std::size_t nic = 0; nic < rails.size(); ++nic) {
    rails[nic].nic = nic;
    for (std::size_t gpu = 0; gpu < nearest.size(); ++gpu)
      if (nearest[gpu] == nic) rails[nic].gpus.push_back(gpu);
  }
  for (Rail& rail : rails) {
    if (!rail.gpus.empty()) continue;
    for (std::size_t gpu = 0; gpu < nearest.size(); ++gpu)
      if (nearest[gpu] && standings[*nearest[gpu]] == standings[rail.nic] &&
          distances.as_near_as(gpu, *nearest[gpu], rail.nic))
        rail.gpus.push_back(gpu);
  }
  rails.erase(std::remove_if(rails.begin(), rails.end(), [](const Rail& rail) { return rail.gpus.empty(); }),
              rails.end());
  std::stable_sort(rails.begin(), rails.end(),
                   [](const Rail& a, const Rail& b) { return a.gpus.front() < b.gpus.front(); });
  return rails;
}

std::vector<std::vector<std::size_t>> nvlink_islands(const PathMatrix& paths) {
  std::size_t gpus = 0;
  while (gpus < paths.ends.size() && paths.ends[gpus].kind == Endpoint::Kind::gpu) ++gpus;
  std::vector<bool> seen(gpus, false);
  std::vector<std::vector<std::size_t>> islands;
  for (std::size_t first = 0; first < gpus; ++first) {
    if (seen[first]) continue;
    seen[first] = true;
    std::vector<std::size_t> island{first};
    for (std::size_t at = 0; at < island.size(); ++at) {
      const std::size_t gpu = island[at];
      for (std::size_t other = 0; other < gpus; ++other) {
        const bool joined =
            paths.at(gpu, other).type == PathType::nvlink || paths.at(other, gpu).type == PathType::nvlink;
        if (!joined || seen[other]) continue;
        seen[other] = true;
        island.push_back(other);
      }
    }
    std::sort(island.begin(), island.end());
    islands.push_back(std::move(island));
  }
  return islands;
}

}  // namespace fabricheck::topology
