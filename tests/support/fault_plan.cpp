#include "support/fault_plan.hpp"

#include <unistd.h>

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace fabricheck::test {
namespace {

class Faulty final : public Operation {
 public:
  Faulty(std::unique_ptr<Operation> inner, FaultPlan plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  void prepare(std::uint64_t iteration) override {
    at("prepare", iteration);
    inner_->prepare(iteration);
  }
  void execute(std::uint64_t iteration) override {
    at("execute", iteration);
    inner_->execute(iteration);
    if (plan_.kind == FaultPlan::Kind::flipped_bit && iteration == plan_.iteration) flip();
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    at("verify", iteration);
    if (plan_.kind == FaultPlan::Kind::wrong_element && iteration == plan_.iteration)
      return Mismatch{plan_.rank, "planted", iteration, 3, 1.0, 2.0};
    return inner_->verify(iteration);
  }
  bool verifies() const override { return true; }
  std::span<std::byte> result() override { return inner_->result(); }

 private:
  void flip() {
    const std::span<std::byte> result = inner_->result();
    if (plan_.byte >= result.size())
      throw std::out_of_range("no byte " + std::to_string(plan_.byte) + " to flip in a result of " +
                              std::to_string(result.size()) + " bytes");
    result[plan_.byte] ^= std::byte{1} << plan_.bit;
  }
  void at(const char* where, std::uint64_t iteration) const {
    if (plan_.where != where || iteration != plan_.iteration) return;
    if (plan_.kind == FaultPlan::Kind::throwing) throw std::runtime_error("planted fault");
    if (plan_.kind == FaultPlan::Kind::stopping)
      for (;;) ::pause();
  }

  std::unique_ptr<Operation> inner_;
  FaultPlan plan_;
};

class FaultyTimed final : public TimedOperation {
 public:
  FaultyTimed(std::unique_ptr<TimedOperation> inner, FaultPlan plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  std::size_t least_batch() const override { return inner_->least_batch(); }
  void prepare(std::uint64_t first, std::size_t count) override {
    at("prepare", first, count);
    inner_->prepare(first, count);
  }
  void run(std::uint64_t first, std::span<double> times_us) override {
    at("execute", first, times_us.size());
    inner_->run(first, times_us);
  }
  Verified verify(std::uint64_t first, std::size_t count) override { return inner_->verify(first, count); }
  double comparing_us() const override { return inner_->comparing_us(); }
  void compare_ranks() override { inner_->compare_ranks(); }
  bool verifies_each() const override { return inner_->verifies_each(); }
  bool every_rank_times() const override { return inner_->every_rank_times(); }
  std::map<std::string, Parameter> path() const override { return inner_->path(); }

 private:
  void at(const char* where, std::uint64_t first, std::size_t count) {
    if (plan_.where != where && plan_.kind != FaultPlan::Kind::late) return;
    if (plan_.iteration < first || plan_.iteration >= first + count) return;
    if (plan_.kind == FaultPlan::Kind::throwing) throw std::runtime_error("planted fault");
    if (plan_.kind == FaultPlan::Kind::stopping)
      for (;;) ::pause();
    if (plan_.kind == FaultPlan::Kind::late && std::string("execute") == where)
      std::this_thread::sleep_for(std::chrono::seconds(plan_.seconds));
  }

  std::unique_ptr<TimedOperation> inner_;
  FaultPlan plan_;
};

}  // namespace

FaultPlan parse_fault(const std::string& text) {
  FaultPlan plan;
  std::istringstream in(text);
  std::string word;
  if (!(in >> word)) return plan;
  if (word == "throw") {
    plan.kind = FaultPlan::Kind::throwing;
  } else if (word == "stop") {
    plan.kind = FaultPlan::Kind::stopping;
  } else if (word == "wrong") {
    plan.kind = FaultPlan::Kind::wrong_element;
  } else if (word == "flip") {
    plan.kind = FaultPlan::Kind::flipped_bit;
  } else if (word == "late") {
    plan.kind = FaultPlan::Kind::late;
  } else {
    throw std::invalid_argument("unknown fault '" + word + "'");
  }
  while (in >> word) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals),
                      value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "rank") {
      plan.rank = std::stoi(value);
    } else if (key == "check") {
      plan.check = value;
    } else if (key == "iteration") {
      plan.iteration = std::stoull(value);
    } else if (key == "where") {
      plan.where = value;
    } else if (key == "byte") {
      plan.byte = std::stoull(value);
    } else if (key == "seconds") {
      plan.seconds = std::stoi(value);
    } else if (key == "bit") {
      const unsigned long bit = std::stoul(value);
      if (bit > 7) throw std::invalid_argument("a byte has no bit " + value);
      plan.bit = static_cast<unsigned>(bit);
    } else {
      throw std::invalid_argument("unknown word '" + word + "' in a fault");
    }
  }
  return plan;
}

std::unique_ptr<Operation> with_fault(std::unique_ptr<Operation> inner, const FaultPlan& plan,
                                      const std::string& check_id, int world_rank) {
  if (plan.kind == FaultPlan::Kind::none || plan.rank != world_rank || plan.check != check_id) return inner;
  return std::make_unique<Faulty>(std::move(inner), plan);
}

std::unique_ptr<TimedOperation> with_fault(std::unique_ptr<TimedOperation> inner, const FaultPlan& plan,
                                           const std::string& check_id, int world_rank) {
  if (plan.kind == FaultPlan::Kind::none || plan.rank != world_rank || plan.check != check_id) return inner;
  return std::make_unique<FaultyTimed>(std::move(inner), plan);
}

}  // namespace fabricheck::test
