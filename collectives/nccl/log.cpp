#include "collectives/nccl/log.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "core/text.hpp"

namespace fabricheck::collectives {
namespace {

constexpr std::size_t longest_line_bytes = 4096;
constexpr std::size_t longest_name_bytes = 64;
constexpr std::size_t most_names = 32;

bool take(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

template <class Number>
std::optional<Number> take_number(std::string_view& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// What follows `mark`.
std::optional<std::string_view> after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + mark.size());
}

std::string_view until(std::string_view text, std::string_view ends) {
  return text.substr(0, text.find_first_of(ends));
}

/// A name as a result file may have it.
std::optional<std::string> name(std::string_view text) {
  text = trimmed(text);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (text.empty() || text.size() > longest_name_bytes || !printable) return std::nullopt;
  return std::string(text);
}

void add(std::set<std::string>& names, const std::optional<std::string>& one) {
  if (one && names.size() < most_names) names.insert(*one);
}

/// What is known while reading, beside the facts.
struct Reading {
  NcclFacts facts;
  std::optional<int> counted_channels;  ///< of "N coll channels", which is better than the order of the rings
  bool uses_network{}, path_has_gdr{};
  std::optional<bool> rings_have_gdr;
  std::optional<bool> nvls_supported, nvls_has_channels;
};

/// "P2P/CUMEM/read", "SHM/direct/direct", "direct shared memory", "NET/IB/0/GDRDMA", "COLLNET/SHARP/0".
void read_path(std::string_view path, Reading& reading) {
  std::set<std::string>& transports = reading.facts.transports;
  if (take(path, "P2P/")) {
    // RCCL goes on with " comm 0x…".
    path = until(path, "/");
    if (const auto kind = name(path.substr(0, path.find(" comm ")))) add(transports, "P2P/" + *kind);
  } else if (take(path, "NET/")) {
    const auto network = name(until(path, "/"));
    if (!network) return;
    add(transports, "NET/" + *network);
    if (!reading.facts.network) reading.facts.network = network;
    reading.uses_network = true;
    reading.path_has_gdr |= path.find("/GDRDMA") != std::string_view::npos;
  } else if (path.starts_with("SHM") || path.starts_with("direct shared memory")) {
    add(transports, "SHM");
  } else if (path.starts_with("COLLNET/")) {
    add(transports, "CollNet");
    reading.uses_network = true;
    reading.path_has_gdr |= path.find("/GDRDMA") != std::string_view::npos;
  }
}

/// "00/0 : 0[0] -> 1[1] via P2P/IPC", or "00/24 : 0 1 2 3", the order of one of 24 rings.
void read_channel(std::string_view text, Reading& reading) {
  if (const auto path = after(text, " via ")) return read_path(*path, reading);
  if (!take_number<int>(text) || !take(text, "/")) return;
  const auto all = take_number<int>(text);
  if (all && *all > 0 && text.starts_with(" :")) reading.facts.channels = *all;
}

/// "16 coll channels, 0 collnet channels, 16 nvls channels, 16 p2p channels, …": of 2.7 on, with nvls
/// from 2.17.
void read_counts(std::string_view text, Reading& reading) {
  const auto channels = take_number<int>(text);
  if (!channels || *channels < 0 || !take(text, " coll channels")) return;
  reading.counted_channels = *channels;
  while (take(text, ", ")) {
    const auto count = take_number<int>(text);
    if (!count) return;
    if (text.starts_with(" nvls channels")) reading.nvls_has_channels = *count > 0;
    constexpr std::string_view p2p = " p2p channels";
    if (text.starts_with(p2p) && !text.substr(p2p.size()).starts_with(" per peer"))
      reading.facts.p2p_channels = *count;
    text.remove_prefix(std::min(text.find(','), text.size()));
  }
}

/// "RING", or 1 as versions to 2.2x have it: the orders of NCCL_ALGO_* and NCCL_PROTO_* in nccl_device.h.
template <std::size_t Count>
std::optional<std::string> name_or_number(std::string_view word,
                                          const std::array<const char*, Count>& names) {
  std::string upper(word.substr(0, longest_name_bytes));
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string_view rest = word;
  const auto number = take_number<std::size_t>(rest);
  if (number && rest.empty())
    return *number < Count ? std::optional<std::string>(names[*number]) : std::nullopt;
  return std::find(names.begin(), names.end(), upper) != names.end() ? std::optional(upper) : std::nullopt;
}

/// "AllReduce: 1024 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..1}", or "… -> Algo 1 proto 0 time 12.3".
/// On symmetric memory, from 2.27 on: "… -> Kernel AllReduce_RSxLDMC_AGxSTMC nchannels 16 …".
bool read_call(std::string_view text, Reading& reading) {
  constexpr std::array<const char*, 7> algorithms{
      "TREE", "RING", "COLLNET_DIRECT", "COLLNET_CHAIN", "NVLS", "NVLS_TREE", "PAT"};
  constexpr std::array<const char*, 3> protocols{"LL", "LL128", "SIMPLE"};
  if (const auto kernel = after(text, " Bytes -> Kernel ")) {
    add(reading.facts.algorithms, name(until(*kernel, " ")));
    return true;
  }
  const auto call = after(text, " Bytes -> Algo ");
  if (!call) return false;
  add(reading.facts.algorithms, name_or_number(until(*call, " "), algorithms));
  if (const auto protocol = after(*call, " proto "))
    add(reading.facts.protocols, name_or_number(until(*protocol, " "), protocols));
  return true;
}

/// "NCCL RDMA Plugin v8 (v8)": the last word is the interface's version.
std::string_view without_interface_version(std::string_view text) {
  const std::size_t version = text.rfind(" (v");
  return version == std::string_view::npos ? text : text.substr(0, version);
}

bool read_plugin(std::string_view text, Reading& reading) {
  if (take(text, "NET/Plugin: Loaded net plugin ")) {
    reading.facts.plugin = name(without_interface_version(trimmed(text)));
    return true;
  }
  if (take(text, "Failed to initialize NET plugin ")) {
    if (reading.facts.plugin == name(text)) reading.facts.plugin.reset();
    return true;
  }
  // From 2.27 on NCCL calls its own networks plugins, too.
  const bool initialized = take(text, "Initialized NET plugin ");
  if (!initialized && !take(text, "P2P plugin ")) return false;
  const bool own = initialized && (trimmed(text) == "IB" || trimmed(text) == "Socket");
  if (!own && !reading.facts.plugin) reading.facts.plugin = name(text);
  return true;
}

bool read_network(std::string_view text, Reading& reading) {
  std::optional<std::string> network;
  if (take(text, "Using network ") || take(text, "Using internal Network "))
    network = name(text);
  else if (take(text, "Assigned NET plugin "))
    network = name(text.substr(0, text.find(" to comm")));
  else
    return false;
  if (network) reading.facts.network = network;
  return true;
}

bool read_nvls(std::string_view text, Reading& reading) {
  if (take(text, "NVLS multicast support is ")) {
    reading.nvls_supported = !text.starts_with("not ");
    return true;
  }
  if (!text.starts_with("Connected NVLS")) return false;
  add(reading.facts.transports, "NVLS");
  reading.nvls_has_channels = true;
  return true;
}

/// "2.21.5+cuda12.4"
void read_version(std::string_view text, Reading& reading) {
  if (!text.empty() && text.front() >= '0' && text.front() <= '9')
    reading.facts.version = name(until(text, " ,;\t\r"));
}

void read_said(std::string_view text, Reading& reading) {
  if (take(text, "NCCL version ")) return read_version(text, reading);
  if (take(text, "Channel ") || take(text, "CollNet ") || take(text, "Coll ") || take(text, "Ring "))
    return read_channel(text, reading);
  if (take(text, "Connected all rings, use ring PXN ")) {
    const auto gdr = after(text, " GDR ");
    if (gdr && !gdr->empty()) reading.rings_have_gdr = gdr->front() != '0';
    return;
  }
  if (read_network(text, reading) || read_plugin(text, reading) || read_nvls(text, reading)) return;
  if (!read_call(text, reading)) read_counts(text, reading);
}

/// Whether "host:pid:tid [device]" names another process.
bool is_of_another(std::string_view front, std::int64_t pid) {
  front = trimmed(front);
  if (front.ends_with(']')) front = trimmed(front.substr(0, front.rfind('[')));
  const std::size_t thread = front.rfind(':');
  if (thread == std::string_view::npos || thread == 0) return false;
  const std::size_t process = front.rfind(':', thread - 1);
  if (process == std::string_view::npos) return false;
  std::string_view digits = front.substr(process + 1, thread - process - 1);
  const auto wrote = take_number<std::int64_t>(digits);
  return wrote && digits.empty() && *wrote != pid;
}

void read_line(std::string_view line, std::optional<std::int64_t> pid, Reading& reading) {
  constexpr std::string_view mark = "NCCL INFO ";
  const std::size_t at = line.find(mark);
  // Rank 0 says its version without a front, with NCCL_DEBUG=VERSION too.
  if (at == std::string_view::npos) {
    if (take(line, "NCCL version ")) read_version(line, reading);
    return;
  }
  if (pid && is_of_another(line.substr(0, at), *pid)) return;
  read_said(trimmed(line.substr(at + mark.size())), reading);
}

}  // namespace

NcclFacts read_nccl_log(std::string_view text, std::optional<std::int64_t> pid) {
  Reading reading;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    read_line(line.substr(0, longest_line_bytes), pid, reading);
  }
  NcclFacts& facts = reading.facts;
  if (reading.counted_channels) facts.channels = reading.counted_channels;
  facts.nvls = reading.nvls_has_channels ? reading.nvls_has_channels : reading.nvls_supported;
  if (reading.nvls_has_channels.value_or(false)) add(facts.transports, "NVLS");
  // Rings inside a node say that they use it, too. Volta's send side never does, so one that does is enough.
  if (reading.uses_network) facts.gdr = reading.path_has_gdr || reading.rings_have_gdr.value_or(false);
  return facts;
}

void add_facts(NcclFacts& facts, const NcclFacts& later) {
  const auto join = [](std::set<std::string>& names, const std::set<std::string>& more) {
    for (const std::string& one : more) add(names, one);
  };
  const auto renew = [](auto& fact, const auto& told) {
    if (told) fact = told;
  };
  renew(facts.version, later.version);
  join(facts.transports, later.transports);
  // Any connection that has it is enough, as within one text.
  if (later.gdr) facts.gdr = *later.gdr || facts.gdr.value_or(false);
  renew(facts.channels, later.channels);
  renew(facts.p2p_channels, later.p2p_channels);
  renew(facts.nvls, later.nvls);
  renew(facts.network, later.network);
  renew(facts.plugin, later.plugin);
  join(facts.algorithms, later.algorithms);
  join(facts.protocols, later.protocols);
}

NcclFacts facts_of_calls(const NcclFacts& process, const NcclFacts& communicator, const NcclFacts& calls) {
  NcclFacts facts = communicator;
  facts.version = process.version;
  facts.plugin = process.plugin;
  if (!facts.network) facts.network = process.network;
  facts.algorithms = calls.algorithms;
  facts.protocols = calls.protocols;
  return facts;
}

std::map<std::string, Parameter> facts_to_parameters(const NcclFacts& facts, bool sends) {
  std::map<std::string, Parameter> parameters;
  const auto put = [&](const char* key, const std::optional<std::string>& value) {
    if (value && !value->empty()) parameters[key] = *value;
  };
  const auto put_truth = [&](const char* key, std::optional<bool> value) {
    if (value) parameters[key] = std::string(*value ? "yes" : "no");
  };
  put("nccl_version", facts.version);
  put("nccl_transports", joined(facts.transports));
  put_truth("nccl_gdr", facts.gdr);
  if (const auto& channels = sends ? facts.p2p_channels : facts.channels)
    parameters["nccl_channels"] = std::int64_t{*channels};
  put_truth("nccl_nvls", facts.nvls);
  put("nccl_network", facts.network);
  put("nccl_plugin", facts.plugin);
  put("nccl_algorithms", joined(facts.algorithms));
  put("nccl_protocols", joined(facts.protocols));
  return parameters;
}

}  // namespace fabricheck::collectives
