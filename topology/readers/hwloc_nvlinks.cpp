#include "topology/readers/hwloc_nvlinks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"
#include "topology/readers/refuse.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::uint64_t kMostNvLinks = 64;

/// What hwloc (hwloc/topology-nvml.c) counts for one link: 20 GB/s for NVLink 1, 25 for 2 to 4, 50 for 5.
constexpr std::array<std::uint64_t, 3> kLink_MBps{25'000, 20'000, 50'000};

std::vector<std::uint64_t> likely_rates(const std::string& model) {
  if (model.find("P100") != std::string::npos) return {20'000};
  for (const char* const blackwell : {"B100", "B200", "B300", "GB10"})
    if (model.find(blackwell) != std::string::npos) return {50'000};
  return {kLink_MBps.begin(), kLink_MBps.end()};
}

void append_words(const std::string& text, std::vector<std::string>& words) {
  for (const std::string_view line : split(text, '\n'))
    for (const std::string_view word : split(line, ' '))
      if (!trimmed(word).empty()) words.emplace_back(trimmed(word));
}

}  // namespace

BandwidthMatrix bandwidth_matrix(const XmlDocument& document, std::size_t index) {
  const XmlElement& element = document.elements[index];
  const auto refuse_it = [&](const std::string& why) {
    refuse(document.file, element.line, fmt::format("the matrix NVLinkBandwidth {}", why));
  };
  BandwidthMatrix matrix;
  std::vector<std::string> values;
  for (std::size_t i = index + 1; i < document.elements.size(); ++i) {
    const XmlElement& child = document.elements[i];
    if (child.parent != index) continue;
    if (child.name == "indexes") append_words(child.text, matrix.objects);
    if (child.name == "u64values") append_words(child.text, values);
  }
  if (element.name == "distances2") {
    if (element.get("indexing") != "gp") refuse_it("does not name its objects by gp_index");
    for (auto& object : matrix.objects) object.insert(0, element.get("type") + ":");
  }
  const auto told = parse_number(element.get("nbobjs"));
  if (!told || *told < 0 || static_cast<std::size_t>(*told) != matrix.objects.size())
    refuse_it(
        fmt::format("has {} objects and says {}", matrix.objects.size(), in_quotes(element.get("nbobjs"))));
  if (values.size() / std::max<std::size_t>(matrix.objects.size(), 1) != matrix.objects.size() ||
      values.size() != matrix.objects.size() * matrix.objects.size())
    refuse_it(fmt::format("of {} objects has {} values", matrix.objects.size(), values.size()));
  for (const auto& value : values) {
    const auto number = parse_number(value);
    if (!number || *number < 0) refuse_it(fmt::format("holds {}, which is no bandwidth", in_quotes(value)));
    matrix.MBps.push_back(static_cast<std::uint64_t>(*number));
  }
  return matrix;
}

std::vector<std::string> add_nvlinks(std::vector<Gpu>& gpus, const BandwidthMatrix& matrix,
                                     const std::map<std::string, NvLinkEnd>& ends) {
  std::vector<std::string> sentences;
  const std::size_t size = matrix.objects.size();
  for (std::size_t row = 0; row < size; ++row) {
    const auto from = ends.find(matrix.objects[row]);
    if (from == ends.end() || from->second.kind != "gpu") continue;
    const auto gpu = std::find_if(gpus.begin(), gpus.end(), [&](const Gpu& other) {
      return other.pci_address == from->second.pci_address;
    });
    if (gpu == gpus.end() || !gpu->nvlinks.empty()) continue;
    const auto rates = likely_rates(gpu->name);
    for (std::size_t column = 0; column < size; ++column) {
      const std::uint64_t bandwidth = matrix.MBps[row * size + column];
      if (column == row || bandwidth == 0) continue;
      const auto rate =
          std::find_if(rates.begin(), rates.end(), [&](std::uint64_t each) { return bandwidth % each == 0; });
      if (rate == rates.end() || gpu->nvlinks.size() + bandwidth / *rate > kMostNvLinks) {
        sentences.push_back(
            fmt::format("GPU{} has {} MB/s of NVLink to {}; how many links that is cannot be told",
                        gpu->index, bandwidth, printable(matrix.objects[column])));
        continue;
      }
      NvLink link;
      link.active = true;  // hwloc adds up the links that are up
      link.speed_GBps = static_cast<double>(*rate) / 1000;
      if (const auto to = ends.find(matrix.objects[column]); to != ends.end()) {
        link.remote = to->second.kind;
        link.remote_pci_address = to->second.pci_address;
      }
      for (std::uint64_t i = 0; i < bandwidth / *rate; ++i) {
        link.index = static_cast<int>(gpu->nvlinks.size());
        gpu->nvlinks.push_back(link);
      }
    }
  }
  return sentences;
}

}  // namespace fabricheck::topology
