#include "support/nccl/operations.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

#include "support/nccl/elements.hpp"

namespace fabricheck::test {
namespace {

/// Counts an operation, lets it fail as told, and adds its modelled time. `run` gives false if it never
/// ended.
template <class Run>
void operate(ncclComm& comm, HostStream& stream, double bus_bytes, std::byte* output,
             std::size_t output_bytes, Run run) {
  if (stream.stuck) {
    return;
  }
  comm.busy.store(true);
  const std::uint64_t operation = ++comm.operations;
  const Faults& faults = comm.faults;
  const bool fails = faults.async_error != 0 && operation >= faults.async_error;
  if (fails) {
    comm.state.store(ncclRemoteError);
  }
  if (fails || (faults.hang_at != 0 && operation >= faults.hang_at) || !run()) {
    stream.stuck = true;
  } else {
    if (operation == faults.flip_at && output_bytes > 0) {
      output[output_bytes / 2] ^= std::byte{4};
    }
    stream.time_us += faults.slow_factor * (faults.latency_us + bus_bytes / (faults.busbw_gb_per_s * 1e3));
  }
  comm.busy.store(false);
}

void remember(ncclComm& comm, HostStream& stream) {
  const std::lock_guard lock(comm.streams_mutex);
  comm.streams.insert(&stream);
}

/// Puts what this rank gets of round [`offset`, `offset` + `bytes`) of everyone's input where it belongs.
void take(const ncclComm& comm, const Collective& call, std::size_t offset, std::size_t bytes) {
  const std::size_t size = element_bytes(call.type);
  const std::size_t block = call.count * size;
  const auto me = static_cast<std::size_t>(comm.rank);
  if (call.kind == Kind::AllGather) {
    for (int rank = 0; rank < comm.ranks; ++rank) {
      std::memcpy(call.receive + static_cast<std::size_t>(rank) * block + offset, comm.slot(rank), bytes);
    }
    return;
  }
  if (call.kind == Kind::Broadcast) {
    std::memcpy(call.receive + offset, comm.slot(call.root), bytes);
    return;
  }
  if (call.kind == Kind::Reduce && comm.rank != call.root) {
    return;
  }
  const bool scatters = call.kind == Kind::ReduceScatter;
  const std::size_t origin = scatters ? me * block : 0;
  const std::size_t from = std::max(offset, origin);
  const std::size_t to = scatters ? std::min(offset + bytes, origin + block) : offset + bytes;
  if (from >= to) {
    return;
  }
  std::vector<const std::byte*> inputs;
  for (int rank = 0; rank < comm.ranks; ++rank) {
    inputs.push_back(comm.slot(rank) + (from - offset));
  }
  reduce(inputs, call.receive + (from - origin), from / size, (to - from) / size, call.type, call.op);
}

bool run_collective(ncclComm& comm, const Collective& call, std::size_t input_bytes) {
  for (std::size_t offset = 0; offset < input_bytes; offset += kSlotBytes) {
    const std::size_t bytes = std::min(kSlotBytes, input_bytes - offset);
    if (call.kind != Kind::Broadcast || comm.rank == call.root) {
      std::memcpy(comm.slot(comm.rank), call.send + offset, bytes);
    }
    if (!comm.meet()) {
      return false;
    }
    take(comm, call, offset, bytes);
    if (!comm.meet()) {
      return false;
    }
  }
  return true;
}

/// Moves one piece if there is room for it, or one there; false: not now.
bool advance(const ncclComm& comm, const Transfer& transfer, std::size_t& done) {
  Mail& mail = transfer.sends ? comm.mail(comm.rank, transfer.peer) : comm.mail(transfer.peer, comm.rank);
  const std::uint32_t there = mail.bytes.load();
  if (transfer.sends == (there != 0)) {
    return false;
  }
  if (transfer.sends) {
    const std::size_t piece = std::min(kMailBytes, transfer.bytes - done);
    std::memcpy(mail.data, transfer.data + done, piece);
    done += piece;
    mail.bytes.store(static_cast<std::uint32_t>(piece));
  } else {
    const std::size_t piece = std::min<std::size_t>(there, transfer.bytes - done);
    std::memcpy(transfer.data + done, mail.data, piece);
    done += piece;
    mail.bytes.store(0);
  }
  return true;
}

bool run_transfers(ncclComm& comm, const std::vector<Transfer>& transfers) {
  std::vector<std::size_t> done(transfers.size());
  auto end = std::chrono::steady_clock::now() + comm.timeout();
  for (;;) {
    bool all = true;
    bool moved = false;
    std::map<std::pair<bool, int>, bool> waits;  // those of one peer and direction go in order
    for (std::size_t i = 0; i < transfers.size(); ++i) {
      bool& earlier_waits = waits[{transfers[i].sends, transfers[i].peer}];
      if (done[i] < transfers[i].bytes && !earlier_waits) {
        moved = advance(comm, transfers[i], done[i]) || moved;
      }
      earlier_waits = earlier_waits || done[i] < transfers[i].bytes;
      all = all && done[i] == transfers[i].bytes;
    }
    if (all) {
      return true;
    }
    if (moved) {
      end = std::chrono::steady_clock::now() + comm.timeout();
    } else if (comm.shared->broken.load() || std::chrono::steady_clock::now() > end) {
      comm.shared->broken.store(true);
      return false;
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

void enqueue(ncclComm& comm, HostStream& stream, const Collective& call) {
  static const char* const kNames[] = {"AllReduce", "AllGather", "ReduceScatter", "Broadcast", "Reduce"};
  const auto ranks = static_cast<std::size_t>(comm.ranks);
  const std::size_t block = call.count * element_bytes(call.type);
  const bool gathers = call.kind == Kind::AllGather;
  const bool scatters = call.kind == Kind::ReduceScatter;
  const std::size_t input_bytes = scatters ? block * ranks : block;
  const double share = static_cast<double>(ranks - 1) / static_cast<double>(ranks);
  const double bus_bytes = static_cast<double>(gathers || scatters ? block * ranks : block) *
                           (call.kind == Kind::AllReduce ? 2 * share
                            : gathers || scatters        ? share
                                                         : 1);
  const std::string line = std::string(kNames[static_cast<int>(call.kind)]) + ": " + std::to_string(block) +
                           " Bytes -> Algo RING proto SIMPLE channel{Lo..Hi}={0..23}";
  comm.log_connections();
  if (comm.rank == 0) {
    log_line(line, true);
  }
  const bool receives = call.kind != Kind::Reduce || comm.rank == call.root;
  const std::size_t output_bytes = receives ? (gathers ? block * ranks : block) : 0;
  remember(comm, stream);
  stream.enqueue([&comm, call, input_bytes, bus_bytes, output_bytes](HostStream& on) {
    operate(comm, on, bus_bytes, call.receive, output_bytes,
            [&] { return run_collective(comm, call, input_bytes); });
  });
}

void enqueue(ncclComm& comm, HostStream& stream, const std::vector<Transfer>& transfers) {
  comm.log_connections();
  double sent_bytes = 0;
  double received_bytes = 0;
  Transfer output;
  for (const Transfer& transfer : transfers) {
    if (transfer.peer != comm.rank) {
      (transfer.sends ? sent_bytes : received_bytes) += static_cast<double>(transfer.bytes);
    }
    if (!transfer.sends && output.bytes == 0) {
      output = transfer;
    }
  }
  remember(comm, stream);
  stream.enqueue([&comm, transfers, output,
                  bus_bytes = std::max(sent_bytes, received_bytes)](HostStream& on) {
    operate(comm, on, bus_bytes, output.data, output.bytes, [&] { return run_transfers(comm, transfers); });
  });
}

}  // namespace fabricheck::test
