// Work for a rank while its non-blocking operation runs. Private to this folder.
#pragma once

#include <cstdint>

namespace fabricheck::collectives::mpi {

/// Arithmetic in registers that takes about `us`: no memory, no call, no clock. How much of it that is was
/// measured once in this process, on an otherwise idle rank; the clock of the core changes that by a few
/// percent, as it does for OSU's programs.
class Computation {
 public:
  explicit Computation(double us);
  void run() const;

 private:
  std::uint64_t rounds_;
};

}  // namespace fabricheck::collectives::mpi
