#include "topology/probe/nvml_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <limits>

#include "topology/probe/nvml_values.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {
namespace {

using Fields = std::vector<std::string_view>;

// More than any machine has; what goes beyond is garbage and must not fill the memory.
constexpr int kMostGpus = 256;
constexpr int kMostLinks = 64;
constexpr std::size_t kMostSentences = 64;
constexpr std::size_t kLongestLine = 16384;

Fields split(std::string_view line) {
  Fields fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

/// A whole number without sign; nothing for "-" and for anything else.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<int> small_number(std::string_view text) {
  const auto value = number(text);
  if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) return std::nullopt;
  return static_cast<int>(*value);
}

std::optional<int> index_below(int limit, std::string_view text) {
  const auto value = small_number(text);
  return value && *value < limit ? value : std::nullopt;
}

std::optional<bool> truth(std::string_view text) {
  const auto value = number(text);
  return value ? std::optional<bool>(*value != 0) : std::nullopt;
}

/// As text goes into the record: "-" is nothing, and what is not printable ASCII is replaced.
std::string clean(std::string_view text) {
  constexpr std::size_t kLongest = 400;
  if (text == "-") return {};
  std::string result(text.substr(0, kLongest));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

std::optional<double> watts(std::string_view milliwatts) {
  const auto value = number(milliwatts);
  return value ? std::optional<double>(static_cast<double>(*value) / 1000) : std::nullopt;
}

template <class T>
std::optional<T> positive(std::optional<T> value) {
  return value && *value > 0 ? value : std::nullopt;
}

std::optional<double> pcie_speed(std::string_view generation) {
  const auto value = number(generation);
  return value ? pcie_speed_GTps(*value) : std::nullopt;
}

GpuHealth& health(Gpu& gpu) { return gpu.health ? *gpu.health : gpu.health.emplace(); }
GpuFabric& fabric(Gpu& gpu) { return gpu.fabric ? *gpu.fabric : gpu.fabric.emplace(); }

using Setter = void (*)(Gpu&, std::string_view);

const std::map<std::string_view, Setter>& setters() {
  static const std::map<std::string_view, Setter> table{
      {"name", [](Gpu& gpu, std::string_view text) { gpu.name = clean(text); }},
      {"uuid", [](Gpu& gpu, std::string_view text) { gpu.uuid = clean(text); }},
      {"pci", [](Gpu& gpu, std::string_view text) { gpu.pci_address = pci_address(text).value_or(""); }},
      {"memory", [](Gpu& gpu, std::string_view text) { gpu.memory_bytes = positive(number(text)); }},
      {"compute", [](Gpu& gpu, std::string_view text) { gpu.compute_capability = clean(text); }},
      {"vbios", [](Gpu& gpu, std::string_view text) { gpu.vbios = clean(text); }},
      {"pcie_gen", [](Gpu& gpu, std::string_view text) { gpu.pcie.speed_GTps = pcie_speed(text); }},
      {"pcie_width", [](Gpu& gpu, std::string_view text) { gpu.pcie.width = positive(small_number(text)); }},
      {"pcie_max_gen", [](Gpu& gpu, std::string_view text) { gpu.pcie.max_speed_GTps = pcie_speed(text); }},
      {"pcie_max_width",
       [](Gpu& gpu, std::string_view text) { gpu.pcie.max_width = positive(small_number(text)); }},
      {"ecc", [](Gpu& gpu, std::string_view text) { gpu.ecc_enabled = truth(text); }},
      {"mig", [](Gpu& gpu, std::string_view text) { gpu.mig_enabled = truth(text); }},
      {"persistence", [](Gpu& gpu, std::string_view text) { gpu.persistence_mode = truth(text); }},
      {"power_limit", [](Gpu& gpu, std::string_view text) { gpu.power_limit_W = watts(text); }},
      {"default_power_limit",
       [](Gpu& gpu, std::string_view text) { gpu.default_power_limit_W = watts(text); }},
      {"max_sm_clock", [](Gpu& gpu, std::string_view text) { gpu.max_sm_clock_MHz = small_number(text); }},
      {"max_memory_clock",
       [](Gpu& gpu, std::string_view text) { gpu.max_memory_clock_MHz = small_number(text); }},
      {"bar1", [](Gpu& gpu, std::string_view text) { gpu.bar1_bytes = positive(number(text)); }},
      {"fabric_state",
       [](Gpu& gpu, std::string_view text) {
         if (const auto state = number(text)) fabric(gpu).state = fabric_state(*state);
       }},
      {"fabric_status", [](Gpu& gpu, std::string_view text) { fabric(gpu).status = clean(text); }},
      {"fabric_cluster", [](Gpu& gpu, std::string_view text) { fabric(gpu).cluster_uuid = clean(text); }},
      {"fabric_clique", [](Gpu& gpu, std::string_view text) { fabric(gpu).clique_id = small_number(text); }},
      {"fabric_health", [](Gpu& gpu, std::string_view text) { fabric(gpu).health_mask = number(text); }},
      {"ecc_corrected", [](Gpu& gpu, std::string_view text) { health(gpu).ecc_corrected = number(text); }},
      {"ecc_uncorrected",
       [](Gpu& gpu, std::string_view text) { health(gpu).ecc_uncorrected = number(text); }},
      {"ecc_corrected_lifetime",
       [](Gpu& gpu, std::string_view text) { health(gpu).ecc_corrected_lifetime = number(text); }},
      {"ecc_uncorrected_lifetime",
       [](Gpu& gpu, std::string_view text) { health(gpu).ecc_uncorrected_lifetime = number(text); }},
      {"rows_corrected",
       [](Gpu& gpu, std::string_view text) { health(gpu).remapped_rows_corrected = small_number(text); }},
      {"rows_uncorrected",
       [](Gpu& gpu, std::string_view text) { health(gpu).remapped_rows_uncorrected = small_number(text); }},
      {"remap_pending", [](Gpu& gpu, std::string_view text) { health(gpu).remap_pending = truth(text); }},
      {"remap_failed", [](Gpu& gpu, std::string_view text) { health(gpu).remap_failed = truth(text); }},
      {"retirement_pending",
       [](Gpu& gpu, std::string_view text) { health(gpu).page_retirement_pending = truth(text); }},
      {"throttle",
       [](Gpu& gpu, std::string_view text) {
         if (const auto bits = number(text)) health(gpu).throttle_reasons = throttle_reasons(*bits);
       }},
      {"sm_clock", [](Gpu& gpu, std::string_view text) { health(gpu).sm_clock_MHz = small_number(text); }},
      {"memory_clock",
       [](Gpu& gpu, std::string_view text) { health(gpu).memory_clock_MHz = small_number(text); }},
      {"temperature",
       [](Gpu& gpu, std::string_view text) { health(gpu).temperature_C = small_number(text); }},
      {"power", [](Gpu& gpu, std::string_view text) { health(gpu).power_W = watts(text); }},
      {"pcie_replays", [](Gpu& gpu, std::string_view text) { health(gpu).pcie_replays = number(text); }},
  };
  return table;
}

std::string for_gpu(std::optional<int> index) { return index ? fmt::format(" for GPU {}", *index) : ""; }

}  // namespace

void NvmlReader::take(std::string_view bytes) {
  pending_ += bytes;
  std::size_t start = 0;
  for (std::size_t end = 0; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
    record(std::string_view(pending_).substr(start, std::min(end - start, kLongestLine)));
  }
  pending_.erase(0, start);
  if (pending_.size() > kLongestLine) pending_.resize(kLongestLine);
}

bool NvmlReader::has_started() const {
  // A GPU that is hidden from this process tells nothing: its handle is refused before it is started. Nor
  // does one whose handle was not to be had for another reason.
  return std::any_of(gpus_.begin(), gpus_.end(), [](const auto& one) {
    const std::string& status = one.second.gpu.status;
    return one.second.done && status != "hidden" && status != "state not known";
  });
}

std::string NvmlReader::position() const { return call_ + for_gpu(call_gpu_); }

void NvmlReader::record(std::string_view line) {
  Fields fields = split(line);
  fields.resize(std::max<std::size_t>(fields.size(), 8), "-");
  const std::string_view kind = fields[0];
  if (kind == "at") {
    call_ = clean(fields[1]);
    call_gpu_ = index_below(kMostGpus, fields[2]);
  } else if (kind == "driver") {
    answer_.driver = clean(fields[1]);
  } else if (kind == "cuda") {
    const auto version = small_number(fields[1]);
    if (version && *version > 0)
      answer_.cuda_version = cuda_version_text(static_cast<std::uint64_t>(*version));
  } else if (kind == "count") {
    count_ = index_below(kMostGpus + 1, fields[1]).value_or(count_);
  } else if (kind == "missing") {
    if (answer_.unknown.size() < kMostSentences) {
      answer_.unknown.push_back(fmt::format("NVML: this driver's library has no {}, so {} is not known",
                                            clean(fields[1]), clean(fields[2])));
    }
  } else if (kind == "error") {
    note_error(fields);
  } else if (kind == "problem") {
    answer_.outcome = fields[1] == "no_library"  ? NvmlAnswer::Outcome::no_library
                      : fields[1] == "no_driver" ? NvmlAnswer::Outcome::no_driver
                                                 : NvmlAnswer::Outcome::failed;
    answer_.reason = clean(fields[2]);
    complete_ = true;
  } else if (kind == "end") {
    answer_.outcome = NvmlAnswer::Outcome::answered;
    complete_ = true;
  } else {
    gpu_record(fields);
  }
}

void NvmlReader::gpu_record(const Fields& fields) {
  const std::string_view kind = fields[0];
  const auto index = index_below(kMostGpus, fields[1]);
  if (!index) return;
  if (kind == "gpu" || kind == "failed") {
    Entry& entry = gpus_[*index];
    entry.gpu.index = *index;
    if (kind == "gpu") return;
    entry.done = true;
    const bool is_judged = fields[2] == "hidden" || fields[2] == "not answering";
    entry.gpu.status = is_judged ? fields[2] : "state not known";
    entry.gpu.problem = clean(fields[3]);
    return;
  }
  const auto found = gpus_.find(*index);
  if (found == gpus_.end()) return;
  Gpu& gpu = found->second.gpu;
  if (kind == "set") {
    const auto setter = setters().find(fields[2]);
    if (setter != setters().end()) setter->second(gpu, fields[3]);
  } else if (kind == "link") {
    add_link(gpu, fields);
  } else if (kind == "errors") {
    const auto link_index = index_below(kMostLinks, fields[2]);
    auto& errors = health(gpu).nvlink_errors;
    if (!link_index || errors.size() >= kMostLinks) return;
    errors.push_back(
        {*link_index, number(fields[3]), number(fields[4]), number(fields[5]), number(fields[6])});
  } else if (kind == "done") {
    found->second.done = true;
  }
}

void NvmlReader::add_link(Gpu& gpu, const Fields& fields) {
  const auto index = index_below(kMostLinks, fields[2]);
  if (!index || gpu.nvlinks.size() >= kMostLinks) return;
  NvLink link;
  link.index = *index;
  link.active = truth(fields[3]);
  link.version = positive(small_number(fields[4]));
  if (const auto speed = positive(number(fields[5]))) link.speed_GBps = static_cast<double>(*speed) / 1000;
  link.remote = clean(fields[6]);
  link.remote_pci_address = pci_address(fields[7]).value_or("");
  gpu.nvlinks.push_back(std::move(link));
}

void NvmlReader::note_error(const Fields& fields) {
  const std::string key = fmt::format("{}: {} ({})", clean(fields[1]), clean(fields[3]), clean(fields[2]));
  auto found =
      std::find_if(errors_.begin(), errors_.end(), [&](const auto& error) { return error.first == key; });
  if (found == errors_.end()) {
    if (errors_.size() >= kMostSentences) return;
    found = errors_.insert(errors_.end(), {key, {}});
  }
  if (const auto gpu = index_below(kMostGpus, fields[4])) found->second.gpus.insert(*gpu);
}

std::vector<std::string> NvmlReader::error_sentences() const {
  std::vector<std::string> sentences;
  for (const auto& [what, error] : errors_) {
    std::string sentence = "NVML: " + what;
    if (!error.gpus.empty()) {
      sentence +=
          fmt::format(" for GPU{} {}", error.gpus.size() == 1 ? "" : "s", fmt::join(error.gpus, ", "));
    }
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

NvmlAnswer NvmlReader::finish(NvmlAnswer::Outcome outcome, const std::string& why) && {
  if (!complete_) {
    answer_.outcome = outcome;
    answer_.reason = fmt::format("{} (last call: {})", why, position());
    for (int index = 0; index < count_; ++index) gpus_[index].gpu.index = index;
  }
  for (auto& item : gpus_) {
    Gpu& gpu = item.second.gpu;
    if (!item.second.done) {
      // Silence is a GPU's; where the library crashed nothing is known of any.
      gpu.status = answer_.outcome == NvmlAnswer::Outcome::hung ? "not answering" : "state not known";
      gpu.problem = complete_                ? "its record broke off"
                    : call_gpu_ == gpu.index ? fmt::format("{} ({})", why, call_)
                                             : fmt::format("not reached: {} ({})", why, position());
    }
    answer_.gpus.push_back(std::move(gpu));
  }
  auto sentences = error_sentences();
  answer_.unknown.insert(answer_.unknown.end(), std::make_move_iterator(sentences.begin()),
                         std::make_move_iterator(sentences.end()));
  return std::move(answer_);
}

NvmlAnswer parse_nvml_records(std::string_view text) {
  NvmlReader reader;
  reader.take(text);
  return std::move(reader).finish(NvmlAnswer::Outcome::failed, "NVML ended early");
}

}  // namespace fabricheck::topology
