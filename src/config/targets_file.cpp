#include "config/targets_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "config/quoted.hpp"
#include "core/error.hpp"
#include "core/suggest.hpp"
#include "core/units.hpp"

namespace fabricheck::embedded {
extern const char default_targets_toml[];
}  // namespace fabricheck::embedded

namespace fabricheck::config {
namespace {

constexpr std::size_t largest_file_bytes = std::size_t{4} << 20;
/// A dotted key nests once per dot, and the parser's tables are destroyed recursively: a line of a megabyte
/// of dots would overflow the stack.
constexpr std::size_t longest_line = 4096;
constexpr std::size_t most_targets = 10'000;
constexpr std::size_t longest_source = 1'000;
constexpr std::int64_t most_nodes = 1'000'000;

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys{"check",   "bytes", "ranks_per_node", "group_nodes", "statistic",
                                             "at_most", "below", "at_least",       "above",       "source"};
  return keys;
}

const std::vector<std::string>& known_statistics() {
  static const std::vector<std::string> statistics{"median", "mean", "p99", "min", "max", "busbw"};
  return statistics;
}

constexpr std::array<std::pair<const char*, Comparison>, 4> comparisons{{{"at_most", Comparison::at_most},
                                                                         {"below", Comparison::below},
                                                                         {"at_least", Comparison::at_least},
                                                                         {"above", Comparison::above}}};

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

class TargetsReader {
 public:
  TargetsReader(const std::string& file, const std::vector<KnownCheck>& known) : file_(file), known_(known) {}

  std::vector<Target> read(std::string_view text) {
    refuse_hostile(text);
    const toml::table document = parse(text);
    for (const auto& [key, node] : document) {
      if (key.str() == "target") continue;
      const std::vector<std::string> top{"target"};
      fail(key.source().begin,
           fmt::format("unknown key {}{}", quoted(key.str()), suggestion(key.str(), top)));
    }
    const toml::node* targets = document.get("target");
    if (targets == nullptr) fail(toml::source_position{1, 1}, "there is no [[target]] table in this file");
    const toml::array* list = targets->as_array();
    if (list == nullptr) {
      fail(*targets,
           fmt::format("'target' is {}; write each target as a [[target]] table", type_name(*targets)));
    }
    if (list->size() > most_targets) fail(*targets, fmt::format("there are over {} targets", most_targets));
    if (list->empty()) fail(*targets, "the list of targets is empty");
    std::vector<Target> result;
    for (const toml::node& node : *list) {
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        fail(node, fmt::format("a target is {}; write it as a [[target]] table", type_name(node)));
      }
      result.push_back(read_target(*table));
    }
    return result;
  }

 private:
  [[noreturn]] void fail(toml::source_position at, const std::string& sentence) const {
    throw UsageError(fmt::format("{}:{}:{}: {}", file_, at.line, at.column, sentence));
  }
  [[noreturn]] void fail(const toml::node& at, const std::string& sentence) const {
    fail(at.source().begin, sentence);
  }

  void refuse_hostile(std::string_view text) const {
    toml::source_index line = 1;
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      if (end - begin > longest_line) {
        fail(toml::source_position{line, static_cast<toml::source_index>(longest_line + 1)},
             fmt::format("the line is longer than {} characters", longest_line));
      }
      begin = end + 1;
      ++line;
    }
  }

  toml::table parse(std::string_view text) const {
    try {
      return toml::parse(text, file_);
    } catch (const toml::parse_error& error) {
      fail(error.source().begin, fmt::format("this is not TOML: {}", error.description()));
    }
  }

  Target read_target(const toml::table& table) {
    refuse_unknown_keys(table);
    Target target;
    target.origin = fmt::format("{}:{}", file_, table.source().begin.line);
    target.source = target.origin;
    const KnownCheck& check = read_check(table, target);
    read_keys(table, target);
    // A bandwidth that is derived from a latency check has its own unit.
    target.unit = target.statistic == "busbw" ? "GB/s" : check.unit;
    read_limit(table, target);
    refuse_duplicate(table, target);
    return target;
  }

  void refuse_unknown_keys(const toml::table& table) const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(known_keys().begin(), known_keys().end(), name) != known_keys().end()) continue;
      fail(key.source().begin, fmt::format("unknown key {}{}", quoted(name), suggestion(name, known_keys())));
    }
  }

  const KnownCheck& read_check(const toml::table& table, Target& target) const {
    const toml::node* node = table.get("check");
    if (node == nullptr) fail(table, "this target names no check; add check = \"mpi.allreduce.latency\"");
    target.check = text_of(*node, "check");
    for (const KnownCheck& check : known_) {
      if (check.id == target.check) return check;
    }
    std::vector<std::string> ids;
    for (const KnownCheck& check : known_) ids.push_back(check.id);
    fail(*node, fmt::format("unknown check {}{}", quoted(target.check), suggestion(target.check, ids)));
  }

  void read_keys(const toml::table& table, Target& target) const {
    if (const toml::node* node = table.get("bytes")) target.bytes = bytes_of(*node);
    if (const toml::node* node = table.get("ranks_per_node")) {
      target.ranks_per_node = static_cast<int>(integer_of(*node, "ranks_per_node", 1, most_nodes));
    }
    if (const toml::node* node = table.get("group_nodes")) {
      target.group_nodes = static_cast<int>(integer_of(*node, "group_nodes", 2, most_nodes));
    }
    if (const toml::node* node = table.get("statistic")) {
      target.statistic = text_of(*node, "statistic");
      const auto& known = known_statistics();
      if (std::find(known.begin(), known.end(), target.statistic) == known.end()) {
        fail(*node, fmt::format("unknown statistic {}{}", quoted(target.statistic),
                                suggestion(target.statistic, known)));
      }
    }
    if (const toml::node* node = table.get("source")) target.source = source_of(*node);
  }

  void read_limit(const toml::table& table, Target& target) const {
    const char* first = nullptr;
    const toml::node* limit = nullptr;
    for (const auto& [name, comparison] : comparisons) {
      const toml::node* node = table.get(name);
      if (node == nullptr) continue;
      if (first != nullptr) {
        const bool later = limit->source().begin < node->source().begin;
        fail(later ? *node : *limit,
             fmt::format("this target has both {} and {}; give one limit per target", first, name));
      }
      first = name;
      limit = node;
      target.comparison = comparison;
    }
    if (limit == nullptr)
      fail(table, "this target has no limit; add one of at_most, below, at_least or above");
    if (limit->is_number()) {
      fail(*limit,
           fmt::format("{} is a bare number; write it with its unit, such as \"5 {}\"", first, target.unit));
    }
    const std::string text = text_of(*limit, first);
    try {
      target.value = parse_quantity_as(text, target.unit);
    } catch (const UsageError& error) {
      fail(*limit, fmt::format("{}: {}", first, error.what()));
    }
  }

  void refuse_duplicate(const toml::table& table, const Target& target) {
    // One target is applied per check, size and ranks per node; a second one would silently replace the
    // first.
    const auto key = std::make_tuple(target.check, target.bytes, target.ranks_per_node);
    const auto [earlier, is_new] = lines_.emplace(key, table.source().begin.line);
    if (is_new) return;
    fail(table,
         fmt::format(
             "line {} already has a target for {}{}{}; one is applied per check, bytes and ranks_per_node",
             earlier->second, target.check, target.bytes ? " at " + format_bytes(*target.bytes) : "",
             target.ranks_per_node ? fmt::format(" with ranks_per_node {}", *target.ranks_per_node) : ""));
  }

  std::string text_of(const toml::node& node, std::string_view key) const {
    const auto* value = node.as_string();
    if (value == nullptr)
      fail(node, fmt::format("{} is {}; it has to be text in quotes", key, type_name(node)));
    if (value->get().empty()) fail(node, fmt::format("{} is empty", key));
    return value->get();
  }

  std::int64_t integer_of(const toml::node& node, std::string_view key, std::int64_t least,
                          std::int64_t most) const {
    const auto* value = node.as_integer();
    if (value == nullptr) fail(node, fmt::format("{} is {}; it has to be an integer", key, type_name(node)));
    if (value->get() < least || value->get() > most) {
      fail(node, fmt::format("{} is {}; it has to be from {} to {}", key, value->get(), least, most));
    }
    return value->get();
  }

  std::uint64_t bytes_of(const toml::node& node) const {
    if (node.is_integer()) {
      return static_cast<std::uint64_t>(
          integer_of(node, "bytes", 0, std::numeric_limits<std::int64_t>::max()));
    }
    if (!node.is_string()) {
      fail(node,
           fmt::format("bytes is {}; it has to be an integer or a size such as \"64KiB\"", type_name(node)));
    }
    const std::string text = text_of(node, "bytes");
    try {
      return parse_bytes(text);
    } catch (const UsageError& error) {
      fail(node, fmt::format("bytes: {}", error.what()));
    }
  }

  std::string source_of(const toml::node& node) const {
    std::string text = text_of(node, "source");
    if (text.size() > longest_source)
      fail(node, fmt::format("source is longer than {} bytes", longest_source));
    // Reports and terminals show it as it is.
    const bool printable = std::none_of(text.begin(), text.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
    if (!printable) fail(node, "source holds a control character; write it as one line of text");
    return text;
  }

  std::string file_;
  const std::vector<KnownCheck>& known_;
  std::map<std::tuple<std::string, std::optional<std::uint64_t>, std::optional<int>>, toml::source_index>
      lines_;
};

struct Descriptor {
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number_;
};

}  // namespace

std::string read_text_file(const std::string& file, std::size_t largest_bytes, std::string_view what) {
  const auto refuse = [&](std::string_view reason) {
    throw UsageError(fmt::format("cannot read the {} {}: {}", what, quoted(file), reason));
  };
  // Without O_NONBLOCK a named pipe that nobody writes to would hang here.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (descriptor.number_ < 0) refuse(std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor.number_, &status) != 0) refuse(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) refuse("it is a folder");
  if (!S_ISREG(status.st_mode)) refuse("it is not a plain file");
  std::string text;
  std::array<char, 65536> buffer{};
  while (text.size() <= largest_bytes) {
    const ssize_t count = ::read(descriptor.number_, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(std::strerror(errno));
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  refuse(fmt::format("it is over {}", format_bytes(largest_bytes)));
  return {};
}

std::vector<Target> parse_targets(std::string_view text, const std::string& file,
                                  const std::vector<KnownCheck>& known) {
  if (text.size() > largest_file_bytes) {
    throw UsageError(fmt::format("{}:1:1: the text is over {}", file, format_bytes(largest_file_bytes)));
  }
  return TargetsReader(file, known).read(text);
}

std::vector<Target> read_targets(const std::string& file, const std::vector<KnownCheck>& known) {
  return parse_targets(read_text_file(file, largest_file_bytes, "targets file"), file, known);
}

std::vector<Target> default_targets(const std::vector<KnownCheck>& known) {
  std::vector<Target> targets = parse_targets(embedded::default_targets_toml, "built-in targets", known);
  for (Target& target : targets) target.origin = "built in";
  return targets;
}

}  // namespace fabricheck::config
