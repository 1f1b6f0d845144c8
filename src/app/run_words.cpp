#include "app/run_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "app/gpu_options.hpp"
#include "core/glob.hpp"
#include "core/text.hpp"
#include "core/units.hpp"
#include "topology/model/rank_nics.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

nanoseconds default_budget(Suite suite) {
  switch (suite) {
    case Suite::quick:
      return seconds(8);
    case Suite::acceptance:
      return minutes(10);
    case Suite::full:
      return minutes(30);
    case Suite::diagnose:
      return minutes(2);
  }
  return seconds(8);
}

/// What a glob that matches nothing is compared with: the ids and, for one with a wildcard, the globs that
/// people make of them. Each of these matches a check.
Words likely_globs(const std::string& glob, const Words& known) {
  Words likely = known;
  if (glob.find('*') == std::string::npos) return likely;
  for (const std::string& id : known) {
    const std::size_t first = id.find('.'), last = id.rfind('.');
    if (first == std::string::npos) continue;
    const std::string area = id.substr(0, first), metric = id.substr(last);
    likely.push_back(area + ".*");
    likely.push_back("*" + metric);
    if (first == last) continue;
    likely.push_back(fmt::format("{}.*", id.substr(0, last)));
    likely.push_back(fmt::format("{}.*{}", area, metric));
    likely.push_back(fmt::format("*{}.*", id.substr(first, last - first)));
  }
  return likely;
}

/// Where several were given in one, how to give them; else nothing.
std::string given_apart(const std::string& name, const std::string& list, const Words& known) {
  std::string words;
  std::istringstream in(list);
  int parts = 0;
  for (std::string part; std::getline(in, part, ','); ++parts) {
    const bool matches = std::any_of(known.begin(), known.end(),
                                     [&](const std::string& id) { return glob_matches(part, id); });
    if (!matches) return "";
    words += fmt::format(" --{} '{}'", name, part);
  }
  if (parts < 2) return "";
  return fmt::format("--{}: {} is several in one; give each its own option:{}", name, quoted_text(list),
                     words);
}

Words globs_of(const ParsedWords& parsed, const std::string& name, const Words& known) {
  if (!parsed.has(name)) return {};
  const Words& globs = parsed.values.at(name);
  for (const std::string& glob : globs) {
    const bool matches = std::any_of(known.begin(), known.end(),
                                     [&](const std::string& id) { return glob_matches(glob, id); });
    if (matches) continue;
    if (const std::string apart = given_apart(name, glob, known); !apart.empty()) throw UsageError(apart);
    // The list of what is known stays that of the ids.
    const std::string nearest = nearest_word(glob, likely_globs(glob, known));
    throw UsageError(fmt::format(
        "--{}: {} matches no check{}", name, quoted_text(glob),
        nearest.empty() ? suggestion(glob, known) : fmt::format("; did you mean '{}'?", nearest)));
  }
  return globs;
}

void refuse_empty_selection(const RunOptions& run, const Words& known) {
  const bool any_left = std::any_of(
      known.begin(), known.end(), [&](const std::string& id) { return is_selected(id, run.only, run.skip); });
  if (!any_left)
    throw UsageError(fmt::format("--skip: {} leaves no check to run", quoted_text(run.skip.back())));
}

std::vector<std::uint64_t> sizes_of(const ParsedWords& parsed) {
  constexpr std::uint64_t largest = std::uint64_t{64} << 30;
  const std::string* text = parsed.value("sizes");
  if (text == nullptr) return {};
  auto sizes = with_name("sizes", [&] { return parse_bytes_list(*text); });
  for (const std::uint64_t bytes : sizes) {
    if (bytes == 0 || bytes > largest) {
      throw UsageError(fmt::format("--sizes: {} of {} is not between 1 B and {}", format_bytes(bytes),
                                   quoted_text(*text), format_bytes(largest)));
    }
  }
  return sizes;
}

/// Messages of verbs are bytes.
void refuse_torn_elements(const RunOptions& run, const Words& known) {
  const bool has_elements = std::any_of(known.begin(), known.end(), [&](const std::string& id) {
    return !id.starts_with("verbs.") && is_selected(id, run.only, run.skip);
  });
  if (!has_elements) return;
  const std::vector<DataType> types =
      run.types.empty() ? std::vector<DataType>{DataType::float32} : run.types;
  for (const std::uint64_t bytes : run.sizes)
    for (const DataType type : types)
      if (bytes % type_bytes(type) != 0)
        throw UsageError(fmt::format("--sizes: {} is no whole number of {} elements of {} B",
                                     format_bytes(bytes), type_name(type), type_bytes(type)));
}

/// The values that a list names, in the order given.
template <typename Value, std::size_t count>
std::vector<Value> names_of(const ParsedWords& parsed, const std::string& name,
                            const std::array<Value, count>& all, std::string_view (*name_of)(Value)) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return {};
  std::vector<Value> values;
  for (const std::string& word : split_on_commas(*text)) {
    const auto found = std::find_if(all.begin(), all.end(), [&](Value one) { return name_of(one) == word; });
    if (found == all.end()) {
      Words known;
      for (const Value one : all) known.emplace_back(name_of(one));
      throw UsageError(fmt::format("--{}: unknown {}{}", name, quoted_text(word), suggestion(word, known)));
    }
    if (std::find(values.begin(), values.end(), *found) != values.end())
      throw UsageError(fmt::format("--{}: {} is named twice in {}", name, word, quoted_text(*text)));
    values.push_back(*found);
  }
  return values;
}

std::uint64_t iterations_of(const ParsedWords& parsed, const std::string& name) {
  constexpr std::uint64_t most = 1'000'000'000;
  const std::string* text = parsed.value(name);
  if (text == nullptr) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value == 0 || value > most)
    throw UsageError(
        fmt::format("--{}: {} is no number of iterations from 1 to {}", name, quoted_text(*text), most));
  return value;
}

LinkOptions links_of(const ParsedWords& parsed) {
  constexpr int last_gid_index = 65535, last_traffic_class = 255, last_service_level = 15;
  LinkOptions links;
  links.device = text_of(parsed, "device", "");
  if (!links.device.empty()) topology::parse_nic_wishes(links.device);
  links.gid_index = number_of(parsed, "gid-index", last_gid_index);
  links.traffic_class = number_of(parsed, "traffic-class", last_traffic_class);
  links.service_level = number_of(parsed, "sl", last_service_level);
  return links;
}
VerbsOptions verbs_of(const ParsedWords& parsed) {
  constexpr int most_queue_pairs = 1024, most_depth = 8192;
  VerbsOptions verbs;
  verbs.queue_pairs = number_of(parsed, "queue-pairs", most_queue_pairs, 1).value_or(verbs.queue_pairs);
  verbs.depth = number_of(parsed, "depth", most_depth, 1).value_or(verbs.depth);
  verbs.pairs = choice_of(parsed, "pairs", pairs_words);
  verbs.loopback = parsed.has("loopback");
  if (verbs.loopback && parsed.has("pairs"))
    throw UsageError(
        "--loopback and --pairs are both given: a loopback joins the ranks of one host; give one of them");
  return verbs;
}

}  // namespace

RunOptions run_of(const ParsedWords& parsed, const Words& known) {
  RunOptions run;
  run.suite = choice_of(parsed, "suite", suite_words);
  run.budget = duration_of(parsed, "budget", default_budget(run.suite), milliseconds(100), hours(24));
  run.only = globs_of(parsed, "only", known);
  run.skip = globs_of(parsed, "skip", known);
  if (!run.skip.empty()) refuse_empty_selection(run, known);
  run.sizes = sizes_of(parsed);
  run.types = names_of(parsed, "types", known_types, type_name);
  run.reductions = names_of(parsed, "reductions", known_reductions, reduction_name);
  run.in_place = choice_of(parsed, "in-place", in_place_words);
  run.verbs = verbs_of(parsed);
  run.gpu = gpu_options([&](const std::string& name) { return parsed.value(name); },
                        [&](const std::string& name) { return parsed.has(name); });
  const auto is_left = [&](const std::string& id) {
    return !id.starts_with("gpu.burn.") && is_selected(id, run.only, run.skip);
  };
  if (run.gpu.burn.count() == 0 && !run.only.empty() && std::none_of(known.begin(), known.end(), is_left))
    throw UsageError("--only: gpu.burn.rate takes as long as --burn says, such as --burn 10s: give both");
  const auto is_burn = [&](const std::string& id) {
    return id.starts_with("gpu.burn.") && is_selected(id, run.only, run.skip);
  };
  if (run.gpu.burn.count() > 0 && std::none_of(known.begin(), known.end(), is_burn))
    throw UsageError(
        "--burn: --only and --skip leave gpu.burn.rate out: add --only gpu.burn.rate, or leave --burn away");
  run.verify_repeat = iterations_of(parsed, "verify-repeat");
  run.targets_file = text_of(parsed, "targets", "");
  run.topology = sources_of(parsed);
  run.links = links_of(parsed);
  run.out_directory = text_of(parsed, "out", run.out_directory);
  run.progress = choice_of(parsed, "progress", progress_words);
  run.allow_subset = parsed.has("allow-subset");
  run.single_process = parsed.has("single-process");
  if (run.single_process && parsed.has("baseline"))
    throw UsageError(
        "--single-process and --baseline are both given: compare afterwards, with fabricheck compare");
  run.bind_numa = parsed.has("bind-numa");
  run.deadline = duration_of(parsed, "deadline", seconds(30), seconds(1), hours(1));
  run.silence = duration_of(parsed, "silence", seconds(5), seconds(1), minutes(10));
  refuse_torn_elements(run, known);
  run.baseline = text_of(parsed, "baseline", "");
  run.tolerance_percent = tolerance_of(parsed);
  if (parsed.has("tolerance") && run.baseline.empty())
    throw UsageError("--tolerance is given without --baseline: there is nothing to compare with");
  return run;
}

}  // namespace fabricheck::app
