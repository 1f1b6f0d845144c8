#include "topology/draw/svg_layout.hpp"

#include <algorithm>

namespace fabricheck::topology {
namespace {

constexpr double kGap = 8;
constexpr double kPad = 7;
constexpr double kNarrowTile = 112;
constexpr double kWideTile = 196;
constexpr double kUsualTile = 132;
constexpr std::size_t kMostColumns = 8;
constexpr double kEmptyNumaWidth = 250;

std::size_t rows_for(std::size_t count, std::size_t columns) {
  return columns == 0 ? 0 : (count + columns - 1) / columns;
}

struct Layouter {
  TileHeights heights;
  double tile;
  HostLayout* out;

  static std::size_t columns(const SwitchBox& box) {
    const std::size_t gpus = box.gpus.size();
    const std::size_t nics = box.nics.size();
    const std::size_t wanted = gpus > 0    ? std::max(gpus, rows_for(nics, 4))
                               : nics <= 2 ? nics
                                           : rows_for(nics, 2);
    return std::min(wanted, kMostColumns);
  }

  double own_width(const SwitchBox& box) const {
    const auto count = static_cast<double>(columns(box));
    return count == 0 ? 0 : count * tile + (count - 1) * kGap;
  }

  double own_height(const SwitchBox& box) const {
    const auto nic_rows = static_cast<double>(rows_for(box.nics.size(), columns(box)));
    const auto gpu_rows = static_cast<double>(rows_for(box.gpus.size(), columns(box)));
    const double rows = nic_rows + gpu_rows;
    return nic_rows * heights.nic + gpu_rows * heights.gpu + (rows > 0 ? (rows - 1) * kGap : 0);
  }

  /// Of a switch with all that is in it.
  double width(const SwitchBox& box) const {
    double total = own_width(box);
    for (const SwitchBox& inside : box.inside) total += (total > 0 ? kGap : 0) + width(inside);
    return total + 2 * kPad;
  }

  double height(const SwitchBox& box) const {
    double most = own_height(box);
    for (const SwitchBox& inside : box.inside) most = std::max(most, height(inside));
    return most + kBoxHeader + kPad;
  }

  void place_own(const SwitchBox& box, const Box& area) {
    const std::size_t across = columns(box);
    const auto put = [&](bool gpu, std::size_t index, std::size_t at, double top) {
      const auto column = static_cast<double>(at % across);
      const std::size_t row = at / across;
      const double tall = gpu ? heights.gpu : heights.nic;
      out->devices.push_back(
          {gpu,
           index,
           {area.x + column * (tile + kGap), top + static_cast<double>(row) * (tall + kGap), tile, tall}});
    };
    for (std::size_t i = 0; i < box.nics.size(); ++i) put(false, box.nics[i], i, area.y);
    const auto gpu_rows = static_cast<double>(rows_for(box.gpus.size(), across));
    const double gpus_top = area.bottom() - gpu_rows * heights.gpu - (gpu_rows - 1) * kGap;
    for (std::size_t i = 0; i < box.gpus.size(); ++i) put(true, box.gpus[i], i, gpus_top);
    if (gpu_rows > 1) out->one_row = false;
  }

  void place_switch(const SwitchBox& box, const Box& area) {
    out->switches.push_back({box.node, box.below_devices, area});
    const double top = area.y + kBoxHeader;
    const double tall = area.height - kBoxHeader - kPad;
    double x = area.x + kPad;
    if (columns(box) > 0) {
      place_own(box, {x, top, own_width(box), tall});
      x += own_width(box) + kGap;
    }
    for (const SwitchBox& inside : box.inside) {
      place_switch(inside, {x, top, width(inside), tall});
      x += width(inside) + kGap;
    }
  }

  /// What stands side by side in a NUMA node: its own devices, then its switches; in lines.
  struct Item {
    const SwitchBox* box;
    bool own;
    double width;
    double height;
    bool has_gpus() const { return !own || !box->gpus.empty(); }
  };
  struct Line {
    std::vector<Item> items;
    double width{};
    double height{};
  };
  struct Numa {
    const NumaBox* box;
    std::vector<Line> lines;
    double width{};
    double height{};
  };

  Numa measure(const NumaBox& box, double most) const {
    Numa numa{&box, {}, kEmptyNumaWidth, kBoxHeader + kPad};
    std::vector<Item> items;
    if (columns(box.top) > 0) items.push_back({&box.top, true, own_width(box.top), own_height(box.top)});
    for (const SwitchBox& inside : box.top.inside)
      items.push_back({&inside, false, width(inside), height(inside)});
    for (const Item& item : items) {
      // NICs that share nothing with a GPU stand above all else.
      if (numa.lines.empty() || !numa.lines.back().items.back().has_gpus() ||
          numa.lines.back().width + kGap + item.width > most - 2 * kPad)
        numa.lines.emplace_back();
      Line& line = numa.lines.back();
      line.width += (line.items.empty() ? 0 : kGap) + item.width;
      line.height = std::max(line.height, item.height);
      line.items.push_back(item);
    }
    for (const Line& line : numa.lines) {
      numa.width = std::max(numa.width, line.width + 2 * kPad);
      numa.height += line.height + kGap;
    }
    return numa;
  }

  static std::size_t gpu_lines(const Numa& numa) {
    return static_cast<std::size_t>(std::count_if(
        numa.lines.begin(), numa.lines.end(), [](const Line& line) { return line.items.back().has_gpus(); }));
  }

  void place_numa(const Numa& numa, const Box& area) {
    out->numa_nodes.push_back({numa.box, area});
    if (gpu_lines(numa) > 1) out->one_row = false;
    double y = area.y + kBoxHeader + 4;
    // A box as tall as its neighbours gives what it has more to its last line.
    const double spare = area.height - numa.height;
    for (const Line& line : numa.lines) {
      const double tall = line.height + (&line == &numa.lines.back() ? spare : 0);
      double x = area.x + kPad;
      for (const Item& item : line.items) {
        const Box place{x, y, item.width, tall};
        if (item.own) {
          place_own(*item.box, place);
        } else {
          place_switch(*item.box, place);
        }
        x += item.width + kGap;
      }
      y += tall + kGap;
    }
  }

  void place_all(const std::vector<NumaBox>& boxes, double left, double top, double width_limit) {
    std::vector<Numa> numas;
    numas.reserve(boxes.size());
    for (const NumaBox& box : boxes) numas.push_back(measure(box, width_limit));
    out->one_row = true;
    double y = top;
    for (std::size_t first = 0; first < numas.size();) {
      std::size_t end = first;
      double used = 0;
      double tall = 0;
      while (end < numas.size() && (end == first || used + kGap + numas[end].width <= width_limit)) {
        used += (end == first ? 0 : kGap) + numas[end].width;
        tall = std::max(tall, numas[end].height);
        ++end;
      }
      double x = left;
      for (std::size_t i = first; i < end; ++i) {
        place_numa(numas[i], {x, y, numas[i].width, tall});
        x += numas[i].width + kGap;
        if (end < numas.size() && !numas[i].box->top.gpus.empty()) out->one_row = false;
        if (end < numas.size() && !numas[i].box->top.inside.empty()) out->one_row = false;
      }
      y += tall + kGap;
      first = end;
    }
    out->bottom = y;
  }
};

/// Whether everything stands in one row at this width of tiles.
bool fits(const std::vector<NumaBox>& boxes, TileHeights heights, double tile, double width) {
  const Layouter layouter{heights, tile, nullptr};
  double used = 0;
  for (const NumaBox& box : boxes) {
    const auto numa = layouter.measure(box, width);
    if (Layouter::gpu_lines(numa) > 1) return false;
    used += (used > 0 ? kGap : 0) + numa.width;
  }
  return used <= width;
}

}  // namespace

HostLayout lay_out(const std::vector<NumaBox>& boxes, TileHeights heights, double left, double top,
                   double width) {
  double tile = kUsualTile;
  for (double wide = kWideTile; wide >= kNarrowTile; wide -= 2) {
    if (!fits(boxes, heights, wide, width)) continue;
    tile = wide;
    break;
  }
  HostLayout layout;
  Layouter{heights, tile, &layout}.place_all(boxes, left, top, width);
  return layout;
}

}  // namespace fabricheck::topology
