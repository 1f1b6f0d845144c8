#include "topology/draw/svg_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "topology/draw/svg_layout.hpp"
#include "topology/draw/words.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::topology {
namespace {

constexpr TextStyle kTileTitle{12, true, kInk, false};
constexpr TextStyle kTileText{10, false, kInk, false};
constexpr TextStyle kBoxText{11, false, kFaintInk, false};
constexpr TextStyle kNote{12, false, kInk, false};
constexpr TextStyle kWarning{12, true, kWarningInk, false};
constexpr double kLineHeight = 13.5;
constexpr double kTilePad = 6;
constexpr std::size_t kMostNotes = 8;

struct TileLine {
  std::string words;
  bool warning{};
};
struct Tile {
  std::string title;
  std::vector<TileLine> lines;
  Paint paint;
};

std::string without_vendor(const std::string& name) {
  constexpr std::string_view kVendor = "NVIDIA ";
  return name.substr(0, kVendor.size()) == kVendor ? name.substr(kVendor.size()) : name;
}

/// "PCIe x8 of x16" where it is below, else "PCIe 32 GT/s x16".
TileLine pcie_line(const PcieLink& link, bool is_gpu) {
  const bool below = narrow(link) || (slow(link) && !is_gpu);
  if (below && narrow(link)) return {fmt::format("PCIe x{} of x{}", *link.width, *link.max_width), true};
  if (below) return {fmt::format("PCIe {:g} of {:g} GT/s", *link.speed_GTps, *link.max_speed_GTps), true};
  std::string words = "PCIe";
  if (link.speed_GTps) words += fmt::format(" {:g} GT/s", *link.speed_GTps);
  if (link.width) words += fmt::format(" x{}", *link.width);
  if (slow(link)) words += " (idle)";
  return {link.speed_GTps || link.width ? words : std::string(), false};
}

void add_line(Tile& tile, TileLine line) {
  if (!line.words.empty()) tile.lines.push_back(std::move(line));
}

class Panel {
 public:
  Panel(SvgCanvas& canvas, const ClusterTopology& cluster, const Group& group, const Host* usual)
      : canvas_(canvas), cluster_(cluster), group_(group), host_(group.example), usual_(usual) {}

  double draw(double y) {
    y_ = y;
    heading();
    devices();
    nvlink();
    notes();
    return y_ + 6;
  }

 private:
  void paragraph(const std::string& words, const TextStyle& style) {
    if (words.empty()) return;
    y_ = canvas_.paragraph(kMargin, y_, kInnerWidth, words, style);
  }

  void heading() {
    y_ += 12;
    // The page's own title names a single host.
    if (cluster_.hosts.size() > 1) {
      y_ += 6;
      canvas_.text(kMargin, y_, fitted(group_title(group_), kInnerWidth, 17, true), {17, true});
      y_ += 19;
    }
    const std::string cores =
        host_.cores > 0
            ? fmt::format("{}, {} hardware threads", plural(static_cast<std::size_t>(host_.cores), "core"),
                          host_.hardware_threads)
            : std::string();
    paragraph(join({machine_words(host_), host_.cpu_model, cores,
                    host_.kernel.empty() ? "" : software_words(host_)},
                   " · "),
              {12, false, kFaintInk});
    const std::string gpudirect = gpudirect_words(host_);
    paragraph(gpudirect.empty() ? "" : "GPUDirect: " + gpudirect, {12, false, kFaintInk});
    paragraph(flat_words(host_), {12, false, kFaintInk});
  }

  Tile gpu_tile(const Gpu& gpu) const {
    Tile tile{fmt::format("GPU {}", gpu.index), {}, kGpuPaint};
    const std::string status = status_words(host_, gpu);
    const bool bad = gpu.status != "hidden" && gpu.status != "not asked";
    add_line(tile, {status.substr(0, status.find(':')), bad});
    if (!status.empty()) add_line(tile, {gpu.problem, bad});
    add_line(tile, {without_vendor(gpu.name), false});
    add_line(tile, {gpu.pci_address, false});
    add_line(tile, pcie_line(link_of(host_, gpu.pci_address, gpu.pcie), true));
    if (gpu.health)
      for (const std::string& words : health_words(*gpu.health)) add_line(tile, {words, true});
    if (!gpu_problems(host_, gpu).empty()) tile.paint = kWarningPaint;
    return tile;
  }

  /// What this port has on most hosts of the cluster.
  std::optional<double> usual_rate_of(std::size_t nic, std::size_t port) const {
    if (!usual_ || usual_->rdma_devices.size() != host_.rdma_devices.size()) return std::nullopt;
    const RdmaDevice& usual = usual_->rdma_devices[nic];
    if (usual.name != host_.rdma_devices[nic].name || port >= usual.ports.size()) return std::nullopt;
    return usual.ports[port].rate_Gbps;
  }

  Tile nic_tile(std::size_t index) const {
    const RdmaDevice& nic = host_.rdma_devices[index];
    const auto rail = rail_number(group_.rails, index);
    const std::string number_of_rail = rail ? fmt::format("rail {}", *rail) : "";
    Tile tile{join({nic.name, rail_beside_name_ ? number_of_rail : ""}, " · "), {}, kNicPaint};
    if (!rail_beside_name_) add_line(tile, {number_of_rail, false});
    if (const std::string status = status_words(nic); !status.empty()) add_line(tile, {status, true});
    if (nic.pci_address != nic.name) add_line(tile, {nic.pci_address, false});
    add_line(tile, pcie_line(link_of(host_, nic.pci_address), false));
    for (std::size_t i = 0; i < nic.ports.size(); ++i) {
      const RdmaPort& port = nic.ports[i];
      const bool up = port.state.empty() || port.state == "ACTIVE";
      const std::string number = nic.ports.size() > 1 ? fmt::format("{}: ", port.number) : "";
      if (!up) add_line(tile, {number + "port " + port.state, true});
      const auto usual_rate = usual_rate_of(index, i);
      const bool slower = port.rate_Gbps && usual_rate && *port.rate_Gbps < *usual_rate;
      const std::string rate = slower ? fmt::format("{:g} of {:g} Gb/s", *port.rate_Gbps, *usual_rate)
                               : port.rate_Gbps ? fmt::format("{:g} Gb/s", *port.rate_Gbps)
                                                : "";
      add_line(tile, {join({number + rate, port.link_layer == "InfiniBand" ? "IB" : port.link_layer}, " "),
                      slower});
      if (slower) tile.paint = kWarningPaint;
      const std::string leaf = leaves_of(cluster_, group_, index, i);
      if (!leaf.empty()) add_line(tile, {"→ " + leaf, false});
    }
    if (!nic_problems(host_, nic).empty()) tile.paint = kWarningPaint;
    return tile;
  }

  static double height_of(std::size_t lines) {
    return 16 + kLineHeight * static_cast<double>(lines) + kTilePad;
  }

  static double inside(const Box& tile) { return tile.width - 2 * kTilePad; }

  void draw_tile(const Tile& tile, const Box& box) {
    canvas_.rectangle(box, tile.paint);
    const double width = inside(box);
    double y = box.y + 15;
    canvas_.text(box.x + kTilePad, y, fitted(tile.title, width, kTileTitle.size, true), kTileTitle);
    for (const TileLine& line : tile.lines) {
      y += kLineHeight;
      if (y > box.bottom() - 3) break;
      TextStyle style = kTileText;
      style.bold = line.warning;
      if (line.warning) style.colour = kWarningInk;
      canvas_.text(box.x + kTilePad, y, fitted(line.words, width, style.size, style.bold), style);
    }
  }

  void draw_boxes(const HostLayout& layout) {
    for (const PlacedNuma& placed : layout.numa_nodes) {
      canvas_.rectangle(placed.box, kNumaPaint, 6);
      std::string words = placed.numa->index ? fmt::format("NUMA node {}", *placed.numa->index)
                                             : std::string("NUMA node not known");
      if (placed.numa->node && !placed.numa->node->cpus.empty())
        words += " · CPUs " + placed.numa->node->cpus;
      if (placed.numa->node && placed.numa->node->memory_bytes > 0)
        words += " · " + gibibytes(placed.numa->node->memory_bytes);
      canvas_.text(placed.box.x + 8, placed.box.y + 16, fitted(words, placed.box.width - 16, 11.5),
                   {11.5, true});
    }
    for (const PlacedSwitch& placed : layout.switches) {
      const PcieLink& link = placed.node->link;
      const bool below = narrow(link) || slow(link) || placed.below_devices;
      if (placed.below_devices) slow_switches_.push_back(placed.node->address);
      canvas_.rectangle(placed.box, below ? kWarningPaint : kSwitchPaint);
      std::string words = "PCI switch " + placed.node->address;
      TextStyle style = kBoxText;
      if (below) {
        const std::string fault =
            join({narrow(link) ? fmt::format("x{} of x{}", *link.width, *link.max_width) : "",
                  slow(link) ? fmt::format("{:g} of {:g} GT/s", *link.speed_GTps, *link.max_speed_GTps) : "",
                  !slow(link) && !narrow(link) && placed.below_devices
                      ? fmt::format("only {:g} GT/s", *link.speed_GTps)
                      : ""},
                 ", ");
        style = {11, true, kWarningInk};
        // Half an address tells nothing, and the sentence below the drawing has all of them.
        const std::string both = fmt::format("{}, {}", fault, words);
        words = text_width(both, style.size, style.bold) <= placed.box.width - 12 ? both : fault;
      } else if (text_width(words, style.size) > placed.box.width - 12) {
        words = "switch " + placed.node->address;
      }
      canvas_.text(placed.box.x + 7, placed.box.y + 14,
                   fitted(words, placed.box.width - 12, style.size, style.bold), style);
    }
  }

  void devices() {
    auto boxes = arrange(host_);
    std::vector<int> bare;
    if (!host_.gpus.empty() || !host_.rdma_devices.empty()) {
      for (const NumaBox& box : boxes)
        if (box.empty() && box.index) bare.push_back(*box.index);
      boxes.erase(std::remove_if(boxes.begin(), boxes.end(), [](const NumaBox& box) { return box.empty(); }),
                  boxes.end());
    }
    std::vector<Tile> gpus;
    std::size_t gpu_lines = 1;
    for (const Gpu& gpu : host_.gpus) {
      gpus.push_back(gpu_tile(gpu));
      gpu_lines = std::max(gpu_lines, gpus.back().lines.size());
    }
    std::vector<Tile> nics;
    const auto lay_out_tiles = [&] {
      nics.clear();
      std::size_t nic_lines = 1;
      for (std::size_t i = 0; i < host_.rdma_devices.size(); ++i) {
        nics.push_back(nic_tile(i));
        nic_lines = std::max(nic_lines, nics.back().lines.size());
      }
      constexpr std::size_t kMostLines = 9;
      const TileHeights heights{height_of(std::min(gpu_lines, kMostLines)),
                                height_of(std::min(nic_lines, kMostLines))};
      return lay_out(boxes, heights, kMargin, y_, kInnerWidth);
    };
    HostLayout layout = lay_out_tiles();
    const bool cut = std::any_of(layout.devices.begin(), layout.devices.end(), [&](const PlacedDevice& one) {
      return !one.gpu && text_width(nics[one.index].title, kTileTitle.size, true) > inside(one.box);
    });
    if (cut) {
      rail_beside_name_ = false;
      layout = lay_out_tiles();
    }
    draw_boxes(layout);
    one_row_ = layout.one_row;
    gpu_boxes_.assign(host_.gpus.size(), {});
    for (const PlacedDevice& device : layout.devices) {
      draw_tile(device.gpu ? gpus[device.index] : nics[device.index], device.box);
      if (device.gpu) gpu_boxes_[device.index] = device.box;
    }
    for (const PlacedNuma& placed : layout.numa_nodes) right_ = std::max(right_, placed.box.right());
    y_ = layout.bottom + 6;
    if (!bare.empty()) bare_nodes_ = format_cpu_list(bare);
  }

  void nvlink() {
    const std::string islands = island_words(host_, group_.paths);
    const bool any = std::any_of(host_.gpus.begin(), host_.gpus.end(),
                                 [](const Gpu& gpu) { return !gpu.nvlinks.empty(); });
    if (islands.empty() && !any) return;
    if (nvlinks_are_direct(host_, group_.paths) && one_row_) {
      arcs();
    } else {
      fabric(islands);
    }
  }

  /// Direct NVLinks as curves below the GPUs, thicker where there are more.
  void arcs() {
    double deepest = 0;
    std::vector<bool> joined_to_any(host_.gpus.size(), false);
    struct Label {
      double x, y;
      std::string words;
    };
    std::vector<Label> labels;
    const double top = y_ - 6;
    for (std::size_t a = 0; a < host_.gpus.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const Path path = group_.paths.at(a, b);
        if (path.type != PathType::nvlink) continue;
        const auto middle = [](const Box& box) { return box.x + box.width / 2; };
        const double from = middle(gpu_boxes_[b]);
        const double to = middle(gpu_boxes_[a]);
        const double depth = 14 + 16 * static_cast<double>(a - b) + 3 * static_cast<double>(b);
        Paint paint = kNvlinkPaint;
        paint.width = std::min(1.0 + 0.9 * (path.nvlinks - 1), 5.0);
        canvas_.arc(from, to, top, depth, paint);
        for (const std::size_t end : {a, b}) {
          if (!joined_to_any[end])
            canvas_.line(middle(gpu_boxes_[end]), gpu_boxes_[end].bottom(), middle(gpu_boxes_[end]), top,
                         {"none", kNvlinkPaint.stroke, 2});
          joined_to_any[end] = true;
        }
        labels.push_back({(from + to) / 2, top + depth, path_name(path)});
        deepest = std::max(deepest, depth);
      }
    }
    for (const Label& label : labels) {
      canvas_.rectangle({label.x - 13, label.y - 7, 26, 13}, {kPagePaint.fill, "none", 0}, 3);
      canvas_.text(label.x, label.y + 4, label.words, {10, true, kNvlinkPaint.stroke, true});
    }
    y_ = top + deepest + 18;
    for (std::size_t i = 0; i < host_.gpus.size(); ++i) link_warning(i);
  }

  void link_warning(std::size_t index) {
    if (!nvlinks_missing(host_, host_.gpus[index])) return;
    paragraph(fmt::format("GPU {}: {}", host_.gpus[index].index, nvlink_words(host_.gpus[index])), kWarning);
  }

  /// As a matrix tells it, which does not tell single links.
  bool joined(std::size_t gpu) const {
    for (std::size_t other = 0; other < host_.gpus.size(); ++other)
      if (group_.paths.at(gpu, other).type == PathType::nvlink) return true;
    return false;
  }

  static std::string count_words(const Gpu& gpu) {
    return gpu.nvlinks.empty() ? std::string("not known")
                               : fmt::format("{} of {} links", active_nvlinks(gpu), gpu.nvlinks.size());
  }

  /// What the NVSwitches join as one box, a line from each GPU to it.
  void fabric(const std::string& islands) {
    const double top = y_ + (one_row_ ? 22 : 6);
    const std::string switches = nvswitch_words(host_);
    std::string words = "NVLink";
    if (!switches.empty()) words += " over " + switches;
    words += islands.empty() ? ": joins no GPU" : " joins " + islands;
    for (std::size_t i = 0; one_row_ && i < host_.gpus.size(); ++i) {
      const Gpu& gpu = host_.gpus[i];
      const Box& box = gpu_boxes_[i];
      if (box.width <= 0 || (active_nvlinks(gpu) == 0 && !joined(i))) continue;
      const double x = box.x + box.width / 2;
      canvas_.line(x, box.bottom(), x, top,
                   {"none", nvlinks_missing(host_, gpu) ? kWarningPaint.stroke : kNvlinkPaint.stroke, 3});
    }
    const double width = std::max(right_ - kMargin, 420.0);
    const double cells = cells_height(width);
    canvas_.rectangle({kMargin, top, width, 26 + cells}, kNvlinkPaint, 6);
    canvas_.text(kMargin + 8, top + 17 + (one_row_ ? cells : 0), fitted(words, width - 16, 12, true),
                 {12, true});
    if (cells > 0) link_counts(top, width);
    y_ = top + 26 + cells + 8;
  }

  double cells_height(double width) const {
    const bool counts = std::any_of(host_.gpus.begin(), host_.gpus.end(),
                                    [](const Gpu& gpu) { return !gpu.nvlinks.empty(); });
    if (!counts) return 0;
    if (one_row_) return 18;
    const double across = std::floor((width - 16) / kCountWidth);
    return 18 * std::ceil(static_cast<double>(host_.gpus.size()) / across);
  }

  void link_counts(double top, double width) {
    const auto across = static_cast<std::size_t>(std::floor((width - 16) / kCountWidth));
    for (std::size_t i = 0; i < host_.gpus.size(); ++i) {
      const Gpu& gpu = host_.gpus[i];
      const bool bad = nvlinks_missing(host_, gpu);
      TextStyle style{11, bad, bad ? kWarningInk : kInk, one_row_};
      const std::string words = (bad && one_row_ ? "ONLY " : "") + count_words(gpu);
      if (one_row_) {
        canvas_.text(gpu_boxes_[i].x + gpu_boxes_[i].width / 2, top + 15, words, style);
      } else {
        const std::size_t row = i / across;
        canvas_.text(kMargin + 8 + kCountWidth * static_cast<double>(i % across),
                     top + 34 + 18 * static_cast<double>(row), fmt::format("GPU {}: {}", gpu.index, words),
                     style);
      }
    }
  }

  void notes() {
    y_ += 12;
    paragraph(bare_nodes_.empty() ? "" : "NUMA nodes without GPU and NIC: " + bare_nodes_,
              {11, false, kFaintInk});
    std::string missing = missing_sentence(host_);
    if (!missing.empty() && missing[0] == 'n') missing[0] = 'N';
    paragraph(missing.empty() ? "" : missing + ".", kNote);
    if (!slow_switches_.empty())
      paragraph(fmt::format("Look at: the PCI link of {} is slower than those of the devices under it",
                            fold_names(slow_switches_)),
                kWarning);
    list("Look at", host_problems(host_), kWarning);
    if (group_.rails.size() > 1) paragraph("Rails: " + rail_words(host_, group_.paths, group_.rails), kNote);
    list("Could not be found out", host_.unknown, {12, false, kFaintInk});
  }

  void list(const std::string& label, const std::vector<std::string>& sentences, const TextStyle& style) {
    for (std::size_t i = 0; i < sentences.size() && i < kMostNotes; ++i)
      paragraph(fmt::format("{}: {}", label, sentences[i]), style);
    if (sentences.size() > kMostNotes)
      paragraph(fmt::format("{}: {} more", label, sentences.size() - kMostNotes), style);
  }

  static constexpr double kCountWidth = 130;

  SvgCanvas& canvas_;
  const ClusterTopology& cluster_;
  const Group& group_;
  const Host& host_;
  const Host* usual_;  ///< what most hosts of the cluster are; null: this one, or there is none
  double y_{};
  double right_{};
  bool one_row_{};
  bool rail_beside_name_{true};
  std::vector<std::string> slow_switches_;  ///< addresses
  std::string bare_nodes_;                  ///< numbers of NUMA nodes without devices
  std::vector<Box> gpu_boxes_;
};

}  // namespace

double draw_host_panel(SvgCanvas& canvas, const ClusterTopology& cluster, const Group& group,
                       const Host* usual, double y) {
  return Panel(canvas, cluster, group, usual).draw(y);
}

}  // namespace fabricheck::topology
