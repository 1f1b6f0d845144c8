#include "collectives/nccl/watched_call.hpp"

#include <sched.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "core/error.hpp"

namespace fabricheck::collectives::nccl {
namespace {

constexpr std::int64_t nap_ns = 100'000;

std::atomic<int>& count() {
  static std::atomic<int> calls{0};
  return calls;
}

}  // namespace

std::shared_ptr<WatchedCall> WatchedCall::begin(std::shared_ptr<const cuda::Setup> gpu,
                                                std::function<ncclResult_t()> work) {
  auto call = std::make_shared<WatchedCall>();
  ++count();
  std::thread([call, gpu = std::move(gpu), work = std::move(work)] {
    call->thread_.store(::gettid());
    try {
      static_cast<void>(cuda::device_of(gpu).memory_left());
    } catch (const Error&) {
      // A GPU that fails is told by NCCL's own call; an abort must be made all the same.
    }
    const ncclResult_t result = work();
    std::function<void()> then;
    {
      const std::lock_guard lock(call->mutex_);
      call->result_ = result;
      call->done_ = true;
      then = std::move(call->then_);
    }
    if (then) then();
    --count();
  }).detach();
  return call;
}

std::optional<ncclResult_t> WatchedCall::await(const Clock& clock, std::int64_t until_ns) {
  while (!is_done()) {
    if (clock.now_ns() >= until_ns) {
      const sched_param lowest{};
      // Where it is refused, it goes on as it was.
      if (const int thread = thread_.load(); thread != 0)
        static_cast<void>(::sched_setscheduler(thread, SCHED_IDLE, &lowest));
      return std::nullopt;
    }
    clock.sleep_ns(nap_ns);
  }
  const std::lock_guard lock(mutex_);
  return result_;
}

bool WatchedCall::afterwards(std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  if (done_) return false;
  then_ = std::move(then);
  return true;
}

bool WatchedCall::is_done() {
  const std::lock_guard lock(mutex_);
  return done_;
}

int WatchedCall::under_way() { return count().load(); }

}  // namespace fabricheck::collectives::nccl
