#include "config/targets_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "config/toml_document.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"
#include "core/units.hpp"

namespace fabricheck::embedded {
extern const char default_targets_toml[];
}  // namespace fabricheck::embedded

namespace fabricheck::config {
namespace {

constexpr std::size_t most_targets = 10'000;
constexpr std::int64_t most_nodes = 1'000'000;

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys{"check",   "bytes", "ranks_per_node", "group_nodes", "statistic",
                                             "at_most", "below", "at_least",       "above",       "source"};
  return keys;
}

const std::vector<std::string>& known_statistics() {
  static const std::vector<std::string> statistics{"median", "mean", "p99"};
  return statistics;
}

constexpr std::array<std::pair<const char*, Comparison>, 4> comparisons{{{"at_most", Comparison::at_most},
                                                                         {"below", Comparison::below},
                                                                         {"at_least", Comparison::at_least},
                                                                         {"above", Comparison::above}}};

class TargetsReader {
 public:
  TargetsReader(std::string_view text, const std::string& file, const std::vector<KnownCheck>& known)
      : document_(text, file), known_(known) {}

  std::vector<Target> read() {
    document_.refuse_unknown_keys(document_.root(), {"target"});
    if (!document_.root().contains("target"))
      document_.fail(toml::source_position{1, 1}, "there is no [[target]] table in this file");
    std::vector<Target> result;
    for (const toml::table* table :
         document_.tables_at(document_.root(), "target", "[[target]]", most_targets)) {
      result.push_back(read_target(*table));
    }
    return result;
  }

 private:
  Target read_target(const toml::table& table) {
    document_.refuse_unknown_keys(table, known_keys());
    Target target;
    target.origin = fmt::format("{}:{}", document_.file(), table.source().begin.line);
    target.source = target.origin;
    const KnownCheck& check = read_check(table, target);
    read_keys(table, target);
    target.unit = check.unit;
    read_limit(table, target);
    refuse_duplicate(table, target);
    return target;
  }

  const KnownCheck& read_check(const toml::table& table, Target& target) const {
    const toml::node* node = table.get("check");
    if (node == nullptr)
      document_.fail(table, "this target names no check; add check = \"mpi.allreduce.latency\"");
    target.check = document_.text_of(*node, "check");
    for (const KnownCheck& check : known_) {
      if (check.id == target.check) return check;
    }
    std::vector<std::string> ids;
    for (const KnownCheck& check : known_) ids.push_back(check.id);
    document_.fail(
        *node, fmt::format("unknown check {}{}", quoted_text(target.check), suggestion(target.check, ids)));
  }

  void read_keys(const toml::table& table, Target& target) const {
    if (const toml::node* node = table.get("bytes")) target.bytes = bytes_of(*node);
    if (const toml::node* node = table.get("ranks_per_node")) {
      target.ranks_per_node = static_cast<int>(document_.integer_of(*node, "ranks_per_node", 1, most_nodes));
    }
    if (const toml::node* node = table.get("group_nodes")) {
      target.group_nodes = static_cast<int>(document_.integer_of(*node, "group_nodes", 2, most_nodes));
    }
    if (const toml::node* node = table.get("statistic")) {
      target.statistic = document_.word_of(*node, "statistic", known_statistics());
    }
    if (const toml::node* node = table.get("source")) target.source = document_.text_of(*node, "source");
  }

  void read_limit(const toml::table& table, Target& target) const {
    const char* first = nullptr;
    const toml::node* limit = nullptr;
    for (const auto& [name, comparison] : comparisons) {
      const toml::node* node = table.get(name);
      if (node == nullptr) continue;
      if (first != nullptr) {
        const bool later = limit->source().begin < node->source().begin;
        document_.fail(later ? *node : *limit,
                       fmt::format("this target has both {} and {}; give one limit per target", first, name));
      }
      first = name;
      limit = node;
      target.comparison = comparison;
    }
    if (limit == nullptr)
      document_.fail(table, "this target has no limit; add one of at_most, below, at_least or above");
    target.value = document_.quantity_of(*limit, first, target.unit);
  }

  void refuse_duplicate(const toml::table& table, const Target& target) {
    // One target is applied per check, size and ranks per node; a second one would silently replace the
    // first.
    const auto key = std::make_tuple(target.check, target.bytes, target.ranks_per_node);
    const auto [earlier, is_new] = lines_.emplace(key, table.source().begin.line);
    if (is_new) return;
    document_.fail(
        table,
        fmt::format(
            "line {} already has a target for {}{}{}; one is applied per check, bytes and ranks_per_node",
            earlier->second, target.check, target.bytes ? " at " + format_bytes(*target.bytes) : "",
            target.ranks_per_node ? fmt::format(" with ranks_per_node {}", *target.ranks_per_node) : ""));
  }

  std::uint64_t bytes_of(const toml::node& node) const {
    if (node.is_integer()) {
      return static_cast<std::uint64_t>(
          document_.integer_of(node, "bytes", 0, std::numeric_limits<std::int64_t>::max()));
    }
    if (!node.is_string()) {
      document_.fail(node, fmt::format("bytes is {}; it has to be an integer or a size such as \"64KiB\"",
                                       type_name(node)));
    }
    const std::string text = document_.text_of(node, "bytes");
    try {
      return parse_bytes(text);
    } catch (const UsageError& error) {
      document_.fail(node, fmt::format("bytes: {}", error.what()));
    }
  }

  TomlDocument document_;
  const std::vector<KnownCheck>& known_;
  std::map<std::tuple<std::string, std::optional<std::uint64_t>, std::optional<int>>, toml::source_index>
      lines_;
};

}  // namespace

std::string read_text_file(const std::string& file, std::size_t largest_bytes, std::string_view what) {
  const auto refuse = [&](std::string_view reason) {
    throw UsageError(fmt::format("cannot read the {} {}: {}", what, quoted_text(file), reason));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) refuse("it is a folder");
  std::string why;
  std::optional<std::string> text = read_regular_file(file, why, largest_bytes + 1);
  if (!text) refuse(why);
  if (text->size() <= largest_bytes) return *std::move(text);
  refuse(fmt::format("it is over {}", format_bytes(largest_bytes)));
  return {};
}

std::vector<Target> parse_targets(std::string_view text, const std::string& file,
                                  const std::vector<KnownCheck>& known) {
  return TargetsReader(text, file, known).read();
}

std::vector<Target> read_targets(const std::string& file, const std::vector<KnownCheck>& known) {
  return parse_targets(read_text_file(file, largest_toml_bytes, "targets file"), file, known);
}

std::vector<Target> default_targets(const std::vector<KnownCheck>& known) {
  std::vector<Target> targets = parse_targets(embedded::default_targets_toml, "built-in targets", known);
  for (Target& target : targets) target.origin = "built in";
  return targets;
}

}  // namespace fabricheck::config
