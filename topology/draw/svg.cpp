// SVG for tickets: a cluster as a grid of hosts, and the inside of each kind of host.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "topology/draw/draw.hpp"
#include "topology/draw/rail_leaves.hpp"
#include "topology/draw/svg_host.hpp"
#include "topology/draw/words.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kMostHostBoxes = 256;
constexpr std::size_t kMostGroupBoxes = 64;  ///< of one kind, where hosts are folded
constexpr std::size_t kMostKinds = 24;       ///< listed
constexpr std::size_t kMostPanels = 6;       ///< drawn from inside
constexpr std::size_t kMostDifferences = 3;
constexpr double kGap = 6;

/// "8 x NVIDIA H100 80GB HBM3, 8 x 400 Gb/s".
std::string contents(const Host& host) {
  std::map<std::string, std::size_t> gpus;
  std::map<double, std::size_t> nics;
  for (const Gpu& gpu : host.gpus) ++gpus[gpu.name.empty() ? "GPU" : gpu.name];
  for (const RdmaDevice& nic : host.rdma_devices) {
    double rate = 0;
    for (const RdmaPort& port : nic.ports) rate = std::max(rate, port.rate_Gbps.value_or(0));
    ++nics[rate];
  }
  std::vector<std::string> parts;
  parts.reserve(gpus.size() + nics.size());
  for (const auto& [name, count] : gpus) parts.push_back(fmt::format("{} × {}", count, name));
  for (auto nic = nics.rbegin(); nic != nics.rend(); ++nic)
    parts.push_back(
        fmt::format("{} × {}", nic->second, nic->first > 0 ? fmt::format("{:g} Gb/s", nic->first) : "NIC"));
  return parts.empty() ? missing_sentence(host) : join(parts, ", ");
}

class Page {
 public:
  Page(const ClusterTopology& cluster, std::vector<Group> groups)
      : cluster_(cluster), groups_(std::move(groups)), rail_leaves_(rail_leaves(cluster_, groups_)) {
    for (const RailLeaves& rail : rail_leaves_)
      for (const LeafUse& leaf : rail.leaves)
        if (leaf.odd) miscabled_.insert(leaf.hosts.begin(), leaf.hosts.end());
  }

  std::string draw() {
    const std::string title = heading();
    if (cluster_.hosts.size() > 1) {
      for (std::size_t i = 0; i < groups_.size() && i < kMostKinds; ++i) kind(i);
      if (groups_.size() > kMostKinds) more(groups_.size() - kMostKinds, "kinds of hosts");
      leaves();
    }
    for (std::size_t i = 0; i < groups_.size() && i < kMostPanels; ++i) panel(i);
    if (groups_.size() > kMostPanels)
      more(groups_.size() - kMostPanels, "kinds of hosts, not drawn from inside");
    legend();
    return canvas_.finish(kPageWidth, y_ + kMargin, title);
  }

 private:
  std::string heading() {
    y_ = 40;
    std::string title = "Topology: ";
    if (cluster_.hosts.empty()) {
      title += "0 hosts";
    } else if (cluster_.hosts.size() == 1) {
      title += groups_.front().names;
    } else {
      title += plural(cluster_.hosts.size(), "host");
      if (groups_.size() > 1) title += fmt::format(", {} different kinds", groups_.size());
    }
    if (!cluster_.ranks.empty()) title += ", " + plural(cluster_.ranks.size(), "rank");
    canvas_.text(kMargin, y_, fitted(title, kInnerWidth, 22, true), {22, true});
    y_ += 16;
    return title;
  }

  void more(std::size_t count, std::string_view what) {
    canvas_.text(kMargin, y_ + 14, fmt::format("… and {} more {}", count, what), {12, false, kFaintInk});
    y_ += 24;
  }

  /// Whether the group is most of the cluster, which the others are held against.
  bool usual(std::size_t index) const {
    return index == 0 && (groups_.size() == 1 || groups_[0].hosts.size() > groups_[1].hosts.size());
  }

  std::string difference_words(std::size_t index) const {
    if (index == 0 || !usual(0)) return {};
    auto parts = differences(groups_[0].example, groups_[index].example);
    const std::size_t count = parts.size();
    if (count == 0) return "differs from the others in details";
    if (count > kMostDifferences) {
      parts.resize(kMostDifferences);
      parts.push_back(fmt::format("and {} more", count - kMostDifferences));
    }
    return join(parts, "; ");
  }

  void kind(std::size_t index) {
    const Group& group = groups_[index];
    y_ += 20;
    const std::string differs = difference_words(index);
    const std::string words =
        fmt::format("{}: {}", plural(group.hosts.size(), "host"), contents(group.example));
    canvas_.text(kMargin, y_, fitted(words, kInnerWidth, 14, true), {14, true});
    y_ += 17;
    if (!differs.empty())
      y_ = canvas_.paragraph(kMargin, y_, kInnerWidth, differs, {12.5, true, kWarningInk});
    y_ -= 8;
    host_boxes(group, differs.empty() ? kHostPaint : kWarningPaint);
  }

  void host_boxes(const Group& group, const Paint& paint) {
    const bool folded = cluster_.hosts.size() > kMostHostBoxes && group.hosts.size() > kMostGroupBoxes;
    const std::size_t each = folded ? (group.hosts.size() + kMostGroupBoxes - 1) / kMostGroupBoxes : 1;
    std::vector<std::string> labels;
    double widest = 60;
    for (std::size_t first = 0; first < group.hosts.size(); first += each) {
      std::vector<std::string> names;
      for (std::size_t i = first; i < std::min(first + each, group.hosts.size()); ++i)
        names.push_back(name_of(cluster_.hosts[group.hosts[i]]));
      const std::size_t count = names.size();
      std::string label = fold_names(std::move(names));
      if (count > 1) label += fmt::format(" ({})", count);
      widest = std::max(widest, text_width(label, 10.5) + 12);
      labels.push_back(std::move(label));
    }
    const double most = folded ? 280 : 138;
    const double wanted = std::min(widest, most);
    const auto across = static_cast<std::size_t>((kInnerWidth + kGap) / (wanted + kGap));
    const double width = (kInnerWidth + kGap) / static_cast<double>(across) - kGap;
    constexpr double kHeight = 22;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double x = kMargin + static_cast<double>(i % across) * (width + kGap);
      const std::size_t row = i / across;
      const double y = y_ + static_cast<double>(row) * (kHeight + kGap);
      canvas_.rectangle({x, y, width, kHeight}, miscabled_.count(labels[i]) > 0 ? kWarningPaint : paint, 3);
      canvas_.text(x + width / 2, y + 15, fitted(labels[i], width - 8, 10.5), {10.5, false, kInk, true});
    }
    const std::size_t rows = (labels.size() + across - 1) / across;
    y_ += static_cast<double>(rows) * (kHeight + kGap) + 6;
  }

  /// The leaves that are as they should be, in one box.
  template <class Put>
  static void folded_leaves(const RailLeaves& rail, Put put) {
    std::vector<std::string> names;
    std::size_t least = std::numeric_limits<std::size_t>::max();
    std::size_t most = 0;
    for (const LeafUse& leaf : rail.leaves) {
      if (leaf.odd) continue;
      names.push_back(leaf.name);
      least = std::min(least, leaf.hosts.size());
      most = std::max(most, leaf.hosts.size());
    }
    const std::size_t count = names.size();
    const std::string each = least == most ? fmt::format("{}", most) : fmt::format("{} to {}", least, most);
    put(fold_names(std::move(names)), fmt::format("{} leaf switches with {} hosts each", count, each));
  }

  void leaves() {
    const auto& rails = rail_leaves_;
    if (rails.empty()) return;
    y_ += 22;
    canvas_.text(kMargin, y_, "Leaf switches by rail", {14, true});
    y_ += 10;
    constexpr double kLabel = 70;
    constexpr double kWidth = 170;
    constexpr double kHeight = 34;
    const auto across = static_cast<std::size_t>((kInnerWidth - kLabel + kGap) / (kWidth + kGap));
    for (const RailLeaves& rail : rails) {
      canvas_.text(kMargin, y_ + 21, fmt::format("rail {}", rail.rail), {12, true});
      double x = kMargin + kLabel;
      const auto put = [&](const std::string& name, const std::string& hosts, bool odd, double width) {
        if (x + width > kPageWidth - kMargin + 1) {
          x = kMargin + kLabel;
          y_ += kHeight + kGap;
        }
        canvas_.rectangle({x, y_, width, kHeight}, odd ? kWarningPaint : kSwitchPaint, 3);
        canvas_.text(x + 7, y_ + 14, fitted(name, width - 14, 11, true), {11, true});
        canvas_.text(x + 7, y_ + 28, fitted(hosts, width - 14, 10.5, odd),
                     {10.5, odd, odd ? kWarningInk : kInk});
        x += width + kGap;
      };
      const bool fold = rail.leaves.size() > 2 * across;
      if (fold)
        folded_leaves(rail, [&](const std::string& name, const std::string& hosts) {
          put(name, hosts, false, kInnerWidth - kLabel);
        });
      for (const LeafUse& leaf : rail.leaves)
        if (leaf.odd || !fold)
          put(leaf.name, fmt::format("{}: {}", plural(leaf.hosts.size(), "host"), fold_names(leaf.hosts)),
              leaf.odd, kWidth);
      y_ += kHeight + kGap + 4;
    }
    for (const RailLeaves& rail : rails) {
      for (const LeafUse& leaf : rail.leaves) {
        if (!leaf.odd) continue;
        y_ = canvas_.paragraph(kMargin, y_ + 14, kInnerWidth,
                               fmt::format("{}: rail {} is cabled to {}, where most NICs are of rail {}",
                                           fold_names(leaf.hosts), rail.rail, leaf.name, leaf.usual_rail),
                               {12.5, true, kWarningInk}) -
             14;
      }
    }
    y_ += 10;
  }

  void panel(std::size_t index) {
    y_ += 14;
    if (cluster_.hosts.size() > 1) {
      canvas_.line(kMargin, y_, kPageWidth - kMargin, y_, {"none", "#bbbbbb", 1});
      y_ += 8;
    }
    y_ = draw_host_panel(canvas_, cluster_, groups_[index],
                         index > 0 && usual(0) ? &groups_[0].example : nullptr, y_);
  }

  void legend() {
    struct Entry {
      Paint paint;
      std::string_view words;
    };
    constexpr Entry kEntries[] = {
        {kGpuPaint, "GPU"},        {kNicPaint, "NIC"},
        {kSwitchPaint, "switch"},  {kNvlinkPaint, "NVLink"},
        {kNumaPaint, "NUMA node"}, {kWarningPaint, "differs from the others, or is below what is possible"}};
    if (groups_.size() < 2 && (groups_.empty() || groups_[0].paths.ends.empty())) return;
    y_ += 16;
    double x = kMargin;
    for (const Entry& entry : kEntries) {
      canvas_.rectangle({x, y_, 16, 12}, entry.paint, 2);
      canvas_.text(x + 22, y_ + 10, entry.words, {11, false, kFaintInk});
      x += 22 + text_width(entry.words, 11) + 26;
    }
    y_ += 14;
  }

  const ClusterTopology& cluster_;
  std::vector<Group> groups_;
  std::vector<RailLeaves> rail_leaves_;
  std::set<std::string> miscabled_;  ///< names of hosts
  SvgCanvas canvas_;
  double y_{};
};

}  // namespace

std::string draw_svg(const ClusterTopology& cluster) {
  return Page(cluster, groups_of(cluster, GroupBy::look)).draw();
}

}  // namespace fabricheck::topology
