// lspci -vvv: which bridges redirect by ACS, and what is behind them.
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
  void begin_file() override { behind_.clear(); }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    if (const auto bus = bus_of(line.text)) {
      behind_.clear();
      const bool is_gpu = contains(line.text, "NVIDIA") &&
                          (contains(line.text, "3D controller") || contains(line.text, "VGA compatible"));
      const bool is_nic = contains(line.text, "Infiniband controller") || contains(line.text, "Mellanox") ||
                          contains(line.text, "Elastic Fabric Adapter");
      if (is_gpu || is_nic) events.add(Event::pci_end, *bus, "", 0, true, line);
      return true;
    }
    const std::string_view text = trim(line.text);
    if (starts_with(text, "Bus: primary=")) {
      const auto first = number_after<int>(text, "secondary=", 16),
                 last = number_after<int>(text, "subordinate=", 16);
      if (first && last) behind_ = fmt::format("{} {}", *first, *last);
      return first && last;
    }
    if (!starts_with(text, "ACSCtl:")) return false;
    const bool redirects =
        contains(text, "ReqRedir+") || contains(text, "CmpltRedir+") || contains(text, "UpstreamFwd+");
    events.add(redirects ? Event::acs_redirect : Event::acs_clean, 0, redirects ? behind_ : "", 0, true,
               line);
    return true;
  }

 private:
  std::string behind_;  ///< first and last bus behind this bridge; empty: not told
};

}  // namespace

std::unique_ptr<ToolReader> make_lspci_reader() { return std::make_unique<Lspci>(); }

}  // namespace fabricheck::diagnose
