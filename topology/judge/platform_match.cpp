#include "topology/judge/platform_match.hpp"
#include "topology/judge/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "topology/judge/faults.hpp"
#include "topology/judge/virtual_machine.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// "DGX-H100", "DGXH100" and "dgx_h100" are one word.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '-' || c == '_') continue;
    result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

/// The name of a GPU without the maker, which drivers before R455 leave out.
std::string plain_gpu(std::string_view name) {
  constexpr std::string_view kMaker = "NVIDIA ";
  if (name.substr(0, kMaker.size()) == kMaker) name.remove_prefix(kMaker.size());
  return plain(name);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

/// "p5.48xlarge", "g5.metal": EC2's names of instance types.
bool is_instance_type(std::string_view word) {
  const std::size_t point = word.find('.');
  if (point == 0 || point == std::string_view::npos) return false;
  const std::string_view size = word.substr(point + 1);
  const bool extra_large = size.size() >= 6 && size.substr(size.size() - 6) == "xlarge";
  return extra_large || size.substr(0, 5) == "metal";
}

/// Short aliases are families of instance types; as words they are in other makers' products ("ProLiant G5").
bool names(const std::string& alias, const std::vector<std::string>& words) {
  constexpr std::size_t kShortestWord = 5;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (is_instance_type(words[i]) && plain(words[i].substr(0, words[i].find('.'))) == plain(alias))
      return true;
    if (alias.size() < kShortestWord) continue;
    if (plain(words[i]) == plain(alias)) return true;
    if (i + 1 < words.size() && plain(words[i] + words[i + 1]) == plain(alias)) return true;
  }
  return false;
}

PlatformMatch told_match(const Platform& platform, const std::string& product, PlatformMatch::Word word) {
  PlatformMatch match;
  match.platform = &platform;
  match.product = product;
  match.word = word;
  match.expected = platform.expected;
  for (const PlatformVariant& variant : platform.variants) {
    if (std::find(variant.products.begin(), variant.products.end(), product) == variant.products.end())
      continue;
    if (variant.gpus) match.expected.gpus = variant.gpus;
    match.expected.nics.insert(match.expected.nics.end(), variant.nics.begin(), variant.nics.end());
  }
  return match;
}

std::string pci_ids_of(const Host& host, const Gpu& gpu) {
  if (gpu.pci_address.empty()) return {};
  for (const PciNode& node : host.pci) {
    if (node.address == gpu.pci_address) return node.ids;
  }
  return {};
}

bool is_known(const Host& host, const Gpu& gpu) {
  return !gpu.name.empty() || !pci_ids_of(host, gpu).empty();
}

std::string model_names(const Host& host) {
  std::set<std::string> models;
  for (const Gpu& gpu : host.gpus) {
    const std::string name = gpu.name.empty() ? pci_ids_of(host, gpu) : gpu.name;
    models.insert(name.empty() ? "a GPU without name" : in_quotes(name));
  }
  constexpr std::size_t kMostListed = 3;
  return joined({models.begin(), models.end()}, ", ", kMostListed);
}

PlatformMatch none(Verdict verdict, std::string why) {
  PlatformMatch match;
  match.verdict = verdict;
  match.why = std::move(why);
  return match;
}

std::string listed(const std::vector<const Platform*>& platforms) {
  std::vector<std::string> items;
  items.reserve(platforms.size());
  for (const Platform* platform : platforms) {
    items.push_back(platform->expected.gpus
                        ? fmt::format("{} ({} GPUs)", platform->name, *platform->expected.gpus)
                        : platform->name);
  }
  constexpr std::size_t kMostListed = 4;
  return joined(items, " or ", kMostListed);
}

PlatformMatch gpu_match(const Platform& platform) {
  PlatformMatch match;
  match.platform = &platform;
  match.expected = platform.expected;
  match.word = PlatformMatch::Word::gpus;
  return match;
}

/// Of platforms with the same GPU; `present` of them are in the host.
PlatformMatch choose_by_count(const std::vector<const Platform*>& candidates, int present) {
  std::vector<const Platform*> equal;
  std::vector<const Platform*> larger;
  const bool any_size = std::any_of(candidates.begin(), candidates.end(),
                                    [](const Platform* platform) { return !platform->expected.gpus; });
  for (const Platform* platform : candidates) {
    if (!platform->expected.gpus) continue;
    if (*platform->expected.gpus == present) equal.push_back(platform);
    if (*platform->expected.gpus > present) larger.push_back(platform);
  }
  const auto undecided = [&] {
    return none(Verdict::inconclusive,
                fmt::format("{} GPUs may be all of {} or what is left of more: pass --platform or --expect",
                            present, listed(candidates)));
  };
  if (candidates.size() == 1) return gpu_match(*candidates.front());
  if (any_size) return undecided();
  if (larger.empty()) {
    // Nothing larger is known, so nothing can have been lost that the platform would hide.
    if (equal.size() == 1) return gpu_match(*equal.front());
    if (!equal.empty()) return undecided();
    return gpu_match(**std::max_element(
        candidates.begin(), candidates.end(),
        [](const auto* a, const auto* b) { return *a->expected.gpus < *b->expected.gpus; }));
  }
  if (!equal.empty()) return undecided();
  return gpu_match(**std::min_element(larger.begin(), larger.end(), [](const auto* a, const auto* b) {
    return *a->expected.gpus < *b->expected.gpus;
  }));
}

/// All NVLinks of all GPUs are active and lead to each other: nothing is lost that they were joined to.
bool is_complete_in_itself(const Host& host) {
  std::set<std::string> addresses;
  for (const Gpu& gpu : host.gpus) addresses.insert(gpu.pci_address);
  return std::all_of(host.gpus.begin(), host.gpus.end(), [&](const Gpu& gpu) {
    return gpu.status == "answers" && !gpu.nvlinks.empty() &&
           std::all_of(gpu.nvlinks.begin(), gpu.nvlinks.end(), [&](const NvLink& link) {
             return link.active.value_or(false) && link.remote == "gpu" && !link.remote_pci_address.empty() &&
                    link.remote_pci_address != gpu.pci_address &&
                    addresses.count(link.remote_pci_address) > 0;
           });
  });
}

/// `match`, unless another number of its GPUs is a machine that no platform file knows.
PlatformMatch unless_other_machine(const PlatformMatch& match, const Host& host, int present) {
  const int wanted = match.expected.gpus.value_or(present);
  if (present == wanted) return match;
  if (present < wanted && is_complete_in_itself(host)) {
    return none(Verdict::skipped,
                fmt::format("its {} GPUs are joined to each other by all their NVLinks, which is another "
                            "machine than {}, and no platform is known for it; pass --platform or --expect",
                            present, match.platform->name));
  }
  if (!is_virtual_machine(host) || sees_nvswitches(host)) return match;
  // What hypervisors cut such a machine into; any other number is what a loss leaves.
  const bool part = present == 1 || present == 2 || present == 4;
  if (present < wanted && !part) return match;
  return none(Verdict::inconclusive,
              fmt::format("{} GPUs of a virtual machine may be all that it was given, and {} has {}: pass "
                          "--platform or --expect",
                          present, match.platform->name, wanted));
}

}  // namespace

std::vector<PlatformMatch> platforms_named(std::string_view name, std::span<const Platform> platforms) {
  std::vector<PlatformMatch> matches;
  for (const Platform& platform : platforms) {
    std::vector<std::string> known = platform.aliases;
    known.push_back(platform.name);
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const std::string& alias) { return plain(alias) == plain(name); });
    if (found != known.end()) matches.push_back(told_match(platform, *found, PlatformMatch::Word::user));
  }
  return matches;
}

std::vector<PlatformMatch> platforms_of_product(std::string_view product,
                                                std::span<const Platform> platforms) {
  const std::vector<std::string> words = words_of(product);
  std::vector<PlatformMatch> matches;
  for (const Platform& platform : platforms) {
    const auto found = std::find_if(platform.aliases.begin(), platform.aliases.end(),
                                    [&](const std::string& alias) { return names(alias, words); });
    if (found != platform.aliases.end())
      matches.push_back(told_match(platform, *found, PlatformMatch::Word::product));
  }
  return matches;
}

bool is_gpu_of(const Platform& platform, const Host& host, const Gpu& gpu) {
  if (platform.gpu_names.empty() && platform.gpu_pci_ids.empty()) return true;
  if (!is_known(host, gpu)) return true;
  const bool by_name = !gpu.name.empty() &&
                       std::any_of(platform.gpu_names.begin(), platform.gpu_names.end(),
                                   [&](const auto& name) { return plain_gpu(name) == plain_gpu(gpu.name); });
  if (by_name) return true;
  const auto& ids = platform.gpu_pci_ids;
  return std::find(ids.begin(), ids.end(), pci_ids_of(host, gpu)) != ids.end();
}

PlatformMatch best_by_gpus(const std::vector<PlatformMatch>& told, const Host& host) {
  const auto gpus_of = [&](const PlatformMatch& match) {
    return std::count_if(host.gpus.begin(), host.gpus.end(), [&](const Gpu& gpu) {
      return is_known(host, gpu) && is_gpu_of(*match.platform, host, gpu);
    });
  };
  return *std::max_element(told.begin(), told.end(), [&](const PlatformMatch& a, const PlatformMatch& b) {
    return gpus_of(a) < gpus_of(b);
  });
}

PlatformMatch find_platform(const Host& host, std::span<const Platform> platforms) {
  const std::string& product = host.environment.product;
  const auto told = platforms_of_product(product, platforms);
  if (!told.empty()) return best_by_gpus(told, host);
  if (host.gpus.empty()) return none(Verdict::skipped, "there is no GPU");
  for (const std::string& word : words_of(product)) {
    // The cloud's word for a machine that no platform file knows: its GPU count is anybody's guess.
    if (is_instance_type(word)) {
      return none(Verdict::skipped,
                  fmt::format("no platform is known for {}; pass --platform or --expect", in_quotes(word)));
    }
  }
  std::vector<const Platform*> candidates;
  std::set<std::vector<bool>> groups;  // which GPUs are of which platform's model
  for (const Platform& platform : platforms) {
    if (platform.gpu_names.empty() && platform.gpu_pci_ids.empty()) continue;
    std::vector<bool> of_model;
    for (const Gpu& gpu : host.gpus)
      of_model.push_back(is_known(host, gpu) && is_gpu_of(platform, host, gpu));
    if (std::find(of_model.begin(), of_model.end(), true) == of_model.end()) continue;
    candidates.push_back(&platform);
    groups.insert(std::move(of_model));
  }
  if (candidates.empty()) {
    return none(Verdict::skipped,
                fmt::format("no platform is known for {}; pass --platform or --expect", model_names(host)));
  }
  if (groups.size() > 1) {
    return none(Verdict::inconclusive,
                fmt::format("there are GPUs of several platforms ({}): pass --platform or --expect",
                            model_names(host)));
  }
  const auto present = std::count_if(host.gpus.begin(), host.gpus.end(), [&](const Gpu& gpu) {
    return is_gpu_of(*candidates.front(), host, gpu);
  });
  const PlatformMatch match = choose_by_count(candidates, static_cast<int>(present));
  return match.platform == nullptr ? match : unless_other_machine(match, host, static_cast<int>(present));
}

PlatformOfGpus platform_of_gpus(const ClusterTopology& cluster, std::span<const Platform> platforms,
                                const std::string& named) {
  PlatformOfGpus all;
  for (const Host& host : cluster.kinds) {
    if (host.gpus.empty()) continue;
    const auto told = platforms_named(named, platforms);
    const PlatformMatch match = told.empty() ? find_platform(host, platforms) : best_by_gpus(told, host);
    PlatformOfGpus one{match.platform, false};
    // What does not answer tells no model, and is no reason to judge the others by nothing.
    const auto known = [&](const Gpu& gpu) { return is_known(host, gpu); };
    const bool all_known = std::all_of(host.gpus.begin(), host.gpus.end(), known);
    const auto are_of = [&](const Platform& platform) {
      return std::any_of(host.gpus.begin(), host.gpus.end(), known) &&
             std::all_of(host.gpus.begin(), host.gpus.end(),
                         [&](const Gpu& gpu) { return !known(gpu) || is_gpu_of(platform, host, gpu); });
    };
    if (one.platform) {
      one.whole = all_known && (!one.platform->expected.gpus ||
                                static_cast<std::size_t>(*one.platform->expected.gpus) == host.gpus.size());
    } else {
      const auto by_model = std::find_if(platforms.begin(), platforms.end(), are_of);
      if (by_model != platforms.end()) one.platform = &*by_model;
    }
    // A platform's own GPUs are what its figures are of.
    if (!one.platform || !are_of(*one.platform)) return {};
    if (all.platform && all.platform != one.platform) return {};
    all = {one.platform, one.whole && (!all.platform || all.whole)};
  }
  return all;
}

}  // namespace fabricheck::topology
