#include "core/thread_communicator.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace fabricheck {
namespace {

struct Broken : std::runtime_error {
  Broken() : std::runtime_error("another rank has thrown") {}
};

/// Shared by all groups of one run_ranks.
struct Alarm {
  std::mutex mutex;
  std::condition_variable changed;
  bool broken{};
};

/// What the ranks of one group share: a rendezvous with a slot that the last to arrive may fill.
struct Group {
  explicit Group(int ranks, std::shared_ptr<Alarm> shared) : size(ranks), alarm(std::move(shared)) {}
  int size;
  std::shared_ptr<Alarm> alarm;
  int arrived{};
  std::uint64_t generation{};
  std::vector<std::byte> bytes;
  std::vector<double> values;
  std::vector<int> who;
  std::vector<Bytes> parts;
  std::map<std::pair<int, int>, std::deque<Bytes>> mail;   ///< (from, to)
  std::map<int, std::vector<std::pair<int, int>>> colors;  ///< color -> (key, rank)
  std::map<int, std::shared_ptr<Group>> made;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size; }
  void barrier() override {
    meet([] {});
  }
  void idle_barrier() override { barrier(); }

  void broadcast(std::span<std::byte> data, int root) override {
    meet([&] {
      if (rank_ == root) group_->bytes.assign(data.begin(), data.end());
    });
    std::copy(group_->bytes.begin(), group_->bytes.end(), data.begin());
    barrier();
  }

  void allreduce(std::span<double> values, ReduceOp op) override {
    contribute(
        [&] {
          for (std::size_t i = 0; i < values.size(); ++i) {
            double& into = group_->values[i];
            into = op == ReduceOp::sum   ? into + values[i]
                   : op == ReduceOp::min ? std::min(into, values[i])
                                         : std::max(into, values[i]);
          }
        },
        values);
    std::copy(group_->values.begin(), group_->values.end(), values.begin());
    barrier();
  }

  void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                   int root) override {
    contribute(
        [&] {
          for (std::size_t i = 0; i < mine.size(); ++i)
            if (mine[i] > group_->values[i] || (mine[i] == group_->values[i] && rank_ < group_->who[i])) {
              group_->values[i] = mine[i];
              group_->who[i] = rank_;
            }
        },
        mine);
    if (rank_ == root) {
      std::copy(group_->values.begin(), group_->values.end(), maximum.begin());
      std::copy(group_->who.begin(), group_->who.end(), who.begin());
    }
    barrier();
  }

  std::vector<Bytes> gather(std::span<const std::byte> mine, int root) override {
    meet([&] {
      group_->parts.resize(static_cast<std::size_t>(group_->size));
      group_->parts[static_cast<std::size_t>(rank_)] = Bytes(mine.begin(), mine.end());
    });
    std::vector<Bytes> parts;
    if (rank_ == root) parts = group_->parts;
    barrier();
    return parts;
  }

  void send(std::span<const std::byte> data, int to) override {
    const std::lock_guard lock(group_->alarm->mutex);
    group_->mail[{rank_, to}].emplace_back(data.begin(), data.end());
    group_->alarm->changed.notify_all();
  }

  void receive(std::span<std::byte> data, int from) override {
    std::unique_lock lock(group_->alarm->mutex);
    auto& queue = group_->mail[{from, rank_}];
    group_->alarm->changed.wait(lock, [&] { return !queue.empty() || group_->alarm->broken; });
    if (queue.empty()) throw Broken();
    if (queue.front().size() != data.size())
      throw std::logic_error("a message of another length was expected");
    std::copy(queue.front().begin(), queue.front().end(), data.begin());
    queue.pop_front();
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    meet([&] {
      if (color >= 0) group_->colors[color].push_back({key, rank_});
    });
    std::shared_ptr<Group> part;
    int part_rank = 0;
    if (color >= 0) {
      const std::lock_guard lock(group_->alarm->mutex);
      auto& members = group_->colors[color];
      std::sort(members.begin(), members.end());
      part = group_->made[color];
      if (!part)
        part = group_->made[color] = std::make_shared<Group>(static_cast<int>(members.size()), group_->alarm);
      part_rank = static_cast<int>(std::find(members.begin(), members.end(), std::pair(key, rank_)) -
                                   members.begin());
    }
    barrier();
    meet([&] {
      group_->colors.clear();
      group_->made.clear();
    });
    return part ? std::make_unique<ThreadCommunicator>(part, part_rank) : nullptr;
  }

 private:
  /// Runs `work` under the lock and returns when every rank of the group has come here.
  template <class Work>
  void meet(Work&& work) {
    std::unique_lock lock(group_->alarm->mutex);
    work();
    const std::uint64_t generation = group_->generation;
    if (++group_->arrived == group_->size) {
      group_->arrived = 0;
      ++group_->generation;
      group_->alarm->changed.notify_all();
      return;
    }
    group_->alarm->changed.wait(lock,
                                [&] { return group_->generation != generation || group_->alarm->broken; });
    if (group_->generation == generation) throw Broken();
  }

  /// A reduction: the first to come lays down its values, the others combine theirs.
  template <class Combine>
  void contribute(Combine&& combine, std::span<const double> mine) {
    meet([&] {
      if (group_->arrived == 0) {
        group_->values.assign(mine.begin(), mine.end());
        group_->who.assign(mine.size(), rank_);
      } else {
        combine();
      }
    });
  }

  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  const auto alarm = std::make_shared<Alarm>();
  const auto group = std::make_shared<Group>(ranks, alarm);
  std::exception_ptr first;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      ThreadCommunicator communicator(group, rank);
      try {
        body(communicator);
      } catch (...) {
        const std::lock_guard lock(alarm->mutex);
        // A rank that was only left alone is not the cause.
        bool left_alone = false;
        try {
          throw;
        } catch (const Broken&) {
          left_alone = true;
        } catch (...) {
        }
        if (!first && !left_alone) first = std::current_exception();
        alarm->broken = true;
        alarm->changed.notify_all();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace fabricheck
