// What NCCL says about itself when it starts: 2.3 to 2.30.
#include <algorithm>
#include <cctype>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

void add_use(ChannelUse& use, int channel) {
  ++use.lines;
  use.channels |= std::uint64_t{1} << (static_cast<unsigned>(channel) % 64U);
}

void add_all(ChannelUse& use, const ChannelUse& other) {
  use.lines += other.lines;
  use.channels |= other.channels;
}

/// What the oldest communicators had in common is kept when there is no room for each.
void merge(CommFacts& into, const CommFacts& other) {
  for (const auto use :
       {&CommFacts::p2p, &CommFacts::shm, &CommFacts::net_send, &CommFacts::net_receive,
        &CommFacts::net_socket, &CommFacts::collnet, &CommFacts::send_gdr, &CommFacts::receive_gdr})
    add_all(into.*use, other.*use);
  for (const auto most : {&CommFacts::ranks, &CommFacts::nodes, &CommFacts::local_ranks,
                          &CommFacts::coll_channels, &CommFacts::nvls_channels, &CommFacts::p2p_channels})
    into.*most = std::max(into.*most, other.*most);
  into.net_devices |= other.net_devices;
  into.p2p_kinds |= other.p2p_kinds;
  into.rings |= other.rings;
  into.trees |= other.trees;
  into.complete |= other.complete;
  into.mnnvl |= other.mnnvl;
}

CommFacts& last_comm(RankFacts& rank) {
  if (rank.comms.empty()) rank.comms.emplace_back();
  return rank.comms.back();
}

CommFacts& comm_of(RankFacts& rank, std::uint64_t pointer) {
  const auto known = std::find_if(rank.comms.rbegin(), rank.comms.rend(),
                                  [&](const CommFacts& comm) { return comm.pointer == pointer; });
  if (known != rank.comms.rend()) return *known;
  if (!rank.comms.empty() && rank.comms.back().pointer == 0) {
    rank.comms.back().pointer = pointer;
    return rank.comms.back();
  }
  if (rank.comms.size() == RankFacts::kMostComms) {
    // One whose start did not end is kept apart: it may be what the rank hangs in.
    auto oldest = std::find_if(rank.comms.begin(), rank.comms.end() - 1,
                               [](const CommFacts& comm) { return !comm.started || comm.complete; });
    if (oldest == rank.comms.end() - 1) oldest = rank.comms.begin();
    merge(*(oldest + 1), *oldest);
    rank.comms.erase(oldest);
  }
  rank.comms.emplace_back().pointer = pointer;
  return rank.comms.back();
}

void keep_quote(Observations& into, const char* fact, const Line& line) {
  if (into.fact_quotes.find(fact) == into.fact_quotes.end()) into.fact_quotes.emplace(fact, line.quote());
}

int p2p_kind(std::string_view path) {
  if (starts_with(path, "IPC")) return p2p_ipc;
  if (starts_with(path, "CUMEM")) return p2p_cumem;
  if (starts_with(path, "MNNVL")) return p2p_mnnvl;
  if (starts_with(path, "indirect")) return p2p_indirect;
  return p2p_pointer;  // "direct pointer", "common device"
}

/// "IB/0/GDRDMA", "AWS Libfabric/3", "Socket/0/Shared": what follows "NET/".
void read_net_path(std::string_view path, bool is_send, int channel, RankFacts& rank, const Line& line,
                   Observations& into) {
  CommFacts& comm = last_comm(rank);
  const std::string_view name = until(path, "/");
  if (rank.network == 0) rank.network = into.names.id(name);
  if (name == "Socket") {
    add_use(comm.net_socket, channel);
    keep_quote(into, "channel Socket", line);
    return;
  }
  std::string_view rest = path.substr(std::min(path.size(), name.size() + 1));
  const int device = take_number<int>(rest).value_or(-1);
  if (device >= 0) comm.net_devices |= std::uint64_t{1} << (static_cast<unsigned>(device) % 64U);
  const bool gdr = contains(rest, "/GDRDMA");
  ChannelUse& all = is_send ? comm.net_send : comm.net_receive;
  ChannelUse& direct = is_send ? comm.send_gdr : comm.receive_gdr;
  add_use(all, channel);
  if (gdr) add_use(direct, channel);
  keep_quote(into, gdr ? "channel GDR" : is_send ? "send without GDR" : "receive without GDR", line);
}

/// "00/0 : 0[0] -> 1[1] [send] via NET/IB/0": what follows "Channel " or, before 2.7, "Ring ".
bool read_channel(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  const auto channel = take_number<int>(text);
  const std::size_t via = text.find(" via ");
  if (!channel || via == std::string_view::npos) return true;  // the order of a ring
  std::string_view path = text.substr(via + 5);
  if (take(path, "P2P/")) {
    CommFacts& comm = last_comm(rank);
    add_use(comm.p2p, *channel);
    comm.p2p_kinds |= p2p_kind(path);
    if (comm.p2p.lines == 1) keep_quote(into, "channel P2P", line);
  } else if (take(path, "NET/")) {
    // "… [send] via" or "… [receive] via".
    read_net_path(path, text.substr(0, via).ends_with("[send]"), *channel, rank, line, into);
  } else if (starts_with(path, "SHM") || starts_with(path, "direct shared memory")) {
    CommFacts& comm = last_comm(rank);
    add_use(comm.shm, *channel);
    if (comm.shm.lines == 1) keep_quote(into, "channel SHM", line);
  } else if (starts_with(path, "COLLNET")) {
    add_use(last_comm(rank).collnet, *channel);
  }
  return true;
}

/// "comm 0x… rank 0 nranks 16 cudaDev 0 …", with or without the name of the call before it.
bool read_comm(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  std::string_view rest = text;
  const auto pointer = number_after<std::uint64_t>(rest, "comm 0x", 16);
  if (!pointer) return false;
  CommFacts& comm = comm_of(rank, *pointer);
  const auto set = [&](int& field, std::string_view mark) {
    if (const auto value = number_after<int>(text, mark)) field = *value;
  };
  set(comm.rank, " rank ");
  set(comm.ranks, " nranks ");
  set(comm.ranks, " nRanks ");
  set(comm.nodes, " nNodes ");
  set(comm.local_ranks, " localRanks ");
  set(comm.cuda_device, " cudaDev ");
  if (const auto bus = number_after<std::uint64_t>(text, " busId ", 16)) comm.bus_id = *bus;
  if (const auto id = number_after<std::uint64_t>(text, " commId 0x", 16)) comm.comm_id = *id;
  if (contains(text, "Init START")) {
    comm.started = true;
    comm.complete = false;  // another one was at this address before
    comm.start_line = line.number;
    comm.start_file = line.file;
    if (into.ranks.size() <= RankFacts::kMostQuotedStarts) comm.start_text = printable_text(line.text);
  }
  // Only a communicator whose start had ended is destroyed.
  comm.complete |= contains(text, "Init COMPLETE") || contains(text, "Destroy COMPLETE");
  comm.mnnvl |= number_after<int>(text, " MNNVL ").value_or(0) > 0;
  if (comm.complete) {
    comm.start_text.clear();
    keep_quote(into, "complete", line);
  }
  return true;
}

/// "16 coll channels, 0 collnet channels, 0 nvls channels, 16 p2p channels, …".
bool read_counts(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  std::string_view rest = text;
  const auto coll = take_number<int>(rest);
  if (!coll || !take(rest, " coll channels")) return false;
  CommFacts& comm = last_comm(rank);
  comm.coll_channels = *coll;
  for (std::string_view part = rest; !part.empty();) {
    part.remove_prefix(std::min(part.size(), part.find_first_of("0123456789")));
    const auto count = take_number<int>(part);
    if (!count) break;
    if (starts_with(part, " nvls channels")) comm.nvls_channels = *count;
    if (starts_with(part, " p2p channels,")) comm.p2p_channels = *count;
  }
  keep_quote(into, comm.nvls_channels == 0 ? "no nvls channels" : "channels", line);
  if (*coll <= 2) keep_quote(into, "few channels", line);
  return true;
}

bool set_network(std::string_view name, RankFacts& rank, const Line& line, Observations& into) {
  name = trim(name);
  if (name.empty()) return false;
  rank.network = into.names.id(name);
  keep_quote(into, name == "Socket" ? "network Socket" : "network", line);
  return true;
}

bool read_bootstrap(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  const auto using_what = after(text, "Using");
  if (!using_what) return false;
  std::string_view interfaces = trim(*using_what);
  take(interfaces, "interface ");
  rank.bootstrap = into.names.id(interfaces);
  keep_quote(into, "bootstrap", line);
  return true;
}

/// "NET/IB : Using [0]mlx5_0:1/RoCE [RO]; OOB eth0:10.0.0.1<0>".
bool read_hcas(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  const auto list = after(text, "Using ");
  // "Using [RO]; OOB …" names no device.
  std::string_view first = list ? trim(*list) : std::string_view();
  if (!take(first, "[") || !take_number<int>(first)) return false;
  rank.hcas = into.names.id(trim(until(*list, ";")));
  if (const auto out_of_band = after(*list, "OOB ")) rank.out_of_band = into.names.id(trim(*out_of_band));
  keep_quote(into, "interfaces", line);
  keep_quote(into, "hcas", line);
  return true;
}

/// "NET/Socket : Using [0]eth0:10.0.0.1<0>". What it means is up to the phrases.
bool read_socket(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  const auto list = after(text, "Using [");
  if (!list || rank.out_of_band != 0) return false;
  rank.out_of_band = into.names.id(trim(list->substr(std::min(list->size(), list->find(']') + 1))));
  keep_quote(into, "interfaces", line);
  return false;
}

bool read_nvls(std::string_view text, RankFacts& rank) {
  if (!starts_with(text, "NVLS multicast support is ")) return false;
  (contains(text, " not available") ? rank.nvls_unavailable : rank.nvls_available) = true;
  return true;
}

bool read_net(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  if (starts_with(text, "NET/IB")) return read_hcas(text, rank, line, into);
  if (starts_with(text, "NET/Socket")) return read_socket(text, rank, line, into);
  if (starts_with(text, "NET : Using interface ")) return read_bootstrap(text, rank, line, into);
  if (starts_with(text, "NCCL version ")) {
    read_version(text.substr(13), rank, line, into);
    return false;
  }
  return read_nvls(text, rank);
}

bool read_connected(std::string_view text, RankFacts& rank) {
  if (starts_with(text, "Connected all rings")) last_comm(rank).rings = true;
  if (starts_with(text, "Connected all trees")) last_comm(rank).trees = true;
  return true;
}

}  // namespace

void read_version(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  const std::string_view version = until(text, " ,;)'\"");
  if (version.empty() || std::isdigit(static_cast<unsigned char>(version.front())) == 0) return;
  rank.version = into.names.id(version);
  keep_quote(into, "version", line);
}

bool read_facts(std::string_view text, RankFacts& rank, const Line& line, Observations& into) {
  if (text.empty()) return true;
  // NCCL_DEBUG_SUBSYS=COLL fills logs with these, one for each call.
  constexpr std::size_t longest_call = 32;
  if (contains(text.substr(0, longest_call), ": opCount ")) return true;
  switch (text.front()) {
    case 'C':
      if (take(text, "Channel ")) return read_channel(text, rank, line, into);
      if (starts_with(text, "Connected ")) return read_connected(text, rank);
      return starts_with(text, "CPU/");
    case 'R':
      if (take(text, "RCCL version ")) {
        read_version(text, rank, line, into);
        return false;
      }
      return take(text, "Ring ") && read_channel(text, rank, line, into);
    case 'T':
      return starts_with(text, "Trees ") || starts_with(text, "Tree ");
    case 'N':
      return read_net(text, rank, line, into);
    case 'U':
      if (take(text, "Using network ") || take(text, "Using internal Network "))
        return set_network(text, rank, line, into);
      return false;
    case 'A':
      if (take(text, "Assigned NET plugin "))
        return set_network(text.substr(0, text.find(" to comm")), rank, line, into);
      return false;
    case 'B':
      return (starts_with(text, "Bootstrap : Using") || starts_with(text, "Bootstrap: Using")) &&
             read_bootstrap(text, rank, line, into);
    case 'D':
      if (!starts_with(text, "DMA-BUF is available")) return false;
      rank.dma_buf = true;
      keep_quote(into, "dma-buf", line);
      return true;
    case 'S':
      if (!starts_with(text, "Setting affinity for GPU ")) return false;
      if (const auto mask = after(text, " to ")) rank.affinity = into.names.id(trim(*mask));
      return true;
    case 'L':
      rank.topology_file |= starts_with(text, "Loading topology file");
      return false;
    case 'n':
    case 'c':
    case '[':
      return read_comm(text, rank, line, into);
    default:
      return text.front() >= '0' && text.front() <= '9' && read_counts(text, rank, line, into);
  }
}

}  // namespace fabricheck::diagnose
