#include "app/node_setup.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "config/node_file.hpp"
#include "core/error.hpp"
#include "node/catalog.hpp"
#include "node/counter_kinds.hpp"

namespace fabricheck::app {

namespace {

/// Root starts programs and loads libraries that this file names.
void refuse_what_anybody_may_write(const std::string& file) {
  struct stat facts {};
  if (::geteuid() != 0 || ::stat(file.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return;
  if ((facts.st_mode & S_IWOTH) != 0)
    throw UsageError(fmt::format(
        "{} may be written by anybody, and root would start what it names: chmod o-w {}", file, file));
  if (facts.st_uid != 0)
    throw UsageError(fmt::format("{} belongs to user {}, and root would start what it names: chown root {}",
                                 file, facts.st_uid, file));
}

}  // namespace

std::chrono::nanoseconds default_budget(node::Profile profile) {
  switch (profile) {
    case node::Profile::prolog:
    case node::Profile::epilog:
    case node::Profile::health:
      return std::chrono::seconds(5);
    case node::Profile::acceptance:
      return std::chrono::minutes(5);
  }
  return std::chrono::seconds(5);
}

NodeConfig node_configuration(const NodeOptions& options) {
  NodeConfig config;
  if (!options.config_file.empty()) {
    refuse_what_anybody_may_write(options.config_file);
    std::vector<std::string> ids;
    for (const node::NodeRow& row : node::catalog()) ids.emplace_back(row.id);
    std::vector<std::string> kinds;
    kinds.reserve(node::kCounterKinds.size());
    for (const node::CounterKind& kind : node::kCounterKinds) kinds.emplace_back(kind.name);
    config = config::read_node_config(options.config_file, ids, kinds);
  }
  if (!options.expect_file.empty()) config.expect_file = options.expect_file;
  if (!options.storage_path.empty())
    config.file_systems.push_back({options.storage_path, true, std::nullopt});
  return config;
}

}  // namespace fabricheck::app
