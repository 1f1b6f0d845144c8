// nvidia-smi -q: the state of each GPU's fabric and memory.
#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// "00000000:1B:00.0".
bool is_pci_address(std::string_view text) {
  return text.size() >= 12 && text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos &&
         contains(text, ":") && contains(text, ".");
}

class SmiQuery final : public ToolReader {
 public:
  const char* name() const override { return "nvidia-smi -q"; }
  void begin_file() override {
    gpu_.clear();
    section_.clear();
  }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    if (std::string_view address = text; take(address, "GPU ") && is_pci_address(address)) {
      gpu_ = address;
      section_.clear();
      lanes_ = 0;
      return true;
    }
    if (starts_with(text, "Operational Info")) gpu_.clear();  // mlxlink's values look alike
    if (gpu_.empty()) return false;
    const std::size_t colon = text.find(" : ");
    if (colon == std::string_view::npos) {
      // Of Volta: "Volatile / Double Bit / Device Memory : 3".
      if (text == "Double Bit" && section_ == "Volatile")
        section_ = "Volatile Double Bit";
      else
        section_ = text.size() < 40 ? text : std::string_view();
      return false;
    }
    read_value(trim(text.substr(0, colon)), trim(text.substr(colon + 3)), line, events);
    return true;
  }

 private:
  void read_value(std::string_view key, std::string_view value, const Line& line, EventBook& events) {
    const auto note = [&](Event kind) { events.add(kind, 0, gpu_, 0, true, line); };
    if (key == "GPU Recovery Action") {
      if (value != "None" && value != "N/A") note(Event::recovery_needed);
    } else if (key == "SRAM Threshold Exceeded") {
      if (value == "Yes") note(Event::sram_errors);
    } else if (section_ == "Link Width") {
      const int lanes = take_number<int>(value).value_or(0);
      if (key == "Max") lanes_ = lanes;
      if (key == "Current" && lanes > 0 && lanes_ > 0)
        events.add(lanes < lanes_ ? Event::pcie_narrow : Event::pcie_full, kGpu, gpu_, 0, true, line);
    } else if (section_ == "Health") {
      if ((key == "Bandwidth" && value == "Degraded") || (key == "Route Unhealthy" && value == "True") ||
          (key == "Access Timeout Recovery" && value == "True"))
        note(Event::fabric_unhealthy);
    } else if (section_ == "Fabric") {
      if (key == "State") {
        is_complete_ = value == "Completed";
        if (value == "In Progress" || value == "Not Started") note(Event::fabric_waiting);
      }
      if (key == "Status" && is_complete_ && value != "Success" && value != "N/A")
        note(Event::fabric_refused);
    } else if (section_ == "Remapped Rows") {
      if (key == "Pending" && value == "Yes") note(Event::remap_pending);
      if (key == "Remapping Failure Occurred" && value == "Yes") note(Event::remap_failed);
    } else if (section_ == "Retired Pages") {
      if (starts_with(key, "Pending") && value == "Yes") note(Event::retirement_pending);
    } else if (section_ == "Volatile Double Bit") {
      if (take_number<long>(value).value_or(0) > 0) note(Event::ecc_uncorrected);
    } else if (section_ == "Volatile") {
      if (contains(key, "Uncorrectable") && take_number<long>(value).value_or(0) > 0)
        note(Event::ecc_uncorrected);
    } else if (value == "Active") {
      if (key == "HW Thermal Slowdown" || key == "HW Power Brake Slowdown") note(Event::gpu_throttled);
    }
  }

  std::string gpu_, section_;
  bool is_complete_{};
  int lanes_{};  ///< of its PCIe link, at most; 0: not told
};

}  // namespace

std::unique_ptr<ToolReader> make_smi_query_reader() { return std::make_unique<SmiQuery>(); }

}  // namespace fabricheck::diagnose
