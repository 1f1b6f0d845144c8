#include "core/check_pairing.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fabricheck {
namespace {

using Parameters = std::map<std::string, Parameter>;

/// What the size of the world puts into the parameters: without it two checks measure the same thing.
const std::set<std::string>& shape_parameters() {
  static const std::set<std::string> names{"ranks", "nodes", "ranks_per_node", "mode", "group"};
  return names;
}

Parameters without(Parameters parameters, const std::set<std::string>& names) {
  for (const std::string& name : names) parameters.erase(name);
  return parameters;
}

std::string text_of(const Parameter& parameter) {
  if (const auto* text = std::get_if<std::string>(&parameter)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&parameter)) return std::to_string(*whole);
  return format_number(std::get<double>(parameter));
}

std::string key_of(const CheckRecord& check, const Parameters& parameters) {
  std::string key = check.id + '\n' + check.scope;
  for (const auto& [name, value] : parameters) key += '\n' + name + '=' + text_of(value);
  return key;
}

class Pairing {
 public:
  Pairing(const RunRecord& before, const RunRecord& after) : after_(after) {
    before_partner_.resize(before.checks.size());
    after_taken_.resize(after.checks.size());
    bool share_a_host = false;
    for (const std::string& host : before.world.hosts)
      share_a_host = share_a_host || std::find(after.world.hosts.begin(), after.world.hosts.end(), host) !=
                                         after.world.hosts.end();
    const auto by_hosts = [](const CheckRecord& check) {
      const std::set<std::string> hosts(check.participants.begin(), check.participants.end());
      // One host measured beside others is still that host.
      std::string key =
          key_of(check, without(check.parameters, hosts.size() == 1 ? std::set<std::string>{"group", "mode"}
                                                                    : std::set<std::string>{"group"}));
      for (const std::string& host : hosts) key += '\n' + host;
      return key;
    };
    const auto by_number = [share_a_host](const CheckRecord& check) {
      if (check.participants.size() == 1 && share_a_host) return std::string();
      return key_of(check, check.parameters);
    };
    const auto by_kind = [](const CheckRecord& check) {
      return key_of(check, without(check.parameters, shape_parameters()));
    };
    match(before, by_hosts, false);
    match(before, by_number, false);
    match(before, by_kind, true);
    for (std::size_t i = 0; i < before.checks.size(); ++i) {
      ComparedCheck pair;
      pair.before = &before.checks[i];
      if (before_partner_[i]) pair.after = &after.checks[before_partner_[i]->index];
      if (!pair.after) {
        pair.reason = "only in OLD";
      } else if (before_partner_[i]->other_shape) {
        pair.reason = shape_reason(*pair.before, *pair.after);
      }
      pairs_.push_back(pair);
    }
    for (std::size_t i = 0; i < after.checks.size(); ++i) {
      if (after_taken_[i]) continue;
      ComparedCheck pair;
      pair.after = &after.checks[i];
      pair.reason = "only in NEW";
      pairs_.push_back(pair);
    }
  }

  std::vector<ComparedCheck> pairs() { return std::move(pairs_); }

 private:
  struct Partner {
    std::size_t index{};
    bool other_shape{};
  };

  /// Pairs what is still alone and has the same key, in order; an empty key is nobody's partner.
  template <class Key>
  void match(const RunRecord& before, Key key, bool other_shape) {
    std::map<std::string, std::vector<std::size_t>> free;
    for (std::size_t i = after_.checks.size(); i-- > 0;)
      if (!after_taken_[i]) free[key(after_.checks[i])].push_back(i);
    for (std::size_t i = 0; i < before.checks.size(); ++i) {
      if (before_partner_[i]) continue;
      const std::string wanted = key(before.checks[i]);
      const auto found = free.find(wanted);
      if (wanted.empty() || found == free.end() || found->second.empty()) continue;
      const std::size_t partner = found->second.back();
      found->second.pop_back();
      // Checks of one host whose other parameters are the same are of two hosts, not of two shapes.
      if (other_shape && same_shape(before.checks[i], after_.checks[partner])) continue;
      before_partner_[i] = Partner{partner, other_shape};
      after_taken_[partner] = true;
    }
  }

  static bool same_shape(const CheckRecord& before, const CheckRecord& after) {
    return without(before.parameters, {"group", "mode"}) == without(after.parameters, {"group", "mode"});
  }

  static std::string shape_reason(const CheckRecord& before, const CheckRecord& after) {
    std::vector<std::string> parts;
    for (const char* name : {"nodes", "ranks_per_node", "ranks"}) {
      const auto was = before.parameters.find(name);
      const auto is = after.parameters.find(name);
      if (was == before.parameters.end() || is == after.parameters.end() || was->second == is->second)
        continue;
      std::string words = name;
      std::replace(words.begin(), words.end(), '_', ' ');
      parts.push_back(fmt::format("{} {} -> {}", words, text_of(was->second), text_of(is->second)));
    }
    return "other size of the world: " + fmt::format("{}", fmt::join(parts, ", "));
  }

  const RunRecord& after_;
  std::vector<std::optional<Partner>> before_partner_;
  std::vector<bool> after_taken_;
  std::vector<ComparedCheck> pairs_;
};

}  // namespace

std::vector<ComparedCheck> paired_checks(const RunRecord& before, const RunRecord& after) {
  return Pairing(before, after).pairs();
}

}  // namespace fabricheck
