#include "config/node_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "config/targets_file.hpp"
#include "config/toml_document.hpp"
#include "core/error.hpp"
#include "core/glob.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"
#include "core/units.hpp"

namespace fabricheck::config {
namespace {

using Names = std::vector<std::string>;

constexpr std::size_t kMostEntries = 256;

class NodeReader {
 public:
  NodeReader(std::string_view text, const std::string& file, const Names& check_ids,
             const Names& counter_kinds)
      : document_(text, file), check_ids_(check_ids), counter_kinds_(counter_kinds) {}

  NodeConfig read() {
    const toml::table& root = document_.root();
    document_.refuse_unknown_keys(root, {"mode",
                                         "on_error",
                                         "budget",
                                         "partitions",
                                         "max_drain_percent",
                                         "max_drain_per_hour",
                                         "resume",
                                         "skip",
                                         "slurm",
                                         "state_folder",
                                         "nvml_library",
                                         "expect",
                                         "platform",
                                         "gres",
                                         "file_system",
                                         "shm_min",
                                         "memlock_min",
                                         "clock",
                                         "gpudirect",
                                         "fatal_xids",
                                         "counters_per_hour"});
    read_draining(root);
    read_places(root);
    read_expected(root);
    return config_;
  }

 private:
  void read_draining(const toml::table& root) {
    if (const toml::node* node = root.get("mode"))
      config_.mode = document_.word_of(*node, "mode", {"observe", "drain"}) == "drain" ? DrainMode::drain
                                                                                       : DrainMode::observe;
    if (const toml::node* node = root.get("on_error"))
      config_.on_error =
          document_.word_of(*node, "on_error", {"log", "drain"}) == "drain" ? OnError::drain : OnError::log;
    if (const toml::node* node = root.get("budget")) {
      config_.budget = duration_of(*node, "budget");
      if (*config_.budget < std::chrono::milliseconds(100) || *config_.budget > std::chrono::hours(1))
        document_.fail(*node, "budget is not between 100ms and 1h");
    }
    if (const toml::node* node = root.get("partitions"))
      config_.partitions = document_.texts_of(*node, "partitions", kMostEntries);
    if (const toml::node* node = root.get("max_drain_percent"))
      config_.max_drain_percent =
          static_cast<double>(document_.integer_of(*node, "max_drain_percent", 0, 100));
    if (const toml::node* node = root.get("max_drain_per_hour"))
      config_.max_drain_per_hour =
          static_cast<int>(document_.integer_of(*node, "max_drain_per_hour", 0, 100'000));
    read_boolean(root, "resume", config_.resume);
    const toml::node* skip = root.get("skip");
    if (skip == nullptr) return;
    config_.skip = document_.texts_of(*skip, "skip", kMostEntries);
    for (const std::string& glob : config_.skip) {
      if (std::none_of(check_ids_.begin(), check_ids_.end(),
                       [&](const std::string& id) { return glob_matches(glob, id); }))
        document_.fail(*skip, fmt::format("skip: {} matches no check{}", quoted_text(glob),
                                          suggestion(glob, check_ids_)));
    }
  }

  void read_places(const toml::table& root) {
    if (const toml::table* slurm = document_.table_at(root, "slurm", "[slurm]")) {
      document_.refuse_unknown_keys(*slurm, {"scontrol", "conf"});
      read_path(*slurm, "scontrol", config_.scontrol);
      read_path(*slurm, "conf", config_.slurm_conf);
    }
    read_path(root, "state_folder", config_.state_folder);
    read_path(root, "expect", config_.expect_file);
    const toml::node* library = root.get("nvml_library");
    if (library == nullptr) return;
    config_.nvml_library = document_.text_of(*library, "nvml_library");
    if (config_.nvml_library != "libnvidia-ml.so.1")
      require_absolute(*library, "nvml_library", config_.nvml_library);
  }

  void read_expected(const toml::table& root) {
    read_text(root, "platform", config_.platform);
    read_text(root, "gres", config_.gres);
    for (const toml::table* table : document_.tables_at(root, "file_system", "[[file_system]]", kMostEntries))
      read_file_system(*table);
    if (const toml::node* node = root.get("shm_min")) config_.shm_bytes_min = bytes_of(*node, "shm_min");
    if (const toml::node* node = root.get("memlock_min")) {
      const std::string text = document_.text_of(*node, "memlock_min");
      config_.memlock_bytes_min = text == "unlimited"
                                      ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
                                      : bytes_of(*node, "memlock_min");
    }
    if (const toml::table* clock = document_.table_at(root, "clock", "[clock]")) {
      document_.refuse_unknown_keys(*clock, {"synchronised", "error_max"});
      read_boolean(*clock, "synchronised", config_.clock_synchronised);
      if (const toml::node* node = clock->get("error_max"))
        config_.clock_error_max = duration_of(*node, "error_max");
    }
    read_boolean(root, "gpudirect", config_.gpudirect);
    if (const toml::node* node = root.get("fatal_xids")) read_xids(*node);
    if (const toml::table* counters = document_.table_at(root, "counters_per_hour", "[counters_per_hour]")) {
      document_.refuse_unknown_keys(*counters, counter_kinds_);
      for (const auto& [key, node] : *counters)
        config_.counters_per_hour_max[std::string(key.str())] =
            static_cast<double>(document_.integer_of(node, key.str(), 0, std::int64_t{1} << 60));
    }
  }

  void read_file_system(const toml::table& table) {
    document_.refuse_unknown_keys(table, {"path", "writable", "free_min"});
    FileSystemRule rule;
    if (table.get("path") == nullptr) document_.fail(table, "this [[file_system]] has no path");
    read_path(table, "path", rule.path);
    read_boolean(table, "writable", rule.writable);
    if (const toml::node* node = table.get("free_min")) rule.free_bytes_min = bytes_of(*node, "free_min");
    config_.file_systems.push_back(std::move(rule));
  }

  void read_xids(const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr)
      document_.fail(node, fmt::format("fatal_xids is {}; write [48, 79]", type_name(node)));
    if (list->size() > kMostEntries) document_.fail(node, "fatal_xids has too many entries");
    config_.fatal_xids.clear();
    for (const toml::node& entry : *list)
      config_.fatal_xids.push_back(static_cast<int>(document_.integer_of(entry, "fatal_xids", 1, 100'000)));
  }

  void require_absolute(const toml::node& node, const char* key, const std::string& path) const {
    if (!path.starts_with('/'))
      document_.fail(
          node,
          fmt::format("{} is {}; write an absolute path, for there is no PATH and no folder to begin at", key,
                      quoted_text(path)));
  }
  void read_path(const toml::table& table, const char* key, std::string& into) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    into = document_.text_of(*node, key);
    require_absolute(*node, key, into);
  }
  void read_text(const toml::table& table, const char* key, std::string& into) const {
    if (const toml::node* node = table.get(key)) into = document_.text_of(*node, key);
  }
  void read_boolean(const toml::table& table, const char* key, bool& into) const {
    if (const toml::node* node = table.get(key)) into = document_.boolean_of(*node, key);
  }
  /// A parser of core/units, its error with the place before it.
  template <typename Parse>
  auto placed(const toml::node& node, const char* key, Parse parse) const {
    const std::string text = document_.text_of(node, key);
    try {
      return parse(text);
    } catch (const UsageError& error) {
      document_.fail(node, fmt::format("{}: {}", key, error.what()));
    }
  }
  std::uint64_t bytes_of(const toml::node& node, const char* key) const {
    return placed(node, key, [](const std::string& text) { return parse_bytes(text); });
  }
  std::chrono::nanoseconds duration_of(const toml::node& node, const char* key) const {
    return placed(node, key, [](const std::string& text) { return parse_duration(text); });
  }

  TomlDocument document_;
  const Names& check_ids_;
  const Names& counter_kinds_;
  NodeConfig config_;
};

}  // namespace

NodeConfig parse_node_config(std::string_view text, const std::string& file, const Names& check_ids,
                             const Names& counter_kinds) {
  return NodeReader(text, file, check_ids, counter_kinds).read();
}

NodeConfig read_node_config(const std::string& file, const Names& check_ids, const Names& counter_kinds) {
  return parse_node_config(read_text_file(file, largest_toml_bytes, "node configuration"), file, check_ids,
                           counter_kinds);
}

}  // namespace fabricheck::config
