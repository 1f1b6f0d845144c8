#include "control/exit_guard.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core/remark.hpp"

namespace fabricheck::control {
namespace {

std::atomic<const ExitGuard*> active{};

}  // namespace

ExitGuard::ExitGuard(std::string words, int status) : words_(std::move(words)), status_(status) {
  [[maybe_unused]] static const int registered = std::atexit(at_exit);
  active = this;
}

ExitGuard::~ExitGuard() { active = nullptr; }

void ExitGuard::at_exit() {
  const ExitGuard* guard = active;
  if (guard == nullptr) return;
  std::fflush(nullptr);
  if (!guard->words_.empty()) remark(stderr, "fabricheck: {}\n", guard->words_);
  ::_exit(guard->status_);
}

}  // namespace fabricheck::control
