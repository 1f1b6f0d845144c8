// What lines of a kernel's log say beside the phrase that was found in them.
#include <algorithm>

#include <fmt/format.h>

#include "diagnose/line_details.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

/// NVRM: "NVRM: Xid (PCI:0000:86:00): 79, pid=…"; the switch: "SXid (PCI:0000:c7:00.0): 12028, Non-fatal, …".
LineDetail number_detail(std::string_view rest) {
  LineDetail detail;
  const std::size_t close = rest.find("): ");
  if (close == std::string_view::npos) return {0, {}, true};
  std::string_view number = rest.substr(close + 3);
  const auto code = take_number<int>(number);
  if (!code) return {0, {}, true};
  // "45, pid=…, Ch 00000001 caused by previous Xid 149": that one is what it tells of.
  detail.code = number_after<int>(number, "caused by previous Xid").value_or(*code);
  std::string_view place = rest.substr(0, close);
  take(place, "PCI:");
  // Of a part of a GPU: "PCI:0000:1b:00 GPU-I:05 GPU-CI:01".
  if (const std::size_t part = place.find(" GPU-"); part != std::string_view::npos)
    place = place.substr(0, part);
  if (place.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return {0, {}, true};
  detail.text = place;
  return detail;
}

/// The PCI address or net device behind the driver's name: "mlx5_core 0000:18:00.0 ens1np0: Link down".
LineDetail kernel_detail(std::string_view line) {
  for (const std::string_view driver :
       {"mlx5_core ", "mlx5_pcie ", "bnxt_en ", "ice ", "irdma ", "mlx4_core "}) {
    const std::size_t at = line.find(driver);
    if (at == std::string_view::npos) continue;
    // "device " ends as the driver's name does.
    if (at > 0 && line[at - 1] != ' ' && line[at - 1] != ']' && line[at - 1] != ':') continue;
    std::string_view device = until(line.substr(at + driver.size()), " ");
    if (device.ends_with(':')) device.remove_suffix(1);
    return {0, std::string(device), false};
  }
  return {0, {}, true};
}

/// The driver behind the net device, or before it in newer kernels; other NICs' troubles are not the
/// fabric's.
LineDetail netdev_detail(std::string_view line, std::string_view rest) {
  if (!contains(rest, "timed out")) return {0, {}, true};
  const auto driver = after(rest, " (");
  for (const char* one : {"mlx5_core", "mlx4_core", "mlx4_en", "bnxt_en", "ice", "irdma"})
    if (driver && until(*driver, ")") == one) return {0, std::string(until(rest, " ")), false};
  return kernel_detail(line);
}

/// "0000:65:00.0"; domains of VMD have five digits.
bool is_pci_address(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon >= 4 && colon <= 8 && text.size() == colon + 8 &&
         text[colon + 3] == ':' && text[colon + 6] == '.' &&
         text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

std::string_view first_address(std::string_view text) {
  while (!text.empty()) {
    const std::string_view word = until(text, " ,;");
    const std::string_view address = word.ends_with(':') ? word.substr(0, word.size() - 1) : word;
    if (is_pci_address(address)) return address;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return {};
}

/// "mlx5_core 0000:65:00.0: PCIe Bus Error: severity=…" and "pcieport 0000:64:01.0: AER: … received:
/// 0000:65:00.0": the device that had the error, which is not always the one that tells. Before Linux 5 it is
/// "id=6500", bus and device in the domain of the one that tells. The code is 1 where a driver of GPUs or
/// NICs says it.
LineDetail aer_detail(std::string_view line, std::string_view rest) {
  const std::string_view teller = first_address(line);
  std::string address(first_address(rest));
  if (auto id = after(rest, "id="); address.empty() && id && contains(rest, "received")) {
    constexpr unsigned device_shift = 3, function_mask = 7, byte = 0xff;
    const unsigned number = take_number<unsigned>(*id, 16).value_or(0);
    address = fmt::format("{}:{:02x}:{:02x}.{}", teller.substr(0, teller.find(':')), number >> 8U & byte,
                          (number & byte) >> device_shift, number & function_mask);
  }
  if (address.empty()) address = teller;
  const bool is_fabrics = contains(line, "nvidia ") || !kernel_detail(line).is_other;
  return {is_fabrics ? 1 : 0, address, address.empty()};
}

/// "poll_health:825:(pid 0): Fatal error 3 detected", "Health issue observed, …, severity(3) ERROR:".
LineDetail health_detail(std::string_view line, std::string_view rest) {
  const bool is_fatal =
      (contains(rest, "Fatal error") && contains(rest, "detected")) || contains(rest, "ERROR");
  return is_fatal ? kernel_detail(line) : LineDetail{0, {}, true};
}

/// The driver's command of which the firmware did not answer; at its end nobody waits for it.
LineDetail command_detail(std::string_view line) {
  return contains(line, "TEARDOWN_HCA") || contains(line, "DISABLE_HCA") ? LineDetail{0, {}, true}
                                                                         : kernel_detail(line);
}

/// "EDAC MC1: 1 UE memory read error on CPU_SrcID#0_MC#1_Chan#0_DIMM#0 (channel:0 …"; of Linux before 3.6
/// "EDAC MC0: UE row 0, channel-a= 0 …". Corrected ones (CE) are no error of the job's.
LineDetail memory_module_detail(std::string_view rest) {
  const std::size_t at = rest.find(" UE ");
  if (at == std::string_view::npos) return {0, {}, true};
  // edac-util and others tell counts of none.
  const std::string_view before = rest.substr(0, at), behind = rest.substr(at + 4);
  std::string_view count = before.substr(before.find_last_of(' ') + 1);
  if (take_number<int>(count).value_or(0) <= 0 && !starts_with(behind, "row") && !starts_with(behind, "page"))
    return {0, {}, true};
  const auto module = after(behind, " on ");
  return {0, module ? std::string(until(*module, " (")) : std::string(), false};
}

/// "[python:1234]" at the end of the line. The number is another one each time.
LineDetail stuck_process_detail(std::string_view before, std::string_view rest) {
  if (is_spoken_of(before, rest) || starts_with(rest, ",")) return {0, {}, true};
  const auto name = after(rest, " [");
  return {0, name ? std::string(until(*name, ":]")) : std::string(), false};
}

/// "INFO: task python:1234 blocked for more than 122 seconds.", with "I/O" before "blocked" where it is.
LineDetail blocked_task_detail(std::string_view before, std::string_view rest) {
  const auto task = after(before, "INFO: task ");
  const std::size_t colon = task ? task->rfind(':') : std::string_view::npos;
  const bool is_one =
      colon != std::string_view::npos && contains(rest, " seconds") && !is_spoken_of(before, rest);
  return {0, is_one ? std::string(task->substr(0, colon)) : std::string(), !is_one};
}

/// "GPU6" of "NVRM: GPU6 _kgspLogRpcTimeout: …".
LineDetail gsp_detail(std::string_view before) {
  const auto gpu = after(before, "NVRM: ");
  return {0, gpu ? std::string(trim(*gpu)) : std::string(), !gpu};
}

/// What a healthy machine's log does not hold; other programs of it crash now and then.
LineDetail kernel_fault_detail(std::string_view line, std::string_view phrase) {
  const bool is_others = contains(phrase, "segfault") && !contains(line, "python") && !contains(line, "pt_");
  return {0, {}, !is_kernel_line(line) || is_others || contains(line, "soft lockup")};
}

/// "18:00.0", without the domain.
/// The code is 1 where a driver of GPUs or NICs says it: "nvidia 0000:07:00.0: AMD-Vi: Event logged […]".
LineDetail pci_device_detail(std::string_view line) {
  std::string_view address = first_address(line);
  for (const std::string_view mark : {"device [", "device="})
    if (const auto rest = after(line, mark)) address = until(*rest, "] ,");
  if (std::count(address.begin(), address.end(), ':') == 2) address.remove_prefix(address.find(':') + 1);
  const bool is_fabrics = contains(line, "nvidia ") || !kernel_detail(line).is_other;
  return {is_fabrics ? 1 : 0, std::string(address), false};
}

}  // namespace

std::optional<LineDetail> kernel_line_detail(const Phrase& phrase, std::string_view line, std::size_t end) {
  const std::string_view before = line.substr(0, end - phrase.text.size()), rest = line.substr(end);
  switch (phrase.detail) {
    case Detail::killed_process: {
      const auto name = after(rest, "(");
      std::string_view pid = trim(rest);
      const bool has_pid = take_number<long>(pid).has_value();
      return LineDetail{0, name ? std::string(until(*name, ")")) : std::string(), !has_pid};
    }
    case Detail::oom_step: {
      const bool is_beside = contains(until(rest, " "), ".extern");
      return LineDetail{0, is_beside ? std::string(kExternStep) : std::string(), false};
    }
    case Detail::oom_invoker: {
      return LineDetail{kOomInvoker, std::string(before.substr(before.find_last_of(" ]") + 1)), false};
    }
    case Detail::kernel_fault:
      return kernel_fault_detail(line, phrase.text);
    case Detail::gsp_gpu:
      return gsp_detail(before);
    case Detail::memory_module:
      return memory_module_detail(rest);
    case Detail::panic: {
      // The kernel says it again behind its registers: "---[ end Kernel panic - not syncing: WHY ]---".
      const std::string_view why = rest.substr(0, rest.find(" ]---"));
      const bool is_asked_for = contains(why, "sysrq triggered crash");
      return LineDetail{0, std::string(trim(why)), is_asked_for || is_spoken_of(before, rest)};
    }
    case Detail::stuck_process:
      return stuck_process_detail(before, rest);
    case Detail::blocked_task:
      return blocked_task_detail(before, rest);
    case Detail::number:
      return number_detail(rest);
    case Detail::kernel:
      return kernel_detail(line);
    case Detail::netdev:
      return netdev_detail(line, rest);
    case Detail::aer:
      return aer_detail(line, rest);
    case Detail::health:
      return health_detail(line, rest);
    case Detail::command:
      return command_detail(line);
    case Detail::pci_device:
      return pci_device_detail(line);
    default:
      return std::nullopt;
  }
}

}  // namespace fabricheck::diagnose
