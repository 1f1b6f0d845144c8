#include "support/cudart/blocks.hpp"

#include <ucontext.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

#ifdef FABRICHECK_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace fabricheck::test::cudart {
namespace {

constexpr std::size_t stack_bytes = std::size_t{128} << 10;

/// One thread of a block, with a stack of its own.
struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(stack_bytes);
  bool is_waiting{};
};

struct Running {
  ucontext_t scheduler{};
  Fiber* current{};
  const std::function<void()>* thread{};
  const void* scheduler_stack{};
  std::size_t scheduler_stack_bytes{};
};

thread_local Running running;

/// AddressSanitizer has to be told which stack is in use.
void to_fiber(Fiber& fiber) {
  running.current = &fiber;
#ifdef FABRICHECK_ADDRESS_SANITIZER
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack.get(), stack_bytes);
#endif
  ::swapcontext(&running.scheduler, &fiber.context);
#ifdef FABRICHECK_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void to_scheduler([[maybe_unused]] bool ends) {
#ifdef FABRICHECK_ADDRESS_SANITIZER
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(ends ? nullptr : &fake, running.scheduler_stack,
                                 running.scheduler_stack_bytes);
#endif
  ::swapcontext(&running.current->context, &running.scheduler);
#ifdef FABRICHECK_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fake, &running.scheduler_stack, &running.scheduler_stack_bytes);
#endif
}

void begin() {
#ifdef FABRICHECK_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, &running.scheduler_stack, &running.scheduler_stack_bytes);
#endif
  running.current->is_waiting = false;
  (*running.thread)();
  to_scheduler(true);
}

void start(Fiber& fiber) {
  ::getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = stack_bytes;
  fiber.context.uc_link = nullptr;
  ::makecontext(&fiber.context, begin, 0);
}

/// Until each thread has ended or waits; true where they wait. Every other block runs its threads backwards:
/// what needs a wait and has none comes out wrong in one of the orders.
bool run_to_wait(std::vector<Fiber>& fibers, unsigned int threads) {
  unsigned int waiting = 0, ended = 0;
  for (unsigned int turn = 0; turn < threads; ++turn) {
    const unsigned int i = blockIdx.x % 2 == 0 ? turn : threads - 1 - turn;
    threadIdx.x = i;
    fibers[i].is_waiting = false;
    to_fiber(fibers[i]);
    ++(fibers[i].is_waiting ? waiting : ended);
  }
  if (waiting > 0 && ended > 0)
    throw std::runtime_error("__syncthreads() by some threads of a block while others have ended");
  return waiting > 0;
}

}  // namespace

void run_blocks(unsigned int blocks, unsigned int threads, const std::function<void()>& thread) {
  thread_local std::vector<Fiber> fibers;
  if (fibers.size() < threads) fibers.resize(threads);
  running.thread = &thread;
  gridDim.x = blocks;
  blockDim.x = threads;
  for (unsigned int block = 0; block < blocks; ++block) {
    blockIdx.x = block;
    for (unsigned int i = 0; i < threads; ++i) start(fibers[i]);
    while (run_to_wait(fibers, threads)) {
    }
  }
}

void wait_for_block() {
  running.current->is_waiting = true;
  to_scheduler(false);
}

}  // namespace fabricheck::test::cudart
