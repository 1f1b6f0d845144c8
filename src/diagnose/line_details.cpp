#include "diagnose/line_details.hpp"

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

}  // namespace

LineDetail cuda_detail(std::string_view rest) {
  LineDetail detail;
  take(rest, "code ");
  if (const auto code = take_number<int>(rest)) detail.code = *code;
  if (const auto quoted = after(rest, "'")) detail.text = until(*quoted, "'");
  return detail;
}

namespace {

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
        "CUDA_ERROR_NOT_SUPPORTED", "creation still disabled", "fallback to ",
        ".extern. Some of the step tasks"})
    if (contains(line, words)) return true;
  return false;
}

/// "Fatal Python error: Aborted". A thread that holds a stream while Python ends is no crash.
LineDetail python_detail(std::string_view before, std::string_view rest) {
  return {starts_with(rest, "Aborted") ? kAborted : 0,
          {},
          contains(rest, "interpreter shutdown") || is_spoken_of(before, rest)};
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

bool is_spoken_of(std::string_view before, std::string_view rest) {
  const bool is_quoted = before.ends_with('"') || before.ends_with('\'') || before.ends_with('`');
  const bool is_comment = starts_with(trim(before), "# ") || trim(before) == "#";
  const bool is_asked = contains(before, "?") || starts_with(rest, "?");
  const bool is_error = contains(before, "rror");
  return ((is_quoted || is_asked) && !is_error) || contains(before, "if ") || contains(before, "grep") ||
         contains(before, " no ") || starts_with(before, "no ") || is_comment ||
         contains(rest, "attempting to recover") || contains(rest, "retry");
}

int errno_of(std::string_view text) {
  for (const auto& [words, code] : kErrors)
    if (contains(text, words)) return code;
  return 0;
}

LineDetail line_detail(const Phrase& phrase, std::string_view line, std::size_t end) {
  if (auto detail = kernel_line_detail(phrase, line, end)) return *std::move(detail);
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
    case Detail::python_fatal:
      return python_detail(line.substr(0, end - phrase.text.size()), rest);
    case Detail::k8s_xid:
      return k8s_xid_detail(rest);
    case Detail::worker_count:
      return worker_count_detail(rest);
    case Detail::last_word:
      return {0, std::string(line.substr(line.find_last_of("/ ") + 1)), false};
    case Detail::node_word:
      return {0, std::string(until(rest, " ,;:")), false};
    case Detail::drained_node: {
      const std::string_view node = until(rest, " :");
      const bool is_drain = !node.empty() && starts_with(rest.substr(node.size()), ": fabricheck");
      return {0, std::string(node), !is_drain || line.substr(0, end).ends_with("NOT draining ")};
    }
    case Detail::on_node: {
      const auto node = after(rest, " on node ");
      return {0, node ? std::string(until(*node, " .")) : std::string(), !node};
    }
    case Detail::foreign_error:
      return {0, {}, is_no_failure(line) || is_spoken_of(line.substr(0, end - phrase.text.size()), rest)};
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
    case Detail::cuda_words:
      return {0, std::string(phrase.text.substr(phrase.text.find(": ") + 2)),
              is_spoken_of(line.substr(0, end - phrase.text.size()), rest)};
    case Detail::whole_line:
      return {phrase.code, {}, !trim(rest).empty() || trim(line).size() != phrase.text.size()};
    case Detail::switch_error: {
      std::string_view number = rest;
      const auto code = take_number<int>(number);
      const auto address = after(rest, "pci bus id ");
      return {code.value_or(0), address ? std::string(until(*address, " ")) : std::string(), !code};
    }
    case Detail::gpu_verdict: {
      std::string_view gpu = trim(line.substr(0, end - phrase.text.size()));
      const bool is_gpu = take(gpu, "GPU ") && take_number<int>(gpu) && gpu.empty();
      return {0, {}, !is_gpu || !trim(rest).empty()};
    }
    case Detail::versions:
      return versions_detail(rest);
    case Detail::distance:
      return distance_detail(rest);
    case Detail::provider:
      return provider_detail(rest);
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
    case Detail::whole:
      return {phrase.code, std::string(phrase.text), false};
    case Detail::killed_process:
    case Detail::oom_step:
    case Detail::oom_invoker:
    case Detail::kernel_fault:
    case Detail::gsp_gpu:
    case Detail::memory_module:
    case Detail::panic:
    case Detail::stuck_process:
    case Detail::blocked_task:
    case Detail::number:
    case Detail::kernel:
    case Detail::netdev:
    case Detail::aer:
    case Detail::health:
    case Detail::command:
    case Detail::pci_device:
    case Detail::none:
    case Detail::version:
    case Detail::variable:
      break;
  }
  return {phrase.code, {}, false};
}

}  // namespace fabricheck::diagnose
