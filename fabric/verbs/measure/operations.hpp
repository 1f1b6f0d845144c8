// The operations between two ranks over verbs. Factories are collective over the pair.
#pragma once

#include <memory>
#include <optional>

#include "core/timed_operation.hpp"
#include "fabric/verbs/measure/endpoint.hpp"

namespace fabricheck::verbs {

/// What this rank measures with, and what the user asked for.
struct Setup {
  LocalPort port;
  std::shared_ptr<const cuda::Setup> gpu;  ///< of this rank; null or without a device: none
  /// Why this rank has no port, "no RDMA device on node7"; empty where it has one.
  std::string unavailable;
  int queue_pairs{1};  ///< of bandwidth and message rate
  int depth{128};      ///< messages on their way, of each queue pair
  GidWish gid_wish;
  int pkey_index{};  ///< on InfiniBand: the job's partition, NCCL_IB_PKEY
  TrafficClass traffic_class;
  std::chrono::nanoseconds patience{std::chrono::seconds(10)};
};

/// Where messages leave and arrive. The GPU's is this rank's, and GPUDirect RDMA by RC.
enum class Memory { host, gpu };

/// Two messages at a time: half round trip of send and write, the full one of read and atomics. Between GPUs'
/// memory, which the CPU cannot watch: those that end with a completion, send, write with immediate and read.
std::unique_ptr<TimedOperation> make_latency(const Setup& setup, const TimedRequest& request,
                                             Transport transport, Opcode opcode,
                                             Memory memory = Memory::host);

enum class Direction {
  one_way,  ///< rank 0 initiates
  both,     ///< both do, at the same time
};

/// A stream of messages; the samples are microseconds per message.
std::unique_ptr<TimedOperation> make_stream(const Setup& setup, const TimedRequest& request,
                                            Transport transport, Opcode opcode, Direction direction,
                                            Memory memory = Memory::host);

/// A stream of sends over UC or UD, one way over one queue pair, each window answered by the receiver; what
/// is lost is an error.
std::unique_ptr<TimedOperation> make_credited_stream(const Setup& setup, const TimedRequest& request,
                                                     Transport transport);

/// One flow after the other, each with a queue pair and a flow label of its own: sample i is of flow i %
/// flows.
std::unique_ptr<TimedOperation> make_flow_sweep(const Setup& setup, const TimedRequest& request, int flows);

/// "RC write of 8 B".
std::string operation_words(Transport transport, Opcode opcode, std::uint64_t bytes);
/// What all connections of a setup have in common. Collective over the pair where the memory is a GPU's.
ConnectionRequest connection_of(const Setup& setup, const TimedRequest& request, Transport transport,
                                Opcode opcode, Memory memory);

/// The sentence of a wrong byte as the sampler wants it.
Mismatch wrong_message(const TimedRequest& request, std::uint64_t iteration, std::uint64_t index,
                       double expected, double got);

}  // namespace fabricheck::verbs
