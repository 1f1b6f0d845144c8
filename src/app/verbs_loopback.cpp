#include "app/verbs_loopback.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/thread_communicator.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "process/child.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::app {
namespace {

constexpr std::uint64_t message_bytes = std::uint64_t{64} << 10;
constexpr int loopback_depth = 16;
constexpr std::size_t most_windows = 1000;

void measure(const OpenDevice& open, const verbs::PortPlace& place, const Clock& clock,
             std::chrono::nanoseconds budget, LoopbackEnd& end) {
  std::vector<double> window_us;
  std::array<std::string, 2> wrong;
  run_ranks(2, [&](Communicator& pair) {
    verbs::Setup setup;
    setup.port = {open(place.device), place};
    setup.depth = loopback_depth;
    setup.patience = std::chrono::seconds(1);
    TimedRequest request;
    request.group = &pair;
    request.clock = &clock;
    request.bytes = message_bytes;
    request.world_rank = pair.rank();
    request.host = place.host;
    request.yield = true;
    const auto stream = verbs::make_stream(setup, request, verbs::Transport::rc, verbs::Opcode::write,
                                           verbs::Direction::one_way);
    const std::int64_t until_ns = clock.now_ns() + budget.count();
    std::vector<double> times_us(stream->least_batch());
    for (std::uint64_t first = 0;; first += times_us.size()) {
      stream->prepare(first, times_us.size());
      pair.barrier();
      stream->run(first, times_us);
      pair.barrier();
      std::string& mine = wrong.at(static_cast<std::size_t>(pair.rank()));
      const Verified verified = stream->verify(first, times_us.size());
      if (verified.mismatch)
        mine = fmt::format("byte {} of a message was {:g} and had been sent as {:g}",
                           verified.mismatch->index, verified.mismatch->got, verified.mismatch->expected);
      if (pair.rank() == 0) window_us.insert(window_us.end(), times_us.begin(), times_us.end());
      std::array<double, 1> over{
          mine.empty() && clock.now_ns() < until_ns && first + times_us.size() < most_windows ? 0.0 : 1.0};
      pair.allreduce(over, ReduceOp::max);
      if (over[0] > 0) return;
    }
  });
  end.wrong = wrong[0].empty() ? wrong[1] : wrong[0];
  const auto middle = window_us.begin() + static_cast<std::ptrdiff_t>(window_us.size() / 2);
  std::nth_element(window_us.begin(), middle, window_us.end());
  constexpr double bytes_per_us_of_GBps = 1000.0;
  end.GBps = static_cast<double>(message_bytes) / *middle / bytes_per_us_of_GBps;
}

}  // namespace

std::vector<LoopbackEnd> loop_ports(const Host& host, const OpenDevice& open, const Clock& clock,
                                    std::chrono::nanoseconds budget) {
  std::vector<verbs::PortPlace> places;
  for (const RdmaDevice& device : host.rdma_devices)
    for (const RdmaPort& port : device.ports)
      // Others, as EFA's, cannot do RC.
      if (device.status == "answers" && port.state == "ACTIVE" &&
          (port.link_layer == "Ethernet" || port.link_layer == "InfiniBand"))
        places.push_back({host.name, device.name, port});
  std::vector<LoopbackEnd> ends;
  ends.reserve(places.size());
  for (const verbs::PortPlace& place : places) {
    LoopbackEnd end;
    end.port = fmt::format("{} port {}", place.device, place.port.number);
    try {
      measure(open, place, clock, budget / places.size(), end);
    } catch (const std::exception& error) {
      end.trouble = error.what();
    }
    ends.push_back(std::move(end));
  }
  return ends;
}

std::string loopback_to_text(const std::vector<LoopbackEnd>& ends) {
  std::string text;
  for (const LoopbackEnd& end : ends)
    text += fmt::format("{}\t{}\t{}\t{}\n", topology::printable(end.port), end.GBps,
                        topology::printable(end.wrong), topology::printable(end.trouble));
  return text;
}

std::vector<LoopbackEnd> loopback_from_text(const std::string& text) {
  std::vector<LoopbackEnd> ends;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    LoopbackEnd end;
    std::string number;
    if (!std::getline(fields, end.port, '\t') || !std::getline(fields, number, '\t'))
      throw Error("the RDMA loopback said " + topology::in_quotes(line) + ", which is no figure of a port");
    std::getline(fields, end.wrong, '\t');
    std::getline(fields, end.trouble, '\t');
    std::istringstream(number) >> end.GBps;
    ends.push_back(std::move(end));
  }
  return ends;
}

node::Outcome check_loopback(const Host& host, node::Isolation& isolation, std::chrono::milliseconds budget) {
  // Opening devices and registering memory come on top of the measuring.
  constexpr std::chrono::milliseconds grace{2000};
  const node::IsolatedAnswer answer = isolation.run("verbs loopback", budget + grace, [&](int descriptor) {
    const auto provider = verbs::system_provider();
    const SteadyClock clock;
    write_all(descriptor,
              loopback_to_text(loop_ports(
                  host, [&](const std::string& name) { return provider->open(name); }, clock, budget)));
  });
  if (answer.text) return judge_loopback(loopback_from_text(*answer.text));
  node::Outcome outcome;
  outcome.verdict = Verdict::inconclusive;
  outcome.reason = answer.problem;
  return outcome;
}

node::Outcome judge_loopback(const std::vector<LoopbackEnd>& ends) {
  node::Outcome outcome;
  std::vector<std::string> troubles;
  for (const LoopbackEnd& end : ends) {
    if (!end.trouble.empty()) {
      troubles.push_back(end.trouble);
      continue;
    }
    if (!end.wrong.empty()) {
      node::Fault fault;
      fault.part = end.port;
      fault.text = fmt::format("{}: data written through the NIC came back wrong", end.port);
      fault.kind = "rdma-data-corrupt";
      fault.deterministic = true;
      outcome.faults.push_back(std::move(fault));
      outcome.reason += fmt::format("{}{}: {}", outcome.reason.empty() ? "" : "; ", end.port, end.wrong);
    }
    if (!outcome.value || end.GBps < *outcome.value) outcome.value = end.GBps;
  }
  outcome.unit = "GB/s";
  if (!outcome.faults.empty()) {
    outcome.verdict = Verdict::fail;
  } else if (!troubles.empty()) {
    outcome.verdict = Verdict::inconclusive;
    outcome.reason = fmt::format("{}", fmt::join(troubles, "; "));
  } else {
    outcome.verdict = Verdict::unchecked;
    outcome.reason = fmt::format(
        "{} ports, all data as written; the slowest is shown, and no target is known "
        "for a loopback",
        ends.size());
  }
  return outcome;
}

}  // namespace fabricheck::app
