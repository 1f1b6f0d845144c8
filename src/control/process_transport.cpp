// The parts of mpi_transport.hpp that need no MPI.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

#include "control/mpi_transport.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace fabricheck::control {
namespace {

namespace fs = std::filesystem;

/// "uverbs3" for {"uverbs"}; "kgni0", "hfi1_0": a device's name and its number.
bool is_numbered(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem) || name.size() == stem.size()) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(stem.size()), name.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string first_word(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

/// The RDMA device behind an open file, or nothing.
std::string rdma_device(const fs::path& root, const fs::path& target) {
  if (!target.string().starts_with("/dev/")) return {};
  std::string name = target.filename().string();
  if (is_numbered(name, "uverbs")) {
    std::string device = first_word(root / "sys/class/infiniband_verbs" / name / "ibdev");
    return device.empty() ? name : device;
  }
  for (const char* stem : {"hfi1_", "kgni", "cxi"})
    if (is_numbered(name, stem)) return name;
  return {};
}

std::optional<std::vector<std::string>> open_rdma_devices(const fs::path& root) {
  std::error_code error;
  fs::directory_iterator entry(root / "proc/self/fd", error);
  if (error) return std::nullopt;
  std::set<std::string> devices;
  while (entry != fs::directory_iterator()) {
    std::error_code closed;  // the folder's own descriptor may be gone by now
    const fs::path target = fs::read_symlink(entry->path(), closed);
    if (!closed) {
      std::string device = rdma_device(root, target);
      if (!device.empty()) devices.insert(std::move(device));
    }
    entry.increment(error);
    if (error) return std::nullopt;  // half a list would pass for a whole one
  }
  return std::vector<std::string>(devices.begin(), devices.end());
}

/// "pml_ob1_major_version" of framework "pml" is "ob1". Every component has that variable.
std::string component_of(std::string_view name, std::string_view framework) {
  constexpr std::string_view end = "_major_version";
  if (name.size() <= framework.size() + 1 + end.size()) return {};
  if (!name.starts_with(framework) || name[framework.size()] != '_') return {};
  if (name.substr(name.size() - end.size()) != end) return {};
  name.remove_prefix(framework.size() + 1);
  name.remove_suffix(end.size());
  return std::string(name);
}

std::set<std::string> components(const std::vector<std::string>& names, std::string_view framework) {
  std::set<std::string> found;
  for (const std::string& name : names) {
    std::string component = component_of(name, framework);
    if (!component.empty()) found.insert(std::move(component));
  }
  return found;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) words.push_back(word);
  return words;
}

}  // namespace

MpiTransport read_process_transport(const std::string& root) {
  MpiTransport transport;
  transport.rdma_devices = open_rdma_devices(root);
  std::ifstream maps(fs::path(root) / "proc/self/maps");
  if (!maps) return transport;
  transport.ucx_verbs = false;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t slash = line.rfind('/');
    if (slash == std::string::npos) continue;
    const std::string_view file = std::string_view(line).substr(slash + 1);
    if (file.starts_with("libuct_ib.so") || file.starts_with("libuct_ib_")) transport.ucx_verbs = true;
    if (file.starts_with("ucx_shm_posix_")) transport.ucx_shared_memory = true;
  }
  if (maps.bad()) transport.ucx_verbs.reset();
  return transport;
}

// What was not selected has been closed, and a closed component's variables are invalid. This holds for
// frameworks that MPI_Init opened (pml always; mtl below cm); MPI_T registers the components of all others.
void read_control_variables(const std::vector<std::string>& names, MpiTransport& transport) {
  std::set<std::string> pmls = components(names, "pml");
  for (const char* layer : {"monitoring", "v"}) pmls.erase(layer);  // they watch the one that does the work
  transport.pml = pmls.size() == 1 ? *pmls.begin() : "";
  const std::set<std::string> mtls = components(names, "mtl");
  transport.mtl = transport.pml == "cm" && mtls.size() == 1 ? *mtls.begin() : "";
  transport.btls.reset();
  if (transport.pml != "ob1") return;
  const std::set<std::string> btls = components(names, "btl");
  if (!btls.empty()) transport.btls = std::vector<std::string>(btls.begin(), btls.end());
}

void read_ucx_configuration(std::string_view text, MpiTransport& transport) {
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals);
    if (name == "UCX_TLS") transport.ucx_tls = line.substr(equals + 1);
    if (name == "UCX_NET_DEVICES") transport.ucx_net_devices = line.substr(equals + 1);
  }
}

std::string pack_transport(const MpiTransport& transport) {
  std::string text;
  const auto add = [&text](const char* key, std::string value) {
    std::replace(value.begin(), value.end(), '\n', ' ');
    text.append(key).append("=").append(value).append("\n");
  };
  add("library", transport.library);
  add("pml", transport.pml);
  add("mtl", transport.mtl);
  if (transport.btls) add("btls", joined(*transport.btls, ","));
  if (transport.rdma_devices) add("rdma_devices", joined(*transport.rdma_devices, ","));
  if (transport.ucx_verbs) add("ucx_verbs", *transport.ucx_verbs ? "1" : "0");
  add("ucx_shared_memory", transport.ucx_shared_memory ? "1" : "0");
  add("ucx_version", transport.ucx_version);
  add("ucx_tls", transport.ucx_tls);
  add("ucx_net_devices", transport.ucx_net_devices);
  return text;
}

MpiTransport unpack_transport(const std::string& text) {
  MpiTransport transport;
  const std::map<std::string, std::string*> texts{
      {"library", &transport.library}, {"pml", &transport.pml},
      {"mtl", &transport.mtl},         {"ucx_version", &transport.ucx_version},
      {"ucx_tls", &transport.ucx_tls}, {"ucx_net_devices", &transport.ucx_net_devices}};
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = std::min(line.find('='), line.size());
    const std::string key = line.substr(0, equals);
    const std::string value = line.substr(std::min(equals + 1, line.size()));
    if (const auto place = texts.find(key); place != texts.end()) {
      *place->second = value;
    } else if (key == "btls") {
      transport.btls = split(value);
    } else if (key == "rdma_devices") {
      transport.rdma_devices = split(value);
    } else if (key == "ucx_verbs") {
      transport.ucx_verbs = value == "1";
    } else if (key == "ucx_shared_memory") {
      transport.ucx_shared_memory = value == "1";
    } else {
      throw Error("a rank's words on its MPI: \"" + line + "\" is none of them");
    }
  }
  return transport;
}

}  // namespace fabricheck::control
