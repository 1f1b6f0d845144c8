// Output of tools that name ports, GIDs, P_Keys and NVLinks.
#include <algorithm>
#include <array>
#include <cctype>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

void note(EventBook& events, Event kind, int code, std::string_view detail, const Line& line) {
  events.add(kind, code, detail, 0, true, line);
}

std::string_view quoted_name(std::string_view text) {
  const auto begin = after(text, "'");
  return begin ? until(*begin, "'") : std::string_view();
}

/// ibstat, ibstatus and ibv_devinfo: a device, then what its ports are.
class IbPorts final : public ToolReader {
 public:
  const char* name() const override { return "state of ports"; }
  void begin_file() override { device_.clear(); }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    if (text.empty()) return false;
    if (starts_with(text, "CA '") || starts_with(text, "Infiniband device '"))
      return begin(quoted_name(text));
    if (take(text, "hca_id:")) return begin(trim(text));
    if (device_.empty()) return false;
    if (take(text, "State:") || take(text, "state:")) return read_state(trim(text), line, events);
    if (take(text, "Physical state:") || take(text, "phys state:")) {
      if (contains(text, "Disabled")) note(events, Event::port_disabled, 0, device_, line);
      return true;
    }
    // A virtual function, or an auxiliary card of Socket Direct, that nobody configured.
    if (starts_with(text, "Base lid:") && contains(text, "65535"))
      note(events, Event::port_disabled, 0, device_, line);
    if (take(text, "Link layer:") || take(text, "link_layer:")) return read_layer(trim(text), line, events);
    if (take(text, "max_mtu:")) {
      max_mtu_ = take_trimmed(text);
      return true;
    }
    if (take(text, "active_mtu:")) return read_mtu(take_trimmed(text), line, events);
    return false;
  }

 private:
  bool begin(std::string_view device) {
    device_ = device;
    max_mtu_ = 0;
    return !device_.empty();
  }
  static int take_trimmed(std::string_view text) {
    text = trim(text);
    return take_number<int>(text).value_or(0);
  }
  bool read_state(std::string_view state, const Line& line, EventBook& events) const {
    const bool active = contains(state, "Active") || contains(state, "ACTIVE");
    // Without a subnet manager an InfiniBand port stays at "Initializing".
    const bool waits = contains(state, "Init") || contains(state, "INIT");
    note(events, active ? Event::port_active : Event::port_down, waits ? 2 : 0, device_, line);
    return true;
  }
  bool read_layer(std::string_view layer, const Line& line, EventBook& events) const {
    if (layer == "InfiniBand" || layer == "Ethernet")
      note(events, Event::port_layer, layer == "InfiniBand" ? 1 : 2, device_, line);
    return true;
  }
  bool read_mtu(int mtu, const Line& line, EventBook& events) const {
    constexpr int small = 1024;
    if (mtu > 0 && mtu <= small && mtu < max_mtu_) note(events, Event::mtu_small, mtu, device_, line);
    return true;
  }

  std::string device_;
  int max_mtu_{};
};

/// show_gids: DEV PORT INDEX GID [IPv4] VER DEV.
class Gids final : public ToolReader {
 public:
  const char* name() const override { return "show_gids"; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    std::array<std::string_view, 7> words;
    std::size_t count = 0;
    std::string_view text = trim(line.text);
    constexpr std::size_t longest = 300;
    if (text.size() > longest) return false;
    while (!text.empty() && count < words.size()) {
      words[count++] = until(text, " \t");
      text = trim(text.substr(words[count - 1].size()));
    }
    if (count < 5 || !is_gid(words[3])) return false;
    std::string_view number = words[2];
    const auto index = take_number<int>(number);
    if (!index || !number.empty()) return false;
    const bool has_address = contains(words[4], ".");
    const std::string_view version = words[has_address && count > 5 ? 5 : 4];
    if (version != "v1" && version != "v2" && version != "V1" && version != "V2") return false;
    if (has_address && (version == "v2" || version == "V2"))
      note(events, Event::gid_v2, *index, words[0], line);
    return true;
  }

 private:
  static bool is_gid(std::string_view word) {
    return std::count(word.begin(), word.end(), ':') == 7 &&
           word.find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
  }
};

/// P_Keys as sysfs has them: "…/ports/1/pkeys/0 … 0x7fff". Bit 15 says full member.
class Pkeys final : public ToolReader {
 public:
  const char* name() const override { return "P_Keys"; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    const std::size_t at = line.text.find("pkeys/");
    if (at == std::string_view::npos) return false;
    std::string_view rest = line.text.substr(at + 6);
    const auto index = take_number<int>(rest);
    const auto key = number_after<unsigned>(rest, "0x", 16);
    if (!index || !key || *key > 0xFFFFU) return false;
    if (*key == 0) return true;  // an empty entry
    const bool full = (*key & 0x8000U) != 0;
    note(events, full ? Event::full_pkey : Event::limited_pkey, *index, "", line);
    return true;
  }

 private:
};

/// nvidia-smi nvlink -s, and every list of GPUs of nvidia-smi -L's form.
class NvLinks final : public ToolReader {
 public:
  const char* name() const override { return "nvidia-smi"; }
  void begin_file() override { gpu_.clear(); }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    if (take(text, "GPU ")) {
      const auto index = take_number<int>(text);
      if (!index || !take(text, ": ")) return false;
      gpu_ = "GPU" + std::to_string(*index);
      const std::string_view model = trim(until(text, "("));
      constexpr std::size_t most = 64;
      if (into.gpu_names.size() < most && model.size() < 80) ++into.gpu_names[printable_text(model, 80)];
      return true;
    }
    if (gpu_.empty() || !take(text, "Link ") || !take_number<int>(text) || !take(text, ":")) return false;
    const bool is_inactive = contains(text, "<inactive>") || contains(text, "Disabled");
    auto count = number_after<long>(text, "Recovery Errors:");
    if (!count) count = number_after<long>(text, "Link recovery failed events:");
    if (count && *count > 0) note(events, Event::nvlink_errors, 0, gpu_, line);
    // Of "-s" only; what "-e" and "-c" say of a link is no state.
    if (is_inactive || contains(text, "GB/s"))
      note(events, is_inactive ? Event::nvlink_inactive : Event::nvlink_active, 0, gpu_, line);
    return true;
  }

 private:
  std::string gpu_;
};

}  // namespace

std::unique_ptr<ToolReader> make_ib_ports_reader() { return std::make_unique<IbPorts>(); }
std::unique_ptr<ToolReader> make_gid_reader() { return std::make_unique<Gids>(); }
std::unique_ptr<ToolReader> make_pkey_reader() { return std::make_unique<Pkeys>(); }
std::unique_ptr<ToolReader> make_nvlink_reader() { return std::make_unique<NvLinks>(); }

}  // namespace fabricheck::diagnose
