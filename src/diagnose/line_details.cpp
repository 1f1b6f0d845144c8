#include "diagnose/line_details.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 17> kErrors{
    {{"Connection timed out", ETIMEDOUT},
     {"Invalid argument", EINVAL},
     {"Cannot allocate memory", ENOMEM},
     {"Bad address", EFAULT},
     {"Network is unreachable", ENETUNREACH},
     {"No route to host", EHOSTUNREACH},
     {"Connection refused", ECONNREFUSED},
     {"Connection reset by peer", ECONNRESET},
     {"No such device", ENODEV},
     {"No data available", ENODATA},
     {"Operation not permitted", EPERM},
     {"Permission denied", EACCES},
     {"Operation not supported", EOPNOTSUPP},
     {"Software caused connection abort", ECONNABORTED},
     {"No space left on device", ENOSPC},
     {"Protocol not supported", EPROTONOSUPPORT},
     {"No such file or directory", ENOENT}}};

// ibv_wc_status, libibverbs/verbs.h.
constexpr std::array<std::pair<std::string_view, int>, 14> kCompletions{{{"LOC_LEN_ERR", 1},
                                                                         {"LOC_QP_OP_ERR", 2},
                                                                         {"LOC_PROT_ERR", 4},
                                                                         {"WR_FLUSH_ERR", 5},
                                                                         {"MW_BIND_ERR", 6},
                                                                         {"BAD_RESP_ERR", 7},
                                                                         {"LOC_ACCESS_ERR", 8},
                                                                         {"REM_INV_REQ_ERR", 9},
                                                                         {"REM_ACCESS_ERR", 10},
                                                                         {"REM_OP_ERR", 11},
                                                                         {"RNR_RETRY_EXC_ERR", 13},
                                                                         {"RETRY_EXC_ERR", 12},
                                                                         {"REM_ABORT_ERR", 16},
                                                                         {"GENERAL_ERR", 21}}};

int completion_of(std::string_view name) {
  for (const auto& [known, code] : kCompletions)
    if (starts_with(name, known)) return code;
  return 0;
}

LineDetail completion_detail(std::string_view rest) {
  LineDetail detail;
  if (starts_with(rest, "for a ") || starts_with(rest, "event")) return {0, {}, true};
  std::optional<int> code;
  if (const auto status = after(rest, "status=")) {
    std::string_view value = *status;
    code = take_number<int>(value);
    if (!code) {
      take(value, "(");
      take(value, "IBV_WC_");
      code = completion_of(value);
    }
  }
  if (!code) code = number_after<int>(rest, "with error ");
  if (!code || *code == 0) return {0, {}, true};  // told on the next line, or no error
  detail.code = *code;
  if (const auto hca = after(rest, " hca ")) detail.text = until(*hca, " ,;");
  return detail;
}

std::string event_word(std::string_view rest) {
  if (starts_with(rest, " on CQ")) return "CQ error";
  if (starts_with(rest, " on QP")) return "QP fatal";
  if (starts_with(rest, " on SRQ")) return "SRQ error";
  take(rest, ": ");
  return std::string(trim(until(rest, "(<\"\\")));
}

LineDetail error_detail(std::string_view rest) {
  LineDetail detail;
  take(rest, " with ");
  take(rest, "error ");
  if (const auto code = take_number<int>(rest)) detail.code = *code;
  take(rest, " : ");
  detail.text = trim(until(rest, ",;\"<"));
  if (const int named = errno_of(detail.text); named != 0) detail.code = named;
  if (detail.code == 0)
    if (const auto number = number_after<int>(rest, "errno ")) detail.code = *number;
  // The address in a message is another one each time.
  if (const auto cut = detail.text.find(" errno"); cut != std::string::npos) detail.text.resize(cut);
  return detail;
}

LineDetail peer_detail(std::string_view line, std::string_view rest) {
  LineDetail detail;
  detail.code = errno_of(line);
  if (detail.code == 0 && contains(line, "Connection closed")) detail.code = ECONNRESET;
  detail.text = trim(until(rest, "<, "));
  const bool is_address = !detail.text.empty() && detail.text.front() >= '0' && detail.text.front() <= '9';
  if (errno_of(rest.substr(0, 40)) != 0 && !contains(rest.substr(0, 40), "<") && !is_address)
    detail.text.clear();
  // Trying again is no failure unless nobody ever answers, and what says no reason is some other program's.
  const bool is_retried = contains(line, "retrying");
  detail.is_other = (is_retried && detail.code != ETIMEDOUT) || detail.code == 0;
  if (is_retried) detail.text.clear();
  return detail;
}

LineDetail cuda_detail(std::string_view rest) {
  LineDetail detail;
  take(rest, "code ");
  if (const auto code = take_number<int>(rest)) detail.code = *code;
  if (const auto quoted = after(rest, "'")) detail.text = until(*quoted, "'");
  return detail;
}

LineDetail versions_detail(std::string_view rest) {
  std::string first, second;
  for (std::string_view part = rest;;) {
    auto number = after(part, "version ");
    if (!number) break;
    const auto value = take_number<int>(*number);
    if (value) (first.empty() ? first : second) = std::to_string(*value);
    part = *number;
  }
  return {0, first.empty() || second.empty() ? "" : first + " and " + second, false};
}

LineDetail distance_detail(std::string_view rest) {
  LineDetail detail;
  if (const auto text = after(rest, "(")) detail.text = until(*text, "),");
  detail.code = number_after<int>(rest, "distance ").value_or(0);
  return detail;
}

LineDetail provider_detail(std::string_view rest) {
  LineDetail detail;
  detail.text = until(rest, " ,;(");
  detail.code = number_after<int>(rest, "found ").value_or(0);
  return detail;
}

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

/// In code that looks for it, in a question, beside a count of none.
bool is_spoken_of(std::string_view before, std::string_view rest) {
  const bool is_quoted = before.ends_with('"') || before.ends_with('\'') || before.ends_with('`');
  return (is_quoted && !contains(before, "rror")) || contains(before, "if ") || contains(before, "grep") ||
         contains(before, "?") || starts_with(rest, "?") || contains(before, " no ") ||
         starts_with(before, "no ") || contains(before, "#") || contains(rest, "attempting to recover") ||
         contains(rest, "retry");
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
  if (is_spoken_of(before, rest)) return {0, {}, true};
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

/// "69 on Device=GPU-7540a9b3-…, the device will go unhealthy."
LineDetail k8s_xid_detail(std::string_view rest) {
  const auto code = take_number<int>(rest);
  const auto device = after(rest, "Device=");
  return {code.value_or(0), device ? std::string(until(*device, ",; ")) : std::string(), !code};
}

/// "8, worker_count=16, timeout=…": who waits for too few is not wrongly started.
LineDetail worker_count_detail(std::string_view rest) {
  const auto ranks = take_number<int>(rest);
  const auto came = number_after<int>(rest, "worker_count");
  return {0, {}, !ranks || !came || *came <= *ranks};
}

/// What does not tell of a failure: somebody ended the job, or a folder is not there.
bool is_no_failure(std::string_view line) {
  for (const char* words :
       {"CANCELLED AT", "couldn't chdir", "Plugin file not found", "Force Terminated", "TIOCGWINSZ",
        "pseudo-terminal", "unable to add task", "Exceeded step memory limit at some point", "[WARN]",
        "Exited with exit code", "Requested nodes are busy", "creation temporarily disabled",
        "creation still disabled"})
    if (contains(line, words)) return true;
  return false;
}

/// "Fatal Python error: Aborted". A thread that holds a stream while Python ends is no crash.
LineDetail python_detail(std::string_view before, std::string_view rest) {
  constexpr int aborted = 6;
  return {starts_with(rest, "Aborted") ? aborted : 0,
          {},
          contains(rest, "interpreter shutdown") || is_spoken_of(before, rest)};
}

/// What a healthy machine's log does not hold; other programs of it crash now and then.
LineDetail kernel_fault_detail(std::string_view line, std::string_view phrase) {
  const bool is_others = contains(phrase, "segfault") && !contains(line, "python") && !contains(line, "pt_");
  return {0, {}, !is_kernel_line(line) || is_others || contains(line, "soft lockup")};
}

LineDetail ending_detail(Detail detail, std::string_view rest) {
  constexpr int terminated = 15, interrupted = 2, by_signal = 128;
  const auto number = take_number<int>(rest);
  if (!number) return {0, {}, true};
  if (!rest.empty() && !starts_with(rest, " (") && !starts_with(rest, ".")) return {0, {}, true};
  const int signal = detail == Detail::signal ? *number : *number - by_signal;
  return {*number, {}, signal == terminated || signal == interrupted};
}

/// "ncclSystemError: System call failed", "RuntimeError: … ncclSystemError", "Test NCCL failure …".
bool is_got(std::string_view before, std::string_view rest) {
  return starts_with(rest, ":") || contains(before, "rror") || contains(before, "ail") ||
         contains(before, "NCCL WARN");
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

GidPair gids_of(std::string_view line) {
  GidPair pair;
  const auto gid_after = [&](std::string_view mark) {
    const auto rest = after(line, mark);
    return rest ? until(trim(*rest), ", ;") : std::string_view();
  };
  std::string_view local = gid_after("localGid "), remote = gid_after("remoteGids");
  if (local.empty()) {
    local = gid_after("local GID ::");
    remote = gid_after("remote GID ::");
    pair.link_local = contains(line, "local GID fe80");
  }
  pair.link_local |= starts_with(local, "fe80");
  const auto network = [](std::string_view gid) {
    const std::size_t colon = gid.rfind(':'), dot = gid.rfind('.');
    return dot == std::string_view::npos ? std::string_view() : gid.substr(colon + 1, dot - colon - 1);
  };
  const std::string_view a = network(local), b = network(remote);
  const auto is_address = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
  };
  pair.apart = is_address(a) && is_address(b) && a != b;
  return pair;
}

int errno_of(std::string_view text) {
  for (const auto& [words, code] : kErrors)
    if (contains(text, words)) return code;
  return 0;
}

LineDetail line_detail(const Phrase& phrase, std::string_view line, std::size_t end) {
  const std::string_view rest = line.substr(end);
  switch (phrase.detail) {
    case Detail::completion:
      return completion_detail(rest);
    case Detail::wc_name: {
      const int code = completion_of(rest);
      // With "Got completion " before it, that one has counted the line.
      return {code, {}, code == 0 || contains(line, "Got completion ")};
    }
    case Detail::event_word:
      return {0, event_word(rest), false};
    case Detail::error_text:
      return error_detail(rest);
    case Detail::verbs_call: {
      LineDetail detail = error_detail(rest);
      detail.text = until(phrase.text, " (");
      return detail;
    }
    case Detail::device:
      return {0, std::string(until(rest, " ,;:")), false};
    case Detail::perftest_status: {
      std::string_view number = rest;
      const int status = take_number<int>(number).value_or(0);
      return {status, {}, status == 0 || !contains(line, "wr_id")};
    }
    case Detail::killed_process: {
      const auto name = after(rest, "(");
      return {0, name ? std::string(until(*name, ")")) : std::string(), false};
    }
    case Detail::oom_invoker: {
      const std::string_view before = line.substr(0, end - phrase.text.size());
      return {kOomInvoker, std::string(before.substr(before.find_last_of(" ]") + 1)), false};
    }
    case Detail::python_fatal:
      return python_detail(line.substr(0, end - phrase.text.size()), rest);
    case Detail::kernel_fault:
      return kernel_fault_detail(line, phrase.text);
    case Detail::gsp_gpu:
      return gsp_detail(line.substr(0, end - phrase.text.size()));
    case Detail::k8s_xid:
      return k8s_xid_detail(rest);
    case Detail::worker_count:
      return worker_count_detail(rest);
    case Detail::last_word:
      return {0, std::string(line.substr(line.find_last_of("/ ") + 1)), false};
    case Detail::on_node: {
      const auto node = after(rest, " on node ");
      return {0, node ? std::string(until(*node, " .")) : std::string(), !node};
    }
    case Detail::foreign_error:
      return {0, {}, is_no_failure(line) || is_spoken_of(line.substr(0, end - phrase.text.size()), rest)};
    case Detail::memory_module:
      return memory_module_detail(rest);
    case Detail::panic: {
      // The kernel says it again behind its registers: "---[ end Kernel panic - not syncing: WHY ]---".
      const std::string_view why = rest.substr(0, rest.find(" ]---"));
      const bool is_asked_for = contains(why, "sysrq triggered crash");
      return {0, std::string(trim(why)),
              is_asked_for || is_spoken_of(line.substr(0, end - phrase.text.size()), rest)};
    }
    case Detail::stuck_process:
      return stuck_process_detail(line.substr(0, end - phrase.text.size()), rest);
    case Detail::blocked_task:
      return blocked_task_detail(line.substr(0, end - phrase.text.size()), rest);
    case Detail::slurm:
      return {0, {}, !contains(line, "srun") && !contains(line, "slurm")};
    case Detail::error_line:
      return {0, {}, is_spoken_of(line.substr(0, end - phrase.text.size()), rest)};
    case Detail::nvrm:
      return {0, {}, !contains(line, "NVRM") && !contains(line, "nvidia")};
    case Detail::signal:
    case Detail::exit_code:
      return ending_detail(phrase.detail, rest);
    case Detail::timeout:
      return {0, {}, contains(rest, "CUDA error") || contains(line, "TIMEOUT_SEC")};
    case Detail::ucx_device:
      return {phrase.code, std::string(until(rest, " :/")), false};
    case Detail::quoted: {
      const auto quoted = after(rest, "'");
      return {0, quoted ? std::string(until(*quoted, "'")) : std::string(), contains(line, "NET/Socket")};
    }
    case Detail::peer:
      return peer_detail(line, rest);
    case Detail::cuda:
      return cuda_detail(rest);
    case Detail::versions:
      return versions_detail(rest);
    case Detail::distance:
      return distance_detail(rest);
    case Detail::provider:
      return provider_detail(rest);
    case Detail::number:
      return number_detail(rest);
    case Detail::shm:
      return {0, {}, contains(line, "attaching")};
    case Detail::result:
      return {0, {}, !is_got(line.substr(0, end - phrase.text.size()), rest)};
    case Detail::gpus: {
      std::string_view numbers = trim(rest);
      const int first = take_number<int>(numbers).value_or(0);
      return {std::max(first, number_after<int>(numbers, " and ").value_or(0)), {}, false};
    }
    case Detail::mtu: {
      const auto mtu = number_after<int>(rest, "mtu ");
      return {mtu.value_or(0), {}, !mtu || !contains(line, "NET/IB")};
    }
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
    case Detail::whole:
      return {phrase.code, std::string(phrase.text), false};
    case Detail::none:
    case Detail::version:
    case Detail::variable:
      break;
  }
  return {phrase.code, {}, false};
}

}  // namespace fabricheck::diagnose
