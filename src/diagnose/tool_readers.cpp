// Output of tools that name GIDs, P_Keys and NVLinks.
#include <algorithm>
#include <array>
#include <cctype>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

void note(EventBook& events, Event kind, int code, std::string_view detail, const Line& line) {
  events.add(kind, code, detail, 0, true, line);
}

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
    // What was sent again did no harm; a link in health counts next to nothing.
    constexpr long most_in_health = 1000;
    for (const char* key : {"Replay Errors:", "CRC Errors:"})
      if (number_after<long>(text, key).value_or(0) > most_in_health)
        note(events, Event::nvlink_errors, 0, gpu_, line);
    // Of "-s" only; what "-e" and "-c" say of a link is no state.
    if (is_inactive || contains(text, "GB/s"))
      note(events, is_inactive ? Event::nvlink_inactive : Event::nvlink_active, 0, gpu_, line);
    return true;
  }

 private:
  std::string gpu_;
};

}  // namespace

std::unique_ptr<ToolReader> make_gid_reader() { return std::make_unique<Gids>(); }
std::unique_ptr<ToolReader> make_pkey_reader() { return std::make_unique<Pkeys>(); }
std::unique_ptr<ToolReader> make_nvlink_reader() { return std::make_unique<NvLinks>(); }

}  // namespace fabricheck::diagnose
