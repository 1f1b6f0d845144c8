#include "app/host_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/text.hpp"

namespace fabricheck::app {
namespace {

constexpr std::size_t most_hosts = 65'536;
constexpr std::size_t longest_host_name = 253;

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}

/// `where` is "--hosts" or FILE:LINE.
void require_host_name(std::string_view name, const std::string& where) {
  const auto refuse = [&](std::string_view reason) {
    throw UsageError(fmt::format("{}: the host name {} {}", where, quoted_text(name), reason));
  };
  if (name.empty()) refuse("is empty");
  // It would reach ssh as an option.
  if (name.front() == '-') refuse("begins with a dash");
  if (name.size() > longest_host_name) refuse(fmt::format("is longer than {} characters", longest_host_name));
  if (name.front() == '[') {
    refuse("is an IPv6 address or a range; Open MPI's host lists take neither, give each host by its name");
  }
  if (name.find('[') != std::string_view::npos) {
    refuse(
        "holds a range; write the hosts out (node1,node2,...), or give a file with one a line by --hostfile");
  }
  if (!std::all_of(name.begin(), name.end(), is_name_character)) {
    refuse("holds a character other than letters, digits, '.', '_' and '-'");
  }
}

/// `host` or `host:4`; an address in brackets keeps its colons and is refused as a whole.
LaunchHost parse_host(std::string_view word, const std::string& where) {
  const std::size_t colon = word.starts_with('[') ? std::string_view::npos : word.find(':');
  const std::string_view name = word.substr(0, colon);
  require_host_name(name, where);
  LaunchHost host{std::string(name), 0};
  if (colon != std::string_view::npos) {
    host.ranks = parse_ranks(word.substr(colon + 1), where,
                             fmt::format("the rank count of host {}", quoted_text(name)));
  }
  return host;
}

class Duplicates {
 public:
  void add(const std::string& name, const std::string& where) {
    if (!seen_.insert(lowered(name)).second) {
      throw UsageError(fmt::format("{}: the host {} is named twice; write {}:N for N ranks on it", where,
                                   quoted_text(name), name));
    }
  }

 private:
  std::set<std::string> seen_;
};

/// Digits of one bound of a range; the first bound's width is kept ("01-10").
struct Bound {
  unsigned long value{};
  std::size_t width{};
};

Bound parse_bound(std::string_view text, std::string_view list) {
  constexpr std::size_t most_digits = 18;  // more could overflow, and zeros alone could fill the memory
  Bound bound{0, text.size()};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), bound.value);
  if (text.empty() || text.size() > most_digits || result.ec != std::errc() ||
      result.ptr != text.data() + text.size()) {
    throw UsageError(
        fmt::format("the node list {} has {} where a number belongs", quoted_text(list), quoted_text(text)));
  }
  return bound;
}

/// The numbers of "1-3,07", as text.
std::vector<std::string> expand_ranges(std::string_view ranges, std::string_view list) {
  std::vector<std::string> numbers;
  std::size_t begin = 0;
  while (begin <= ranges.size()) {
    const std::size_t end = std::min(ranges.find(',', begin), ranges.size());
    const std::string_view range = ranges.substr(begin, end - begin);
    const std::size_t dash = range.find('-');
    const Bound first = parse_bound(range.substr(0, dash), list);
    const Bound last = dash == std::string_view::npos ? first : parse_bound(range.substr(dash + 1), list);
    if (last.value < first.value || last.value - first.value >= most_hosts) {
      throw UsageError(
          fmt::format("the node list {} has the impossible range {}", quoted_text(list), quoted_text(range)));
    }
    for (unsigned long number = first.value; number <= last.value; ++number) {
      numbers.push_back(fmt::format("{:0{}}", number, first.width));
      if (numbers.size() > most_hosts)
        throw UsageError(fmt::format("the node list {} is too long", quoted_text(list)));
    }
    begin = end + 1;
  }
  return numbers;
}

/// One element of a node list, which may hold several brackets: every combination, the last bracket fastest.
std::vector<std::string> expand_element(std::string_view element, std::string_view list) {
  std::vector<std::string> names{""};
  while (!element.empty()) {
    const std::size_t open = std::min(element.find('['), element.size());
    for (std::string& name : names) name += element.substr(0, open);
    if (open == element.size()) break;
    const std::size_t close = element.find(']', open);
    if (close == std::string_view::npos)
      throw UsageError(fmt::format("the node list {} lacks a ']'", quoted_text(list)));
    std::vector<std::string> longer;
    const std::vector<std::string> numbers = expand_ranges(element.substr(open + 1, close - open - 1), list);
    if (names.size() * numbers.size() > most_hosts) {
      throw UsageError(fmt::format("the node list {} is too long", quoted_text(list)));
    }
    for (const std::string& name : names) {
      for (const std::string& number : numbers) longer.push_back(name + number);
    }
    names = std::move(longer);
    element.remove_prefix(close + 1);
  }
  return names;
}

}  // namespace

int parse_ranks(std::string_view text, const std::string& where, std::string_view what) {
  int ranks = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), ranks);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || ranks < 1 ||
      ranks > most_ranks_per_node) {
    throw UsageError(fmt::format("{}: {} is {}; it has to be a number from 1 to {}", where, what,
                                 quoted_text(text), most_ranks_per_node));
  }
  return ranks;
}

std::vector<LaunchHost> parse_host_words(const std::vector<std::string>& words, const std::string& where) {
  std::vector<LaunchHost> hosts;
  Duplicates duplicates;
  for (const std::string& word : words) {
    hosts.push_back(parse_host(word, where));
    duplicates.add(hosts.back().name, where);
    if (hosts.size() > most_hosts) throw UsageError(fmt::format("{}: over {} hosts", where, most_hosts));
  }
  return hosts;
}

std::vector<std::string> expand_node_list(std::string_view list) {
  std::vector<std::string> nodes;
  Duplicates duplicates;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    // The comma that ends an element is the first outside of brackets.
    std::size_t end = begin;
    bool inside = false;
    for (; end < list.size() && (inside || list[end] != ','); ++end) {
      if (list[end] == '[') inside = true;
      if (list[end] == ']') inside = false;
    }
    for (const std::string& node : expand_element(list.substr(begin, end - begin), list)) {
      require_host_name(node, "node list");
      duplicates.add(node, "node list");
      nodes.push_back(node);
      if (nodes.size() > most_hosts)
        throw UsageError(fmt::format("the node list {} is too long", quoted_text(list)));
    }
    begin = end + 1;
  }
  return nodes;
}

std::vector<LaunchHost> parse_hostfile(std::string_view text, const std::string& file) {
  constexpr std::string_view blanks = " \t\r";
  std::vector<LaunchHost> hosts;
  Duplicates duplicates;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::string where = fmt::format("{}:{}", file, ++line_number);
    line = line.substr(0, line.find('#'));
    const auto next_word = [&] {
      line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
      const std::string_view word = line.substr(0, line.find_first_of(blanks));
      line.remove_prefix(word.size());
      return word;
    };
    const std::string_view name = next_word();
    if (name.empty()) continue;
    LaunchHost host = parse_host(name, where);
    for (std::string_view word = next_word(); !word.empty(); word = next_word()) {
      constexpr std::string_view slots = "slots=";
      if (!word.starts_with(slots)) {
        throw UsageError(fmt::format("{}: {} is not understood; a line is HOST, HOST:N or HOST slots=N",
                                     where, quoted_text(word)));
      }
      if (host.ranks != 0)
        throw UsageError(fmt::format("{}: the host {} has two rank counts", where, quoted_text(host.name)));
      host.ranks = parse_ranks(word.substr(slots.size()), where, "slots");
    }
    duplicates.add(host.name, where);
    hosts.push_back(std::move(host));
    if (hosts.size() > most_hosts) throw UsageError(fmt::format("{}: over {} hosts", where, most_hosts));
  }
  if (hosts.empty()) throw UsageError(fmt::format("the hostfile {} names no host", quoted_text(file)));
  return hosts;
}

}  // namespace fabricheck::app
