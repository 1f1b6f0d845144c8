#include "plan/plan.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/gate.hpp"
#include "core/glob.hpp"
#include "core/units.hpp"
#include "plan/budget.hpp"
#include "plan/port_rate.hpp"
#include "plan/variants.hpp"
#include "plan/wishes.hpp"
#include "plan/world.hpp"

namespace fabricheck::plan {
namespace {

constexpr int default_group_nodes = 8;
/// Shorter than this a group's own measurement decides nothing.
constexpr std::int64_t min_apart_ns = 50'000'000;
constexpr std::uint64_t gate_samples = 10000;  // p99.9 wants 10,000
constexpr std::uint64_t other_samples = 1000;  // p99 wants 1,000
constexpr std::uint64_t variant_samples = 100;
constexpr std::uint64_t gate_barrier_samples = 10000;  // as OSU's programs take
/// So many rails show whether they take from each other; and below this size latency counts, of which they
/// have none to take.
constexpr std::size_t most_rails_apart = 8;
constexpr std::uint64_t rails_apart_from_bytes = std::uint64_t{1} << 20;

bool has_scope(const CheckRow& row, Scope scope) {
  return std::find(row.scopes.begin(), row.scopes.end(), scope) != row.scopes.end();
}

bool selected(const std::string& id, const Request& request) {
  return is_selected(id, request.only, request.skip) && need_of(id, request).empty();
}

std::vector<std::uint64_t> sizes_of(const CheckRow& row, const Request& request) {
  if (row.sizes.empty()) return {0};
  if (row.sizes_are_fixed) return row.sizes;
  if (!request.sizes.empty()) return request.sizes;
  if (request.few_sizes && !row.quick_sizes.empty()) return row.quick_sizes;
  if (!request.few_sizes || row.sizes.size() <= 3) return row.sizes;
  return {row.sizes.front(), row.sizes[row.sizes.size() / 2], row.sizes[row.sizes.size() - 3]};
}

class Planner {
 public:
  Planner(const ClusterTopology& topology, std::span<const CheckRow> catalogue, const Request& request)
      : Planner(world_of(topology), catalogue, request) {}
  Planner(World world, std::span<const CheckRow> catalogue, const Request& request)
      : world_(std::move(world)),
        gpu_world_(world_.without(request.without_gpu)),
        catalogue_(catalogue),
        request_(request) {}

  TestPlan make() {
    const bool any = std::any_of(catalogue_.begin(), catalogue_.end(),
                                 [&](const CheckRow& row) { return selected(row.id, request_); });
    if (!any) return std::move(plan_);
    if (world_.all.size() < 2)
      plan_.not_tested.push_back({"mpi", "one rank alone has nobody to talk to: start at least two"});
    // The gate first: what a short budget must not lose.
    for (const CheckRow& row : catalogue_) add_row(row, true);
    for (const CheckRow& row : catalogue_) add_pairs(row);
    for (const CheckRow& row : catalogue_) add_row(row, false);
    if (world_.by_node.size() == 1 && world_.all.size() > 1)
      plan_.not_tested.push_back({"network", "all ranks are on one node, so no network was tested"});
    for (const CheckRow& row : catalogue_)
      // Those on GPUs have their sentence together.
      if (!row.unavailable_reason.empty() && selected(row.id, request_) && !row.make_timed && !row.needs_gpu)
        plan_.not_tested.push_back({row.id, row.unavailable_reason});
    if (world_.all.size() > 1) note_missing_pairs();
    note_missing_gpus();
    share_budget(plan_, request_);
    return std::move(plan_);
  }

 private:
  void note_missing_pairs() {
    const auto measures_pairs = [&](const CheckRow& row) {
      return has_scope(row, Scope::pair) && !row.needs_gpu && selected(row.id, request_);
    };
    const auto pair_row = std::find_if(catalogue_.begin(), catalogue_.end(), measures_pairs);
    if (pair_row != catalogue_.end() && (!pair_row->unavailable_reason.empty() || !request_.no_pairs.empty()))
      plan_.not_tested.push_back(
          {"verbs", pair_row->unavailable_reason.empty() ? request_.no_pairs : pair_row->unavailable_reason});
  }

  /// One sentence for all of them; each by itself where it was asked for.
  void note_missing_gpus() {
    std::map<std::string, std::vector<std::string>> lacking;  // reason -> back ends
    for (const CheckRow& row : catalogue_) {
      if (!row.needs_gpu || !selected(row.id, request_)) continue;
      const std::string& reason = missing_gpu(row);
      if (reason.empty()) continue;
      std::vector<std::string>& backends = lacking[reason];
      if (std::find(backends.begin(), backends.end(), row.backend) == backends.end())
        backends.push_back(row.backend);
      if (!request_.only.empty()) plan_.skipped.emplace_back(&row, reason);
    }
    for (const auto& [reason, backends] : lacking)
      plan_.not_tested.push_back({"gpu", fmt::format("{}: {}", fmt::join(backends, ", "), reason)});
  }

  const std::string& missing_gpu(const CheckRow& row) const {
    return row.unavailable_reason.empty() ? request_.no_gpu : row.unavailable_reason;
  }

  void add_row(const CheckRow& row, bool gate) {
    if (!row.derived_from.empty() || !row.unavailable_reason.empty() || has_scope(row, Scope::pair)) return;
    if (row.needs_gpu && !request_.no_gpu.empty()) return;
    std::vector<const CheckRow*> derived;
    for (const CheckRow& other : catalogue_)
      if (other.derived_from == row.id && selected(other.id, request_)) derived.push_back(&other);
    const bool show = selected(row.id, request_);
    if (!show && derived.empty()) return;
    // What takes a time of its own was asked for by it.
    const bool is_asked = row.in_quick || row.own_time_ns > 0 || !request_.only.empty();
    if (request_.few_sizes && !is_asked) return;
    const std::uint64_t gate_size = row.sizes.empty() ? 0 : row.sizes.front();
    const std::vector<std::uint64_t> sizes =
        with_target_sizes(sizes_of(row, request_), row, derived, request_);
    const std::vector<Variant> variants = variants_of(row, request_);
    for (const std::uint64_t bytes : sizes)
      for (const Variant& variant : variants) {
        PlannedCheck check;
        check.row = &row;
        check.bytes = bytes;
        check.variant = variant;
        const bool is_gate = row.in_gate && bytes == gate_size && variant == variants.front();
        if (is_gate != gate) continue;
        check.show = show;
        for (const CheckRow* other : derived)
          if (bytes >= other->min_bytes) check.derived.push_back(other);
        if (!show && check.derived.empty()) continue;
        check.wanted_samples = is_gate ? gate_samples : other_samples;
        check.barrier_samples = is_gate ? gate_barrier_samples : 0;
        for (const Scope scope : row.scopes) add_scope(check, scope, is_gate);
      }
    if (!gate && show && request_.all_variants && request_.types.empty() && request_.reductions.empty() &&
        request_.in_place.empty())
      add_other_variants(row);
  }

  void add_pairs(const CheckRow& row) {
    if (!has_scope(row, Scope::pair) || !selected(row.id, request_) || world_.all.size() < 2) return;
    if (request_.few_sizes && !row.in_quick && request_.only.empty()) return;
    if (row.needs_gpu && !missing_gpu(row).empty()) return;  // see note_missing_gpus()
    const std::string& reason = row.unavailable_reason.empty() ? request_.no_pairs : row.unavailable_reason;
    if (!reason.empty() || request_.pairs.empty()) {
      if (!request_.only.empty())
        plan_.skipped.emplace_back(&row, reason.empty() ? "there is no pair" : reason);
      return;
    }
    for (const std::uint64_t bytes : sizes_of(row, request_))
      for (std::size_t round = 0; round < request_.pairs.size(); ++round) {
        add_round(pairs_check(row, bytes), round, request_.pairs[round]);
        if (row.both_orders) add_round(pairs_check(row, bytes), round, turned(request_.pairs[round]));
      }
  }

  static PairRound turned(const PairRound& pairs) {
    PairRound others;
    for (Pair pair : pairs) {
      std::swap(pair.from, pair.to);
      std::swap(pair.from_rail, pair.to_rail);
      others.push_back(pair);
    }
    return others;
  }

  PlannedCheck pairs_check(const CheckRow& row, std::uint64_t bytes) const {
    PlannedCheck check;
    check.row = &row;
    check.bytes = bytes;
    check.scope = request_.loopback ? Scope::loopback : Scope::pair;
    check.nodes = request_.loopback ? 1 : 2;
    check.ranks_per_node = request_.loopback ? 2 : 1;
    check.wanted_samples = row.metric.better() == Better::lower ? gate_samples : other_samples;
    return check;
  }

  void add_round(PlannedCheck check, std::size_t round, const PairRound& pairs) {
    check.pairs = pairs;
    check.round = static_cast<int>(round);
    for (const Pair& pair : pairs) {
      check.groups.push_back({pair.from, pair.to});
      check.group_targets.push_back(check.scope == Scope::gpu_pair
                                        ? gpu_pair_target(check, pair)
                                        : pair_target(*check.row, check.bytes, pair));
      if (check.group_targets.back()) ++plan_.judged;
    }
    note_gpus(check);
    plan_.checks.push_back(std::move(check));
  }

  void note_gpus(PlannedCheck& check) const {
    if (check.scope != Scope::gpu && check.scope != Scope::every_gpu && check.scope != Scope::gpu_pair)
      return;
    check.gpus.clear();
    for (const Ranks& group : check.groups) {
      std::vector<int> gpus;
      for (const int rank : group) gpus.push_back(world_.gpu_of[static_cast<std::size_t>(rank)]);
      check.gpus.push_back(gpus);
    }
  }

  /// A file's target counts before what the links should give.
  std::optional<Target> gpu_pair_target(const PlannedCheck& check, const Pair& pair) const {
    const Target* told = find_target(request_.targets, check.row->id, check.bytes, 2);
    if (told) return *told;
    return request_.gpu_pair_target ? request_.gpu_pair_target(*check.row, check.bytes, pair) : std::nullopt;
  }

  /// A file's target counts before that of the port's rate. A loopback is no network, and what is in software
  /// has no target.
  std::optional<Target> pair_target(const CheckRow& row, std::uint64_t bytes, const Pair& pair) const {
    if (request_.loopback) return std::nullopt;
    const Target* told = find_target(request_.targets, row.id, bytes, 1);
    if (told && (!pair.in_software || told->origin != "built in")) return *told;
    // A GPU and the NIC may be behind different switches: the port's rate is no measure of that.
    if (row.needs_gpu) return std::nullopt;
    const bool is_bandwidth = row.rate_times_us && row.metric == "bandwidth" && row.flows == 0;
    if (!is_bandwidth || bytes < port_rate_from_bytes || pair.in_software || !pair.port_rate_GBps)
      return std::nullopt;
    Target target = port_rate_target(*pair.port_rate_GBps, pair.behind_pcie, pair.shared_by);
    target.check = row.id;
    target.bytes = bytes;
    return target;
  }

  /// All types, reductions and placements but the default, at one size over the widest scope: that they are
  /// right is what counts.
  void add_other_variants(const CheckRow& row) {
    if (!row.typed || row.variant_bytes == 0) return;
    const bool one_node = world_.by_node.size() == 1;
    const Scope widest = one_node                   ? Scope::inside_node
                         : world_.max_per_node == 1 ? Scope::between_nodes
                                                    : Scope::all_ranks;
    for (const Variant& variant : other_variants(row)) {
      PlannedCheck check;
      check.row = &row;
      check.bytes = other_variants_bytes(row, request_);
      check.variant = variant;
      check.sweep = true;
      check.wanted_samples = variant_samples;
      add_scope(check, widest, false);
    }
  }

  void add_scope(PlannedCheck check, Scope scope, bool is_gate) {
    check.scope = scope;
    const bool one_node = world_.by_node.size() == 1;
    const int nodes = static_cast<int>(world_.by_node.size());
    const World& world = check.row->needs_gpu ? gpu_world_ : world_;
    switch (scope) {
      case Scope::between_nodes_group: {
        const Target* target = find(check, 1);
        const int at_most = target && target->group_nodes ? *target->group_nodes : default_group_nodes;
        if (one_node || !is_gate || nodes <= at_most) return;
        add_groups(check, target, at_most);
        return;
      }
      case Scope::between_nodes: {
        if (one_node) return;
        check.groups = {world_.leaders};
        const Target* target = find(check, 1);
        const int at_most = target && target->group_nodes ? *target->group_nodes : default_group_nodes;
        check.against_model = is_gate && nodes > at_most;
        if (!check.against_model && target) check.target = *target;
        add(check, nodes, 1);
        return;
      }
      case Scope::all_ranks:
        if (one_node || world.max_per_node <= 1) return;
        check.groups = {world.all};
        // Entries that name one rank per node are for the scopes above; none is for what is left of a node.
        if (world.is_whole()) check.target = target_of(*check.row, check, world.max_per_node);
        add(check, nodes, world.max_per_node);
        return;
      case Scope::pair:
      case Scope::loopback:
        return;  // see add_pairs()
      case Scope::gpu:
        for (int place = 0; place < world_.max_per_node; ++place) {
          check.groups = world_.alone(place);
          check.round = place;
          check.target = target_of(*check.row, check, 1);
          add(check, 1, 1);
        }
        return;
      case Scope::every_gpu:
        check.groups.clear();
        for (const int rank : world_.all) check.groups.push_back({rank});
        check.target = target_of(*check.row, check, 1);
        add(check, 1, 1);
        return;
      case Scope::gpu_pair:
        check.nodes = 1;
        check.ranks_per_node = 2;
        for (std::size_t round = 0; round < request_.gpu_pairs.size(); ++round) {
          add_round(check, round, request_.gpu_pairs[round]);
          if (check.row->both_orders) add_round(check, round, turned(request_.gpu_pairs[round]));
        }
        return;
      case Scope::rail:
        if (one_node) return;
        check.groups = world.rails();
        if (check.groups.empty()) return;
        check.target = target_of(*check.row, check, 1);
        if (check.groups.size() > 1) check.mode = "together";
        add(check, nodes, 1);
        // A quick run has no time to look for why.
        if (check.groups.size() > 1 && is_largest(check) && !request_.few_sizes)
          add_rails_apart(check, nodes);
        return;
      case Scope::inside_node:
        for (const bool whole : {true, false}) {
          PlannedCheck inside = check;
          inside.groups = world.inside_nodes(whole);
          if (inside.groups.empty()) continue;
          int ranks_per_node = 0;
          for (const Ranks& ranks : inside.groups)
            ranks_per_node = std::max(ranks_per_node, static_cast<int>(ranks.size()));
          // On a single node the target between nodes is judged inside it (design section 3). What is left of
          // a node has none.
          if (whole) {
            const bool is_between_nodes =
                one_node && !check.row->needs_gpu && !is_told(inside, ranks_per_node);
            inside.target = target_of(*check.row, inside, is_between_nodes ? 1 : ranks_per_node);
          }
          if (inside.groups.size() > 1) inside.mode = "together";
          add(inside, 1, ranks_per_node);
        }
        return;
    }
  }

  /// Whether a file asks for something of just so many ranks on a node.
  bool is_told(const PlannedCheck& check, int ranks_per_node) const {
    const Target* told = find(check, ranks_per_node);
    return told != nullptr && told->ranks_per_node && told->origin != "built in";
  }

  /// A file's target counts before what good machines reach.
  std::optional<Target> target_of(const CheckRow& row, const PlannedCheck& check, int ranks_per_node) const {
    if (const Target* told = find_target(request_.targets, row.id, check.bytes, ranks_per_node)) return *told;
    return request_.platform_target ? request_.platform_target(row, check) : std::nullopt;
  }

  void add_groups(PlannedCheck check, const Target* target, int at_most) {
    if (target) check.target = *target;
    const std::vector<Ranks> parts = cut(world_.leaders, at_most);
    int nodes = 0;
    for (const Ranks& part : parts) nodes = std::max(nodes, static_cast<int>(part.size()));
    check.groups = parts;
    check.mode = "together";
    add(check, nodes, 1);
    if (!fits_apart(*check.row, parts.size(), "groups", 0)) return;
    check.mode = "apart";
    for (std::size_t g = 0; g < parts.size(); ++g) {
      check.groups = {parts[g]};
      check.group_number = static_cast<int>(g);
      add(check, static_cast<int>(parts[g].size()), 1);
    }
  }

  /// Whether so many measurements of parts fit into half of the budget, beside those that take `taken_ns`.
  bool fits_apart(const CheckRow& row, std::size_t parts, const char* noun, std::int64_t taken_ns) {
    const std::int64_t whole_ns = taken_ns + apart_ns(parts);
    if (whole_ns <= request_.budget_ns / 2) return true;
    plan_.not_tested.push_back(
        {row.id, fmt::format("its {} {} apart: {} would not fit into half of the budget of {}", parts, noun,
                             format_duration(std::chrono::nanoseconds(whole_ns)),
                             format_duration(std::chrono::nanoseconds(request_.budget_ns)))});
    return false;
  }
  static std::int64_t apart_ns(std::size_t parts) {
    return static_cast<std::int64_t>(parts) * min_apart_ns * 3;
  }

  /// The default variant at the largest size that is measured.
  bool is_largest(const PlannedCheck& check) const {
    const std::vector<std::uint64_t> sizes = sizes_of(*check.row, request_);
    return check.bytes >= rails_apart_from_bytes && !check.sweep &&
           check.bytes == *std::max_element(sizes.begin(), sizes.end()) &&
           check.variant == variants_of(*check.row, request_).front();
  }

  /// Beside all rails at once, each while the others rest: what they take from each other shows.
  void add_rails_apart(PlannedCheck check, int nodes) {
    const std::vector<Ranks> rails = check.groups;
    const std::size_t count = std::min(rails.size(), most_rails_apart);
    if (!fits_apart(*check.row, count, "rails", rails_apart_ns_)) return;
    rails_apart_ns_ += apart_ns(count);
    if (count < rails.size())
      plan_.not_tested.push_back(
          {check.row->id, fmt::format("{} of its {} rails apart: the first {} are measured by themselves",
                                      rails.size() - count, rails.size(), count)});
    check.mode = "apart";
    for (std::size_t rail = 0; rail < count; ++rail) {
      check.groups = {rails[rail]};
      check.group_number = static_cast<int>(rail);
      add(check, nodes, 1);
    }
  }

  void add(PlannedCheck check, int nodes, int ranks_per_node) {
    check.nodes = nodes;
    check.ranks_per_node = ranks_per_node;
    const bool has_targets = !check.sweep && !is_rail_alone(check);
    if (!has_targets || !check.show) {
      check.target.reset();
      check.against_model = false;
    }
    if (const std::string reason = impossible(check); !reason.empty()) {
      plan_.not_tested.push_back({check.row->id, reason});
      return;
    }
    note_gpus(check);
    if (check.target || check.against_model) plan_.judged += static_cast<int>(check.groups.size());
    for (const CheckRow* row : check.derived) {
      std::optional<Target> target;
      if (has_targets) target = target_of(*row, check, ranks_per_node);
      if (target) plan_.judged += static_cast<int>(check.groups.size());
      check.derived_targets.push_back(std::move(target));
    }
    plan_.checks.push_back(std::move(check));
  }

  /// Why no group can have this size, or empty.
  static std::string impossible(const PlannedCheck& check) {
    if (!check.row->payload_bytes) return "";
    std::size_t fewest = check.groups.front().size();
    for (const Ranks& group : check.groups) fewest = std::min(fewest, group.size());
    const std::size_t element = type_bytes(check.variant.type);
    if (check.row->payload_bytes(check.bytes, static_cast<int>(fewest), element) > 0) return "";
    return fmt::format("{}, {}: fewer {} elements than the {} ranks; the smallest size here is {}",
                       format_bytes(check.bytes), scope_name(check.scope), type_name(check.variant.type),
                       fewest, format_bytes(fewest * element));
  }

  const Target* find(const PlannedCheck& check, int ranks_per_node) const {
    return find_target(request_.targets, check.row->id, check.bytes, ranks_per_node);
  }

  World world_, gpu_world_;  ///< all ranks; those that have a GPU
  std::span<const CheckRow> catalogue_;
  const Request& request_;
  TestPlan plan_;
  std::int64_t rails_apart_ns_{};  ///< of all rows, at least
};

}  // namespace

TestPlan make_plan(const ClusterTopology& topology, std::span<const CheckRow> catalogue,
                   const Request& request) {
  return Planner(topology, catalogue, request).make();
}

}  // namespace fabricheck::plan
