#include "app/probe_host.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#ifdef FABRICHECK_WITH_VERBS
#include "fabric/verbs/port_facts.hpp"
#endif

namespace fabricheck::app {
namespace {

/// Which of `gpus` an entry of CUDA_VISIBLE_DEVICES names: a number in PCI order, for CUDA's own order is the
/// same where all are of one model, or the beginning of a UUID.
std::optional<std::size_t> named_by(const std::string& entry, const Host& host,
                                    const std::vector<std::size_t>& gpus) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
  if (error == std::errc() && end == entry.data() + entry.size())
    return number < gpus.size() ? std::optional(gpus[number]) : std::nullopt;
  if (!entry.starts_with("GPU-")) return std::nullopt;
  const auto found = std::find_if(gpus.begin(), gpus.end(),
                                  [&](std::size_t i) { return host.gpus[i].uuid.starts_with(entry); });
  return found == gpus.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

Host probe_this_host(const topology::ProbeOptions& options) {
  Host host = topology::probe_host(options);
#ifdef FABRICHECK_WITH_VERBS
  if (options.sysroot == "/") verbs::add_port_facts(host);
#endif
  return host;
}

std::vector<std::size_t> usable_gpus(const Host& host) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    if (host.gpus[i].status == "answers") usable.push_back(i);
  return usable;
}

std::vector<std::size_t> driven_gpus(const Host& host, int local_ranks,
                                     const std::optional<std::string>& visible) {
  std::vector<std::size_t> usable = usable_gpus(host);
  std::vector<std::size_t> named;
  std::istringstream entries(visible.value_or(""));
  for (std::string entry; std::getline(entries, entry, ',');) {
    const auto one = named_by(entry, host, usable);
    if (!one) {
      named.clear();
      break;
    }
    named.push_back(*one);
  }
  std::sort(named.begin(), named.end());
  const auto wanted = static_cast<std::size_t>(local_ranks);
  if (!named.empty() && named.size() >= wanted) return named;
  if (usable.size() >= wanted) return usable;
  std::vector<std::size_t> given;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    if (host.gpus[i].status != "hidden") given.push_back(i);
  return given;
}

}  // namespace fabricheck::app
