// The control plane between ranks. Implemented over MPI (src/control), for one rank alone (here) and over
// threads (thread_communicator.hpp).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck {

enum class ReduceOp { sum, min, max };

using Bytes = std::vector<std::byte>;

/// A group of ranks that make the same sequence of calls. Every call but rank() and size() is collective,
/// except send and receive. No destructor of an implementation communicates.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  virtual void barrier() = 0;
  /// Like barrier, but sleeps while waiting, so that ranks with nothing to do leave the machine to the
  /// measured ones.
  virtual void idle_barrier() = 0;
  /// `data` has the same length on every rank.
  virtual void broadcast(std::span<std::byte> data, int root) = 0;
  /// Element-wise, in place, the same length on every rank.
  virtual void allreduce(std::span<double> values, ReduceOp op) = 0;
  /// Element-wise maximum over ranks and the lowest rank that attains it, at `root`; `maximum` and `who` are
  /// as long as `mine` there and may be empty elsewhere. Memory at the root does not grow with the number of
  /// ranks.
  virtual void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                           int root) = 0;
  /// One entry per rank at `root`, empty elsewhere. Lengths may differ.
  virtual std::vector<Bytes> gather(std::span<const std::byte> mine, int root) = 0;
  virtual void send(std::span<const std::byte> data, int to) = 0;
  virtual void receive(std::span<std::byte> data, int from) = 0;
  /// Ranks with the same `color` form a group ordered by `key`; a negative color gives nullptr.
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;
};

/// Does `work` on every rank; where it threw on some, throws on all: there what it threw, elsewhere an Echo
/// with the first one's words. Collective.
void all_or_none(Communicator& group, const std::function<void()>& work);

/// A world of one rank.
class SelfCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void idle_barrier() override {}
  void broadcast(std::span<std::byte>, int) override {}
  void allreduce(std::span<double>, ReduceOp) override {}
  void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                   int root) override;
  std::vector<Bytes> gather(std::span<const std::byte> mine, int root) override;
  void send(std::span<const std::byte> data, int to) override;
  void receive(std::span<std::byte> data, int from) override;
  std::unique_ptr<Communicator> split(int color, int key) override;
};

/// The string that `root` passes, on every rank.
std::string broadcast_string(Communicator& communicator, std::string_view text, int root);

/// Every rank's string, in rank order, at `root`; empty elsewhere.
std::vector<std::string> gather_strings(Communicator& communicator, std::string_view mine, int root);

/// Every rank's string on every rank.
std::vector<std::string> allgather_strings(Communicator& communicator, std::string_view mine);

}  // namespace fabricheck
