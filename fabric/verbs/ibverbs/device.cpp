#include <fcntl.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/units.hpp"
#include "fabric/verbs/ibverbs/handles.hpp"
#include "fabric/verbs/measure/failures.hpp"
#include "fabric/verbs/provider.hpp"
#include "fabric/verbs/registration.hpp"

namespace fabricheck::verbs {
namespace {

std::uint64_t locked_memory_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? limit.rlim_cur : 0;
}

int mtu_bytes(ibv_mtu mtu) { return mtu >= IBV_MTU_256 && mtu <= IBV_MTU_4096 ? 128 << mtu : 0; }

std::string state_name(ibv_port_state state) {
  switch (state) {
    case IBV_PORT_DOWN:
      return "DOWN";
    case IBV_PORT_INIT:
      return "INIT";
    case IBV_PORT_ARMED:
      return "ARMED";
    case IBV_PORT_ACTIVE:
      return "ACTIVE";
    case IBV_PORT_ACTIVE_DEFER:
      return "ACTIVE_DEFER";
    case IBV_PORT_NOP:
      break;
  }
  return "unknown";
}

// The kernel's drivers/infiniband/sw: RXE_VENDOR_ID, SIW_VENDOR_ID.
constexpr std::uint32_t rxe_vendor = 0xffffff, siw_vendor = 0x626d74;

class Registered final : public MemoryRegion {
 public:
  Registered(ibv_mr* region, Registration how) : region_(region), how_(how) {}
  std::uint32_t local_key() const override { return region_->lkey; }
  std::uint32_t remote_key() const override { return region_->rkey; }
  bool relaxed_ordering() const override { return how_.relaxed_ordering; }
  bool is_dmabuf() const override { return how_.as_dmabuf; }

 private:
  Handle<ibv_mr, ibv_dereg_mr> region_;
  Registration how_;
};

class OpenDevice final : public Device {
 public:
  OpenDevice(ibv_device* device, std::string name)
      : name_(std::move(name)), context_(ibv_open_device(device)) {
    if (!context_) throw_open_error(errno);
    // Asked for between two polls, never waited for.
    const int flags = ::fcntl(context_->async_fd, F_GETFL);
    if (flags < 0 || ::fcntl(context_->async_fd, F_SETFL, flags | O_NONBLOCK) != 0)
      throw Error(fmt::format("{}: its events cannot be watched: {}", name_, system_reason(errno)));
    ibv_device_attr attributes{};
    if (const int status = ibv_query_device(context_.get(), &attributes))
      throw Error(fmt::format("{}: ibv_query_device: {}", name_, system_reason(status)));
    limits_.vendor_id = attributes.vendor_id;
    limits_.software = attributes.vendor_id == rxe_vendor || attributes.vendor_id == siw_vendor;
    limits_.max_queue_pairs = attributes.max_qp;
    limits_.max_work_requests = attributes.max_qp_wr;
    limits_.max_completions = attributes.max_cqe;
    limits_.max_outstanding_reads = std::min(attributes.max_qp_rd_atom, attributes.max_qp_init_rd_atom);
    limits_.atomics = attributes.atomic_cap != IBV_ATOMIC_NONE;
    domain_.reset(ibv_alloc_pd(context_.get()));
    if (!domain_) throw Error(fmt::format("{}: ibv_alloc_pd: {}", name_, system_reason(errno)));
  }

  const std::string& name() const override { return name_; }
  const DeviceLimits& limits() const override { return limits_; }

  PortAttributes port(int number) override {
    ibv_port_attr attributes{};
    if (const int status = ibv_query_port(context_.get(), static_cast<std::uint8_t>(number), &attributes))
      throw Error(fmt::format("{} port {}: ibv_query_port: {}", name_, number, system_reason(status)));
    PortAttributes port;
    port.active = attributes.state == IBV_PORT_ACTIVE;
    port.state = state_name(attributes.state);
    port.ethernet = attributes.link_layer == IBV_LINK_LAYER_ETHERNET;
    port.active_mtu_bytes = mtu_bytes(attributes.active_mtu);
    port.lid = attributes.lid;
    port.max_message_bytes = attributes.max_msg_sz;
    port.global_required = (attributes.flags & IBV_QPF_GRH_REQUIRED) != 0;
    return port;
  }

  RawGid gid(int port, int index) override {
    ibv_gid gid{};
    if (ibv_query_gid(context_.get(), static_cast<std::uint8_t>(port), index, &gid) != 0)
      throw Error(
          fmt::format("{} port {}: GID {} cannot be read: {}", name_, port, index, system_reason(errno)));
    RawGid raw{};
    std::copy(std::begin(gid.raw), std::end(gid.raw), raw.begin());
    return raw;
  }

  std::unique_ptr<MemoryRegion> register_memory(const device::Buffer& buffer,
                                                bool relaxed_ordering) override {
    constexpr int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
    const int with_atomics = limits_.atomics ? access | IBV_ACCESS_REMOTE_ATOMIC : access;
    const std::span<std::byte> bytes = buffer.bytes();
    const auto& dmabuf = buffer.dmabuf();
    Registration how{dmabuf.has_value(), relaxed_ordering};
    ibv_mr* region = with_most_rights(how, [&](const Registration& wanted) {
      const int flags = wanted.relaxed_ordering ? with_atomics | IBV_ACCESS_RELAXED_ORDERING : with_atomics;
      return wanted.as_dmabuf
                 ? ibv_reg_dmabuf_mr(domain_.get(), dmabuf->offset, bytes.size(),
                                     reinterpret_cast<std::uint64_t>(bytes.data()), dmabuf->descriptor, flags)
                 : ibv_reg_mr(domain_.get(), bytes.data(), bytes.size(), flags);
    });
    if (region == nullptr)
      throw Error(
          registration_error(name_, bytes.size(), errno, system_reason(errno), locked_memory_limit()));
    return std::make_unique<Registered>(region, how);
  }

  std::unique_ptr<CompletionQueue> make_completion_queue(int entries) override {
    return open_completion_queue(context_.get(), name_, std::min(entries, limits_.max_completions));
  }

  std::unique_ptr<QueuePair> make_queue_pair(CompletionQueue& sends, CompletionQueue& receives,
                                             const QueuePairRequest& request, int port) override {
    return open_queue_pair(domain_.get(), name_, sends, receives, request, port);
  }

  std::optional<AsyncEvent> next_event() override {
    pollfd watched{context_->async_fd, POLLIN, 0};
    ibv_async_event event{};
    if (::poll(&watched, 1, 0) != 1 || ibv_get_async_event(context_.get(), &event) != 0) return std::nullopt;
    const AsyncEvent told =
        describe_event(name_, ibv_event_type_str(event.event_type), is_fatal(event.event_type),
                       about(event.event_type), event.element.port_num);
    ibv_ack_async_event(&event);
    return told;
  }

 private:
  [[noreturn]] void throw_open_error(int code) const {
    if (code == EACCES || code == EPERM)
      throw Error(
          fmt::format("{} may not be opened: no permission on /dev/infiniband/uverbs*; let this user's group "
                      "read and write it (rdma-core's udev rules give 0666), or give the device files to the "
                      "container",
                      name_));
    throw Error(fmt::format("{}: ibv_open_device: {}", name_, system_reason(code)));
  }

  static AsyncEvent::About about(ibv_event_type type) {
    switch (type) {
      case IBV_EVENT_PORT_ACTIVE:
      case IBV_EVENT_PORT_ERR:
      case IBV_EVENT_LID_CHANGE:
      case IBV_EVENT_PKEY_CHANGE:
      case IBV_EVENT_SM_CHANGE:
      case IBV_EVENT_CLIENT_REREGISTER:
      case IBV_EVENT_GID_CHANGE:
        return AsyncEvent::About::port;
      case IBV_EVENT_DEVICE_FATAL:
        return AsyncEvent::About::device;
      default:
        return AsyncEvent::About::queue;
    }
  }

  static bool is_fatal(ibv_event_type type) {
    switch (type) {
      case IBV_EVENT_CQ_ERR:
      case IBV_EVENT_QP_FATAL:
      case IBV_EVENT_QP_REQ_ERR:
      case IBV_EVENT_QP_ACCESS_ERR:
      case IBV_EVENT_PATH_MIG_ERR:
      case IBV_EVENT_DEVICE_FATAL:
      case IBV_EVENT_PORT_ERR:
      case IBV_EVENT_SRQ_ERR:
      case IBV_EVENT_WQ_FATAL:
        return true;
      default:
        return false;
    }
  }

  std::string name_;
  Handle<ibv_context, ibv_close_device> context_;
  DeviceLimits limits_;
  Handle<ibv_pd, ibv_dealloc_pd> domain_;
};

class SystemProvider final : public Provider {
 public:
  std::vector<std::string> device_names() override {
    const DeviceList list;
    std::vector<std::string> names;
    for (ibv_device* const* one = list.get(); one != nullptr && *one != nullptr; ++one)
      names.emplace_back(ibv_get_device_name(*one));
    return names;
  }

  std::shared_ptr<Device> open(const std::string& name) override {
    const DeviceList list;
    for (ibv_device* const* one = list.get(); one != nullptr && *one != nullptr; ++one)
      if (name == ibv_get_device_name(*one)) return std::make_shared<OpenDevice>(*one, name);
    throw Error(fmt::format(
        "libibverbs does not list {}: install its provider (rdma-core), or give /dev/infiniband to "
        "the container",
        name));
  }
};

}  // namespace

std::unique_ptr<Provider> system_provider() { return std::make_unique<SystemProvider>(); }
const char* unavailable_reason() { return ""; }

}  // namespace fabricheck::verbs
