#include "fabric/verbs/measure/failures.hpp"

#include <cerrno>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::verbs {
namespace {

struct StatusRow {
  CompletionStatus status;
  const char* name;
  const char* cause;
};

// Names as in ibv_poll_cq(3). Causes: InfiniBand Architecture Specification 1.4, 10.10.3 (errors by queue
// pair), and what rdma-core's and NCCL's issue trackers found behind them.
constexpr StatusRow table[] = {
    {CompletionStatus::success, "IBV_WC_SUCCESS", ""},
    {CompletionStatus::local_length, "IBV_WC_LOC_LEN_ERR",
     "a message longer than the receive that was posted for it, or than the path MTU of a datagram"},
    {CompletionStatus::local_queue_pair, "IBV_WC_LOC_QP_OP_ERR",
     "the queue pair is not set up for this, as with an address handle of another domain: a driver or "
     "firmware fault "
     "here"},
    {CompletionStatus::local_protection, "IBV_WC_LOC_PROT_ERR",
     "this host's NIC could not reach the registered memory: ACS or the IOMMU on the PCIe path of GPU "
     "memory, "
     "nvidia_peermem missing, or memory that was freed"},
    {CompletionStatus::flushed, "IBV_WC_WR_FLUSH_ERR",
     "an echo: the queue pair was already in error, look at the first error"},
    {CompletionStatus::memory_window, "IBV_WC_MW_BIND_ERR", "a memory window without the rights it asks for"},
    {CompletionStatus::bad_response, "IBV_WC_BAD_RESP_ERR",
     "the peer's answer made no sense: packets changed on the way, or firmware that differs"},
    {CompletionStatus::local_access, "IBV_WC_LOC_ACCESS_ERR",
     "a write from the peer hit memory that it has no right to"},
    {CompletionStatus::remote_invalid_request, "IBV_WC_REM_INV_REQ_ERR",
     "the peer's NIC refused the request: too long for its receive, an operation that its queue pair does "
     "not allow, or "
     "more reads outstanding than it takes"},
    {CompletionStatus::remote_access, "IBV_WC_REM_ACCESS_ERR",
     "the peer's NIC could not reach its own memory: a wrong key, or ACS or the IOMMU on the peer's PCIe "
     "path"},
    {CompletionStatus::remote_operation, "IBV_WC_REM_OP_ERR",
     "the peer's NIC failed inside: look at the peer's kernel log"},
    {CompletionStatus::retry_exceeded, "IBV_WC_RETRY_EXC_ERR",
     "the peer did not answer 7 times: a path that does not carry packets (link down, wrong VLAN or route, "
     "MTU larger "
     "than the switches', packets dropped in the lossless class), a GID that the peer cannot be reached at, "
     "or a peer "
     "that died"},
    {CompletionStatus::rnr_retry_exceeded, "IBV_WC_RNR_RETRY_EXC_ERR",
     "the peer posted no receives: its process is stuck or far slower"},
    {CompletionStatus::remote_aborted, "IBV_WC_REM_ABORT_ERR", "the peer gave the operation up"},
    {CompletionStatus::fatal, "IBV_WC_FATAL_ERR",
     "the NIC failed: look at the kernel log, reset it or replace it"},
    {CompletionStatus::response_timeout, "IBV_WC_RESP_TIMEOUT_ERR", "the peer's answer did not come in time"},
    {CompletionStatus::other, "IBV_WC_GENERAL_ERR", "the NIC names no reason: look at the kernel log"},
};

const StatusRow& row_of(CompletionStatus status) {
  for (const StatusRow& row : table)
    if (row.status == status) return row;
  return table[std::size(table) - 1];
}

}  // namespace

const char* transport_name(Transport transport) {
  switch (transport) {
    case Transport::uc:
      return "UC";
    case Transport::ud:
      return "UD";
    case Transport::rc:
      break;
  }
  return "RC";
}

const char* status_name(CompletionStatus status) { return row_of(status).name; }
const char* usual_cause(CompletionStatus status) { return row_of(status).cause; }

std::string completion_error(const Completion& completion, const Origin& origin) {
  return fmt::format("{} on {} to {} failed with {} (vendor error {:#x}, queue pair {}), usually {}",
                     origin.operation, origin.device, origin.peer, status_name(completion.status),
                     completion.vendor_error, completion.queue_pair, usual_cause(completion.status));
}

std::string registration_error(const std::string& device, std::uint64_t bytes, int code,
                               const std::string& text, std::uint64_t locked_limit_bytes) {
  std::string words =
      fmt::format("{}: {} of memory could not be registered: {}", device, format_bytes(bytes), text);
  // The kernel counts what is locked already, so a request below the limit is refused, too.
  constexpr std::uint64_t plenty = std::uint64_t{1} << 40;
  const bool over = code == ENOMEM || code == EAGAIN || code == EPERM;
  if (over && locked_limit_bytes < plenty)
    words += fmt::format(
        "; this process may lock {} (ulimit -l {}): write `* soft memlock unlimited` and `* hard memlock "
        "unlimited` into /etc/security/limits.conf, in systemd units LimitMEMLOCK=infinity, in Slurm "
        "PropagateResourceLimitsExcept=MEMLOCK",
        format_bytes(locked_limit_bytes), locked_limit_bytes / 1024);
  return words;
}

void throw_no_queue_pair(const std::string& device, Transport transport, int work_requests, int code,
                         const std::string& text) {
  const bool not_there = code == EOPNOTSUPP || code == ENOSYS;  // ENOTSUP is EOPNOTSUPP on Linux
  // Drivers disagree on what they answer for a transport that they do not have; every one of them has RC but
  // for those that say so.
  const bool for_another_reason = code == ENOMEM || code == EACCES || code == EPERM;
  if (not_there || (transport != Transport::rc && !for_another_reason))
    throw Unavailable(fmt::format("{} cannot do {}: {}", device, transport_name(transport), text));
  throw Error(fmt::format("{}: ibv_create_qp ({}, {} work requests): {}", device, transport_name(transport),
                          work_requests, text));
}

AsyncEvent describe_event(const std::string& device, const std::string& name, bool fatal,
                          AsyncEvent::About about, int port) {
  const bool about_port = about == AsyncEvent::About::port;
  return {fmt::format("{}{} reported \"{}\"{}", device, about_port ? fmt::format(" port {}", port) : "", name,
                      fatal && about_port
                          ? ": the link went down; look at the cable, the transceiver and the switch port"
                          : ""),
          fatal, about, about_port ? port : 0};
}

}  // namespace fabricheck::verbs
