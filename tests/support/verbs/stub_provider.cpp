#include "support/verbs/stub_provider.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "core/communicator.hpp"
#include "core/error.hpp"
#include "fabric/verbs/measure/failures.hpp"

namespace fabricheck::test {
namespace {

using namespace verbs;

class StubQueues;

/// A ring without locks for one thread, with a lock for those that others write to.
class StubCompletions final : public CompletionQueue {
 public:
  explicit StubCompletions(int entries) : ring_(static_cast<std::size_t>(std::max(1, entries)) + 1) {}

  std::size_t poll(std::span<Completion> into) override {
    std::size_t count = 0;
    std::size_t head = head_.load(std::memory_order_relaxed);
    const std::size_t tail = tail_.load(std::memory_order_acquire);
    while (count < into.size() && head != tail) {
      into[count++] = ring_[head];
      head = head + 1 == ring_.size() ? 0 : head + 1;
    }
    head_.store(head, std::memory_order_release);
    return count;
  }

  void push(const Completion& completion) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t next = tail + 1 == ring_.size() ? 0 : tail + 1;
    if (next == head_.load(std::memory_order_acquire)) throw Error("stub: a completion queue overflowed");
    ring_[tail] = completion;
    tail_.store(next, std::memory_order_release);
  }

 private:
  std::vector<Completion> ring_;
  std::atomic<std::size_t> head_{}, tail_{};
};

class StubRegion final : public MemoryRegion {
 public:
  StubRegion(bool relaxed_ordering, bool is_dmabuf)
      : relaxed_ordering_(relaxed_ordering), is_dmabuf_(is_dmabuf) {}
  std::uint32_t local_key() const override { return 1; }
  std::uint32_t remote_key() const override { return 2; }
  bool relaxed_ordering() const override { return relaxed_ordering_; }
  bool is_dmabuf() const override { return is_dmabuf_; }

 private:
  bool relaxed_ordering_, is_dmabuf_;
};

std::mutex& registry_mutex() {
  static std::mutex mutex;
  return mutex;
}
std::map<std::uint32_t, StubQueues*>& registry() {
  static std::map<std::uint32_t, StubQueues*> pairs;
  return pairs;
}

class StubQueues final : public QueuePair {
 public:
  StubQueues(StubCompletions& sends, StubCompletions& receives, const QueuePairRequest& request,
             const StubDevice& device, std::atomic<std::uint64_t>& requests)
      : sends_(sends),
        receives_(receives),
        transport_(request.transport),
        inline_(std::min(request.inline_bytes, device.inline_bytes)),
        faults_(device.faults),
        paths_(device.paths),
        memory_view_(device.memory_view),
        requests_(requests) {
    const std::lock_guard lock(registry_mutex());
    static std::uint32_t next = 17;
    number_ = next++;
    registry()[number_] = this;
  }
  ~StubQueues() override {
    const std::lock_guard lock(registry_mutex());
    registry().erase(number_);
  }
  StubQueues(const StubQueues&) = delete;
  StubQueues& operator=(const StubQueues&) = delete;

  std::uint32_t number() const override { return number_; }
  int inline_bytes() const override { return inline_; }
  void connect(const PathRequest& path, const RemoteAddress& remote, std::uint32_t) override {
    if (paths_ != nullptr) paths_->push_back(path);
    const std::lock_guard lock(registry_mutex());
    remote_ = registry().at(remote.queue_pair);
  }

  void post(const WorkRequest& asked) override {
    WorkRequest request = asked;
    request.local = view(asked.local);
    if (request.is_inline && request.local != asked.local)
      throw Error("stub: inline from memory that the CPU cannot read");
    if (request.remote != 0)
      request.remote = reinterpret_cast<std::uint64_t>(view(reinterpret_cast<std::byte*>(asked.remote)));
    if (broken_) {
      sends_.push({request.id, CompletionStatus::flushed, 0, number_, 0});
      return;
    }
    std::byte spoilt{};
    if (faults_ != nullptr) {
      const std::uint64_t number = requests_.fetch_add(1);
      if (number == faults_->fail_at) {
        broken_ = true;
        sends_.push({request.id, faults_->status, 0x81, number_, 0});
        return;
      }
      if (number == faults_->lose_at) {
        if (request.signaled) sends_.push({request.id, CompletionStatus::success, 0, number_, 0});
        return;
      }
      if (request.opcode == Opcode::write && number < faults_->late_writes) {
        late_[request.remote] = Bytes(request.local, request.local + request.bytes);
        if (number + 1 == faults_->late_writes)
          arrival_ = std::async(std::launch::async, [late = std::move(late_)] {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            for (const auto& [to, bytes] : late)
              std::memcpy(reinterpret_cast<std::byte*>(to), bytes.data(), bytes.size());
          });
        if (request.signaled) sends_.push({request.id, CompletionStatus::success, 0, number_, request.bytes});
        return;
      }
      if (number == faults_->flip_at) {
        spoilt = *request.local;
        *request.local ^= std::byte{0x10};
      }
    }
    carry_out(request);
    if (spoilt != std::byte{}) *request.local = spoilt;
    if (request.signaled) sends_.push({request.id, CompletionStatus::success, 0, number_, request.bytes});
  }

  void post_receive(const ReceiveRequest& request) override {
    if (faults_ != nullptr && faults_->refuses_receives) throw Error("stub0: ibv_post_recv: as told");
    const std::lock_guard lock(receive_mutex_);
    posted_.push_back(request);
    while (!waiting_.empty() && !posted_.empty()) {
      deliver(waiting_.front());
      waiting_.pop_front();
    }
  }

 private:
  void carry_out(const WorkRequest& request) {
    auto* remote = reinterpret_cast<std::byte*>(request.remote);
    switch (request.opcode) {
      case Opcode::send:
        arrive(Bytes(request.local, request.local + request.bytes));
        return;
      case Opcode::write:
      case Opcode::write_with_immediate:
        // The last byte last, as the field relies on.
        std::memcpy(remote, request.local, request.bytes - 1);
        std::atomic_thread_fence(std::memory_order_release);
        reinterpret_cast<volatile std::byte*>(remote)[request.bytes - 1] = request.local[request.bytes - 1];
        if (request.opcode == Opcode::write_with_immediate) arrive({});
        return;
      case Opcode::read:
        std::memcpy(request.local, remote, request.bytes);
        return;
      case Opcode::fetch_add:
      case Opcode::compare_swap:
        std::uint64_t before = 0;
        std::memcpy(&before, remote, sizeof before);
        std::memcpy(request.local, &before, sizeof before);
        const std::uint64_t after = request.opcode == Opcode::fetch_add ? before + request.operand
                                    : before == request.operand         ? request.swap
                                                                        : before;
        std::memcpy(remote, &after, sizeof after);
        return;
    }
  }

  std::byte* view(std::byte* address) const { return memory_view_ ? memory_view_(address) : address; }

  /// Takes the peer's next receive.
  void arrive(Bytes message) {
    const std::lock_guard lock(remote_->receive_mutex_);
    if (remote_->posted_.empty()) {
      remote_->waiting_.push_back(std::move(message));
    } else {
      remote_->deliver(message);
    }
  }

  void deliver(const Bytes& message) {
    const ReceiveRequest to = posted_.front();
    posted_.pop_front();
    const std::size_t before = transport_ == Transport::ud ? 40 : 0;
    std::copy(message.begin(), message.end(), view(to.local) + before);
    receives_.push(
        {to.id, CompletionStatus::success, 0, number_, static_cast<std::uint32_t>(message.size() + before)});
  }

  StubCompletions& sends_;
  StubCompletions& receives_;
  Transport transport_;
  int inline_;
  StubFaults* faults_;
  std::vector<PathRequest>* paths_;
  std::function<std::byte*(std::byte*)> memory_view_;
  std::atomic<std::uint64_t>& requests_;
  std::uint32_t number_{};
  StubQueues* remote_{};
  bool broken_{};
  std::map<std::uint64_t, Bytes> late_;  ///< by their place
  std::future<void> arrival_;
  std::mutex receive_mutex_;
  std::deque<ReceiveRequest> posted_;
  std::deque<Bytes> waiting_;
};

class Stub final : public Device {
 public:
  explicit Stub(StubDevice description) : description_(std::move(description)) {}
  const std::string& name() const override { return description_.name; }
  const DeviceLimits& limits() const override { return description_.limits; }
  PortAttributes port(int) override { return description_.port; }
  RawGid gid(int, int index) override {
    return description_.gid.value_or(RawGid{static_cast<std::uint8_t>(index)});
  }
  std::unique_ptr<MemoryRegion> register_memory(const device::Buffer& buffer,
                                                bool relaxed_ordering) override {
    if (description_.faults != nullptr && description_.faults->registration_error &&
        (!description_.faults->refuses_gpu_memory || buffer.kind() == device::MemoryKind::gpu))
      throw Error(*description_.faults->registration_error);
    return std::make_unique<StubRegion>(relaxed_ordering && description_.relaxed_ordering,
                                        buffer.dmabuf().has_value() && description_.takes_dmabuf);
  }
  std::unique_ptr<CompletionQueue> make_completion_queue(int entries) override {
    return std::make_unique<StubCompletions>(entries);
  }
  std::unique_ptr<QueuePair> make_queue_pair(CompletionQueue& sends, CompletionQueue& receives,
                                             const QueuePairRequest& request, int) override {
    if (description_.queue_requests != nullptr) description_.queue_requests->push_back(request);
    if (description_.without == request.transport)
      throw_no_queue_pair(description_.name, request.transport, request.send_depth,
                          description_.without_error, "as the driver answers");
    return std::make_unique<StubQueues>(static_cast<StubCompletions&>(sends),
                                        static_cast<StubCompletions&>(receives), request, description_,
                                        requests_);
  }
  std::optional<AsyncEvent> next_event() override {
    StubFaults* const faults = description_.faults;
    if (faults == nullptr) return std::nullopt;
    if (told_ < faults->old_events.size()) return faults->old_events[told_++];
    if (told_all_ || requests_.load() < faults->event_at) return std::nullopt;
    told_all_ = true;
    return faults->event;
  }

 private:
  StubDevice description_;
  std::atomic<std::uint64_t> requests_{};
  std::size_t told_{};
  bool told_all_{};
};

}  // namespace

std::shared_ptr<Device> make_stub_device(const StubDevice& description) {
  return std::make_shared<Stub>(description);
}

RdmaPort stub_port(int number) {
  RdmaPort port;
  port.number = 1;
  port.link_layer = "Ethernet";
  port.state = "ACTIVE";
  port.net_device = "eth0";
  port.gids = {{1, fmt::format("0000:0000:0000:0000:0000:ffff:0a00:{:04x}", number), "RoCE v2", "eth0"}};
  return port;
}

}  // namespace fabricheck::test
