#include "config/expectation_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "config/targets_file.hpp"
#include "config/toml_document.hpp"
#include "core/text.hpp"

namespace fabricheck::config {
namespace {

constexpr std::int64_t most_devices = 1024;
constexpr std::int64_t most_links = 256;
constexpr std::size_t most_tables = 1024;
constexpr double fastest_Gbps = 100'000;

std::vector<int> version_numbers(const std::string& version) {
  std::vector<int> numbers;
  const char* at = version.data();
  const char* const end = at + version.size();
  while (at != end) {
    int number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || number < 0) return {};
    numbers.push_back(number);
    if (stop == end) return numbers;
    if (*stop != '.') return {};
    at = stop + 1;
  }
  return {};
}

class ExpectationReader {
 public:
  ExpectationReader(std::string_view text, const std::string& file) : document_(text, file) {}

  Expectation read() {
    const toml::table& root = document_.root();
    document_.refuse_unknown_keys(root, {"gpu", "nic", "rail", "host"});
    result_.source = document_.file();
    if (const toml::table* gpu = document_.table_at(root, "gpu", "[gpu]")) read_gpu(*gpu);
    for (const toml::table* nic : document_.tables_at(root, "nic", "[[nic]]", most_tables)) read_nic(*nic);
    for (const toml::table* rail : document_.tables_at(root, "rail", "[[rail]]", most_tables))
      read_rail(*rail);
    if (const toml::table* host = document_.table_at(root, "host", "[host]")) {
      document_.refuse_unknown_keys(*host, {"virtual_machine"});
      if (const toml::node* node = host->get("virtual_machine"))
        result_.virtual_machine = document_.boolean_of(*node, "virtual_machine");
    }
    Expectation nothing;
    nothing.source = result_.source;
    if (result_ == nothing) {
      document_.fail(toml::source_position{1, 1},
                     "this file asks for nothing; write for example [gpu] with count = 8, or let `fabricheck "
                     "topology --save-expectation` write one");
    }
    return result_;
  }

 private:
  void read_count(const toml::table& table, const char* key, std::int64_t least, std::int64_t most,
                  std::optional<int>& into) const {
    if (const toml::node* node = table.get(key))
      into = static_cast<int>(document_.integer_of(*node, key, least, most));
  }
  void read_text(const toml::table& table, const char* key, std::string& into) const {
    if (const toml::node* node = table.get(key)) into = document_.text_of(*node, key);
  }
  void read_pcie(const toml::table& table, std::optional<int>& width, std::optional<double>& speed) const {
    if (const toml::node* node = table.get("pcie_width"))
      width = document_.pcie_width_of(*node, "pcie_width");
    if (const toml::node* node = table.get("pcie_speed"))
      speed = document_.pcie_speed_of(*node, "pcie_speed");
  }
  std::string version_at(const toml::table& table, const char* key) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    std::string version = document_.text_of(*node, key);
    if (version_numbers(version).empty()) {
      document_.fail(*node, fmt::format("{} is {}; write numbers and points, such as \"550.54.15\"", key,
                                        quoted_text(version)));
    }
    return version;
  }

  void read_gpu(const toml::table& gpu) {
    document_.refuse_unknown_keys(gpu, {"count", "model", "nvlinks", "nvlink_islands", "nvswitches",
                                        "pcie_width", "pcie_speed", "driver_min", "driver_max"});
    read_count(gpu, "count", 0, most_devices, result_.gpus);
    read_text(gpu, "model", result_.gpu_model);
    read_count(gpu, "nvlinks", 0, most_links, result_.nvlinks_per_gpu);
    read_count(gpu, "nvlink_islands", 1, most_devices, result_.nvlink_islands);
    read_count(gpu, "nvswitches", 0, most_links, result_.nvswitches);
    read_pcie(gpu, result_.gpu_pcie_width, result_.gpu_pcie_speed_GTps);
    result_.driver_min = version_at(gpu, "driver_min");
    result_.driver_max = version_at(gpu, "driver_max");
    if (!result_.driver_min.empty() && !result_.driver_max.empty() &&
        version_numbers(result_.driver_max) < version_numbers(result_.driver_min)) {
      document_.fail(*gpu.get("driver_max"), fmt::format("driver_max {} is below driver_min {}",
                                                         result_.driver_max, result_.driver_min));
    }
    if (result_.gpus && result_.nvlink_islands && *result_.gpus < *result_.nvlink_islands) {
      document_.fail(*gpu.get("nvlink_islands"),
                     fmt::format("{} GPUs cannot be {} islands", *result_.gpus, *result_.nvlink_islands));
    }
  }

  void read_nic(const toml::table& table) {
    document_.refuse_unknown_keys(
        table, {"count", "names", "link_layer", "rate", "firmware", "pcie_width", "pcie_speed"});
    ExpectedNics nics;
    if (const toml::node* node = table.get("names")) {
      nics.names = document_.texts_of(*node, "names", static_cast<std::size_t>(most_devices));
      nics.count = static_cast<int>(nics.names.size());
      for (const std::string& name : nics.names) {
        if (!names_.insert(name).second)
          document_.fail(*node, fmt::format("NIC {} is in two [[nic]] tables", quoted_text(name)));
      }
    }
    if (const toml::node* node = table.get("count")) {
      const int count = static_cast<int>(document_.integer_of(*node, "count", 1, most_devices));
      if (!nics.names.empty() && count != nics.count)
        document_.fail(*node, fmt::format("count is {} and names has {}", count, nics.count));
      nics.count = count;
    }
    if (nics.count == 0)
      document_.fail(table, "this [[nic]] has no count; add count = 8 or names = [\"mlx5_0\"]");
    if (const toml::node* node = table.get("link_layer"))
      nics.link_layer = document_.word_of(*node, "link_layer", {"Ethernet", "InfiniBand"});
    if (const toml::node* node = table.get("rate")) {
      nics.rate_Gbps = document_.quantity_of(*node, "rate", "Gb/s");
      if (*nics.rate_Gbps < 0.1 || *nics.rate_Gbps > fastest_Gbps)
        document_.fail(*node, fmt::format("rate is {:g} Gb/s; no NIC is like that", *nics.rate_Gbps));
    }
    read_text(table, "firmware", nics.firmware);
    read_pcie(table, nics.pcie_width, nics.pcie_speed_GTps);
    result_.nics.push_back(nics);
  }

  void read_rail(const toml::table& table) {
    document_.refuse_unknown_keys(table, {"rail", "nic", "leaf"});
    ExpectedRail rail;
    const toml::node* number = table.get("rail");
    if (number == nullptr) document_.fail(table, "this [[rail]] has no number; add rail = 0");
    rail.rail = static_cast<int>(document_.integer_of(*number, "rail", 0, most_devices - 1));
    const toml::node* nic = table.get("nic");
    if (nic == nullptr) document_.fail(table, "this [[rail]] names no NIC; add nic = \"mlx5_0\"");
    rail.nic = document_.text_of(*nic, "nic");
    read_text(table, "leaf", rail.leaf);
    for (const ExpectedRail& earlier : result_.rails) {
      if (earlier.rail == rail.rail)
        document_.fail(*number, fmt::format("rail {} is there twice", rail.rail));
      if (earlier.nic == rail.nic) {
        document_.fail(
            *nic, fmt::format("{} is rail {} and rail {}", quoted_text(rail.nic), earlier.rail, rail.rail));
      }
    }
    result_.rails.push_back(rail);
  }

  TomlDocument document_;
  Expectation result_;
  std::set<std::string> names_;
};

std::string toml_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (code < 0x20 || code == 0x7f) {
      result += fmt::format("\\u{:04X}", code);
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// For a comment, which a line break would end.
std::string one_line(std::string_view text) {
  std::string result;
  for (const char c : text) result += c >= ' ' && c <= '~' ? c : '?';
  return result;
}

/// Lines "key = value" of what is asked for.
class Lines {
 public:
  void add(const char* key, const std::string& value) {
    if (!value.empty()) text_ += fmt::format("{} = {}\n", key, toml_text(value));
  }
  void add(const char* key, std::optional<int> value) {
    if (value) text_ += fmt::format("{} = {}\n", key, *value);
  }
  void add(const char* key, std::optional<double> value, const char* unit) {
    if (value) text_ += fmt::format("{} = \"{} {}\"\n", key, *value, unit);
  }
  void add(const char* key, const std::vector<std::string>& values) {
    if (values.empty()) return;
    std::vector<std::string> quoted_values;
    quoted_values.reserve(values.size());
    for (const std::string& value : values) quoted_values.push_back("  " + toml_text(value) + ",\n");
    text_ += fmt::format("{} = [\n{}]\n", key, fmt::join(quoted_values, ""));
  }
  std::string under(const char* heading) const {
    return text_.empty() ? "" : fmt::format("\n{}\n{}", heading, text_);
  }

 private:
  std::string text_;
};

}  // namespace

Expectation parse_expectation(std::string_view text, const std::string& file) {
  return ExpectationReader(text, file).read();
}

Expectation read_expectation(const std::string& file) {
  return parse_expectation(read_text_file(file, largest_toml_bytes, "expectation file"), file);
}

std::string format_expectation(const Expectation& expectation, const std::string& origin) {
  std::string result = fmt::format(
      "# What a node should have, from {}. Pass it with --expect; a key that is left out is not asked for.\n",
      one_line(origin));
  Lines gpu;
  gpu.add("count", expectation.gpus);
  gpu.add("model", expectation.gpu_model);
  gpu.add("nvlinks", expectation.nvlinks_per_gpu);
  gpu.add("nvlink_islands", expectation.nvlink_islands);
  gpu.add("nvswitches", expectation.nvswitches);
  gpu.add("pcie_width", expectation.gpu_pcie_width);
  gpu.add("pcie_speed", expectation.gpu_pcie_speed_GTps, "GT/s");
  gpu.add("driver_min", expectation.driver_min);
  gpu.add("driver_max", expectation.driver_max);
  result += gpu.under("[gpu]");
  for (const ExpectedNics& nics : expectation.nics) {
    Lines nic;
    nic.add("count", std::optional<int>(nics.count));
    nic.add("names", nics.names);
    nic.add("link_layer", nics.link_layer);
    nic.add("rate", nics.rate_Gbps, "Gb/s");
    nic.add("firmware", nics.firmware);
    nic.add("pcie_width", nics.pcie_width);
    nic.add("pcie_speed", nics.pcie_speed_GTps, "GT/s");
    result += nic.under("[[nic]]");
  }
  for (const ExpectedRail& expected : expectation.rails) {
    Lines rail;
    rail.add("rail", std::optional<int>(expected.rail));
    rail.add("nic", expected.nic);
    rail.add("leaf", expected.leaf);
    result += rail.under("[[rail]]");
  }
  if (expectation.virtual_machine)
    result += fmt::format("\n[host]\nvirtual_machine = {}\n", *expectation.virtual_machine);
  return result;
}

}  // namespace fabricheck::config
