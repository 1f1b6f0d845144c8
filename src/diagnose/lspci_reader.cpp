// lspci -vvv: which bridges redirect by ACS, what is behind them, and the links of GPUs and NICs.
#include <fmt/format.h>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// "65:00.0 ", "0000:65:00.0 " at the front of a line: the bus, else nothing.
std::optional<int> bus_of(std::string_view line) {
  std::string_view text = line;
  if (text.size() > 5 && text[4] == ':' && text.find_first_of(" \t") > 10) text.remove_prefix(5);
  const auto bus = take_number<int>(text, 16);
  if (!bus || !take(text, ":") || !take_number<int>(text, 16) || !take(text, ".") || !take_number<int>(text))
    return std::nullopt;
  return starts_with(text, " ") ? bus : std::nullopt;
}

class Lspci final : public ToolReader {
 public:
  const char* name() const override { return "lspci"; }
  void begin_file() override {
    behind_.clear();
    kind_ = 0;
  }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    if (const auto bus = bus_of(line.text)) {
      behind_.clear();
      speed_GTps_ = lanes_ = 0;
      device_ = until(line.text, " ");
      const bool is_gpu = contains(line.text, "NVIDIA") &&
                          (contains(line.text, "3D controller") || contains(line.text, "VGA compatible"));
      const bool is_nic = contains(line.text, "Infiniband controller") || contains(line.text, "Mellanox") ||
                          contains(line.text, "Elastic Fabric Adapter");
      kind_ = is_gpu ? kGpu : is_nic ? kNic : 0;
      if (kind_ != 0) events.add(Event::pci_end, *bus, "", 0, true, line);
      return true;
    }
    const std::string_view text = trim(line.text);
    if (starts_with(text, "Bus: primary=")) {
      const auto first = number_after<int>(text, "secondary=", 16),
                 last = number_after<int>(text, "subordinate=", 16);
      if (first && last) behind_ = fmt::format("{} {}", *first, *last);
      return first && last;
    }
    if (starts_with(text, "LnkCap:") || starts_with(text, "LnkSta:")) {
      if (kind_ != 0) read_link(text, line, events);
      return true;
    }
    if (!starts_with(text, "ACSCtl:")) return false;
    const bool redirects =
        contains(text, "ReqRedir+") || contains(text, "CmpltRedir+") || contains(text, "UpstreamFwd+");
    events.add(redirects ? Event::acs_redirect : Event::acs_clean, 0, redirects ? behind_ : "", 0, true,
               line);
    return true;
  }

 private:
  /// "LnkCap: Port #0, Speed 32GT/s, Width x16, …" is what the device can do, "LnkSta: …" what it does.
  void read_link(std::string_view text, const Line& line, EventBook& events) {
    const int speed_GTps = number_after<int>(text, "Speed ").value_or(0);
    const int lanes = number_after<int>(text, "Width x").value_or(0);
    if (starts_with(text, "LnkCap:")) {
      speed_GTps_ = speed_GTps;
      lanes_ = lanes;
      return;
    }
    const auto note = [&](Event event, int code) { events.add(event, code, device_, 0, true, line); };
    if (lanes > 0 && lanes_ > 0) note(lanes < lanes_ ? Event::pcie_narrow : Event::pcie_full, kind_);
    constexpr int two_generations = 4;
    if (speed_GTps > 0 && speed_GTps < speed_GTps_)
      note(Event::pcie_slow, kind_ + (two_generations * speed_GTps <= speed_GTps_ ? kFarBelow : 0));
  }

  std::string device_;          ///< "1b:00.0"
  int kind_{};                  ///< kGpu, kNic; 0: another device
  int speed_GTps_{}, lanes_{};  ///< what it can do; 0: not told
  std::string behind_;          ///< first and last bus behind this bridge; empty: not told
};

}  // namespace

std::unique_ptr<ToolReader> make_lspci_reader() { return std::make_unique<Lspci>(); }

}  // namespace fabricheck::diagnose
