#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "fabric/verbs/ibverbs/handles.hpp"
#include "fabric/verbs/inline_size.hpp"
#include "fabric/verbs/measure/failures.hpp"

namespace fabricheck::verbs {
namespace {

CompletionStatus status_of(ibv_wc_status status) {
  switch (status) {
    case IBV_WC_SUCCESS:
      return CompletionStatus::success;
    case IBV_WC_LOC_LEN_ERR:
      return CompletionStatus::local_length;
    case IBV_WC_LOC_QP_OP_ERR:
      return CompletionStatus::local_queue_pair;
    case IBV_WC_LOC_PROT_ERR:
      return CompletionStatus::local_protection;
    case IBV_WC_WR_FLUSH_ERR:
      return CompletionStatus::flushed;
    case IBV_WC_MW_BIND_ERR:
      return CompletionStatus::memory_window;
    case IBV_WC_BAD_RESP_ERR:
      return CompletionStatus::bad_response;
    case IBV_WC_LOC_ACCESS_ERR:
      return CompletionStatus::local_access;
    case IBV_WC_REM_INV_REQ_ERR:
      return CompletionStatus::remote_invalid_request;
    case IBV_WC_REM_ACCESS_ERR:
      return CompletionStatus::remote_access;
    case IBV_WC_REM_OP_ERR:
      return CompletionStatus::remote_operation;
    case IBV_WC_RETRY_EXC_ERR:
      return CompletionStatus::retry_exceeded;
    case IBV_WC_RNR_RETRY_EXC_ERR:
      return CompletionStatus::rnr_retry_exceeded;
    case IBV_WC_REM_ABORT_ERR:
      return CompletionStatus::remote_aborted;
    case IBV_WC_FATAL_ERR:
      return CompletionStatus::fatal;
    case IBV_WC_RESP_TIMEOUT_ERR:
      return CompletionStatus::response_timeout;
    default:
      return CompletionStatus::other;
  }
}

class Completions final : public CompletionQueue {
 public:
  explicit Completions(ibv_cq* queue) : queue_(queue) {}
  ibv_cq* get() const { return queue_.get(); }

  std::size_t poll(std::span<Completion> into) override {
    std::array<ibv_wc, 16> found;
    const int most = static_cast<int>(std::min(into.size(), found.size()));
    const int count = ibv_poll_cq(queue_.get(), most, found.data());
    if (count < 0) throw Error("ibv_poll_cq failed: the completion queue is in error");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const ibv_wc& one = found[i];
      into[i] = {one.wr_id, status_of(one.status), one.vendor_err, one.qp_num, one.byte_len};
    }
    return static_cast<std::size_t>(count);
  }

 private:
  Handle<ibv_cq, ibv_destroy_cq> queue_;
};

ibv_qp_type type_of(Transport transport) {
  switch (transport) {
    case Transport::uc:
      return IBV_QPT_UC;
    case Transport::ud:
      return IBV_QPT_UD;
    case Transport::rc:
      break;
  }
  return IBV_QPT_RC;
}

ibv_mtu mtu_of(int bytes) {
  int mtu = IBV_MTU_256;
  while (mtu < IBV_MTU_4096 && (128 << (mtu + 1)) <= bytes) ++mtu;
  return static_cast<ibv_mtu>(mtu);
}

constexpr std::uint32_t datagram_key = 0x0fabc0de;
constexpr std::uint8_t retries = 7;
constexpr std::uint8_t retry_for_ever = 7;  // of receiver-not-ready
constexpr std::uint8_t receiver_wait = 12;  // 0.64 ms until the next try
constexpr std::uint8_t hop_limit = 64;

class Queues final : public QueuePair {
 public:
  Queues(ibv_qp* pair, ibv_pd* domain, std::string device, Transport transport, int inline_bytes)
      : device_(std::move(device)),
        domain_(domain),
        transport_(transport),
        inline_bytes_(inline_bytes),
        pair_(pair) {}

  std::uint32_t number() const override { return pair_->qp_num; }
  int inline_bytes() const override { return inline_bytes_; }

  void initialise(int port, const QueuePairRequest& request) {
    ibv_qp_attr to{};
    to.pkey_index = static_cast<std::uint16_t>(request.pkey_index);
    to.qp_state = IBV_QPS_INIT;
    to.port_num = static_cast<std::uint8_t>(port);
    int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;
    if (transport_ == Transport::ud) {
      to.qkey = datagram_key;
      mask |= IBV_QP_QKEY;
    } else {
      to.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
      if (transport_ == Transport::rc) to.qp_access_flags |= IBV_ACCESS_REMOTE_READ;
      if (transport_ == Transport::rc && request.atomics) to.qp_access_flags |= IBV_ACCESS_REMOTE_ATOMIC;
      mask |= IBV_QP_ACCESS_FLAGS;
    }
    modify(to, mask,
           request.pkey_index == 0 ? "INIT"
                                   : fmt::format("INIT with the P_Key at index {}", request.pkey_index));
  }

  void connect(const PathRequest& path, const RemoteAddress& remote, std::uint32_t packet_number) override {
    ibv_ah_attr address{};
    address.port_num = static_cast<std::uint8_t>(path.port);
    address.sl = static_cast<std::uint8_t>(path.service_level);
    address.dlid = static_cast<std::uint16_t>(remote.lid);
    if (path.global) {
      address.is_global = 1;
      std::copy(remote.gid.begin(), remote.gid.end(), std::begin(address.grh.dgid.raw));
      address.grh.sgid_index = static_cast<std::uint8_t>(path.gid_index);
      address.grh.hop_limit = hop_limit;
      address.grh.traffic_class = static_cast<std::uint8_t>(path.traffic_class);
      address.grh.flow_label = path.flow_label;
    }
    ibv_qp_attr receive{};
    receive.qp_state = IBV_QPS_RTR;
    int mask = IBV_QP_STATE;
    if (transport_ == Transport::ud) {
      address_.reset(ibv_create_ah(domain_, &address));
      if (!address_) throw Error(fmt::format("{}: ibv_create_ah: {}", device_, system_reason(errno)));
      remote_number_ = remote.queue_pair;
    } else {
      receive.path_mtu = mtu_of(path.mtu_bytes);
      receive.dest_qp_num = remote.queue_pair;
      receive.rq_psn = remote.packet_number;
      receive.ah_attr = address;
      mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
    }
    if (transport_ == Transport::rc) {
      receive.max_dest_rd_atomic = static_cast<std::uint8_t>(path.outstanding_reads);
      receive.min_rnr_timer = receiver_wait;
      mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
    }
    modify(receive, mask, "RTR");
    ibv_qp_attr send{};
    send.qp_state = IBV_QPS_RTS;
    send.sq_psn = packet_number;
    mask = IBV_QP_STATE | IBV_QP_SQ_PSN;
    if (transport_ == Transport::rc) {
      send.timeout = static_cast<std::uint8_t>(path.ack_timeout);
      send.retry_cnt = retries;
      send.rnr_retry = retry_for_ever;
      send.max_rd_atomic = static_cast<std::uint8_t>(path.outstanding_reads);
      mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
    }
    modify(send, mask, "RTS");
  }

  void post(const WorkRequest& request) override {
    ibv_sge piece{reinterpret_cast<std::uint64_t>(request.local), request.bytes, request.local_key};
    ibv_send_wr work{};
    work.wr_id = request.id;
    work.sg_list = &piece;
    work.num_sge = 1;
    if (request.signaled) work.send_flags |= IBV_SEND_SIGNALED;
    if (request.is_inline) work.send_flags |= IBV_SEND_INLINE;
    switch (request.opcode) {
      case Opcode::send:
        work.opcode = IBV_WR_SEND;
        if (transport_ == Transport::ud) {
          work.wr.ud.ah = address_.get();
          work.wr.ud.remote_qpn = remote_number_;
          work.wr.ud.remote_qkey = datagram_key;
        }
        break;
      case Opcode::write:
      case Opcode::write_with_immediate:
      case Opcode::read:
        work.opcode = request.opcode == Opcode::read    ? IBV_WR_RDMA_READ
                      : request.opcode == Opcode::write ? IBV_WR_RDMA_WRITE
                                                        : IBV_WR_RDMA_WRITE_WITH_IMM;
        work.wr.rdma.remote_addr = request.remote;
        work.wr.rdma.rkey = request.remote_key;
        break;
      case Opcode::fetch_add:
      case Opcode::compare_swap:
        work.opcode =
            request.opcode == Opcode::fetch_add ? IBV_WR_ATOMIC_FETCH_AND_ADD : IBV_WR_ATOMIC_CMP_AND_SWP;
        work.wr.atomic.remote_addr = request.remote;
        work.wr.atomic.rkey = request.remote_key;
        work.wr.atomic.compare_add = request.operand;
        work.wr.atomic.swap = request.swap;
        break;
    }
    ibv_send_wr* refused = nullptr;
    if (const int status = ibv_post_send(pair_.get(), &work, &refused))
      throw Error(
          fmt::format("{} queue pair {}: ibv_post_send: {}", device_, number(), system_reason(status)));
  }

  void post_receive(const ReceiveRequest& request) override {
    ibv_sge piece{reinterpret_cast<std::uint64_t>(request.local), request.bytes, request.local_key};
    ibv_recv_wr work{};
    work.wr_id = request.id;
    work.sg_list = &piece;
    work.num_sge = 1;
    ibv_recv_wr* refused = nullptr;
    if (const int status = ibv_post_recv(pair_.get(), &work, &refused))
      throw Error(
          fmt::format("{} queue pair {}: ibv_post_recv: {}", device_, number(), system_reason(status)));
  }

 private:
  void modify(ibv_qp_attr& attributes, int mask, const std::string& state) {
    if (const int status = ibv_modify_qp(pair_.get(), &attributes, mask))
      throw Error(fmt::format(
          "{} queue pair {}: it cannot go to {}: {}{}", device_, number(), state, system_reason(status),
          status == ETIMEDOUT || status == EHOSTUNREACH || status == ENETUNREACH
              ? "; the peer's GID has no route or its address is not resolved: ping it over this net "
                "device"
              : ""));
  }

  std::string device_;
  ibv_pd* domain_;
  Transport transport_;
  int inline_bytes_;
  std::uint32_t remote_number_{};
  Handle<ibv_ah, ibv_destroy_ah> address_;
  Handle<ibv_qp, ibv_destroy_qp> pair_;
};

}  // namespace

std::unique_ptr<CompletionQueue> open_completion_queue(ibv_context* context, const std::string& device,
                                                       int entries) {
  ibv_cq* queue = ibv_create_cq(context, entries, nullptr, nullptr, 0);
  if (queue == nullptr)
    throw Error(fmt::format("{}: ibv_create_cq with {} entries: {}", device, entries, system_reason(errno)));
  return std::make_unique<Completions>(queue);
}

std::unique_ptr<QueuePair> open_queue_pair(ibv_pd* domain, const std::string& device, CompletionQueue& sends,
                                           CompletionQueue& receives, const QueuePairRequest& request,
                                           int port) {
  ibv_qp_init_attr attributes{};
  attributes.send_cq = static_cast<Completions&>(sends).get();
  attributes.recv_cq = static_cast<Completions&>(receives).get();
  attributes.qp_type = type_of(request.transport);
  attributes.cap.max_send_wr = static_cast<std::uint32_t>(request.send_depth);
  attributes.cap.max_recv_wr = static_cast<std::uint32_t>(request.receive_depth);
  attributes.cap.max_send_sge = attributes.cap.max_recv_sge = 1;
  ibv_qp* pair = with_most_inline(request.inline_bytes, [&](int inline_bytes) {
    attributes.cap.max_inline_data = static_cast<std::uint32_t>(inline_bytes);
    return ibv_create_qp(domain, &attributes);
  });
  if (pair == nullptr)
    throw_no_queue_pair(device, request.transport, request.send_depth, errno,
                        errno == 0 ? "the driver gives no reason" : system_reason(errno));
  auto queues = std::make_unique<Queues>(pair, domain, device, request.transport,
                                         static_cast<int>(attributes.cap.max_inline_data));
  queues->initialise(port, request);
  return queues;
}

}  // namespace fabricheck::verbs
