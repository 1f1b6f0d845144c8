#include "fabric/verbs/measure/operations.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::verbs {
namespace {

const char* opcode_name(Opcode opcode) {
  switch (opcode) {
    case Opcode::write:
      return "write";
    case Opcode::write_with_immediate:
      return "write with immediate";
    case Opcode::read:
      return "read";
    case Opcode::fetch_add:
      return "fetch-and-add";
    case Opcode::compare_swap:
      return "compare-and-swap";
    case Opcode::send:
      break;
  }
  return "send";
}

}  // namespace

std::string operation_words(Transport transport, Opcode opcode, std::uint64_t bytes) {
  return fmt::format("{} {} of {}", transport_name(transport), opcode_name(opcode), format_bytes(bytes));
}

ConnectionRequest connection_of(const Setup& setup, const TimedRequest& request, Transport transport,
                                Opcode opcode, Memory memory) {
  ConnectionRequest connection;
  connection.transport = transport;
  connection.message_bytes = request.bytes;
  connection.gid_wish = setup.gid_wish;
  connection.atomics = opcode == Opcode::fetch_add || opcode == Opcode::compare_swap;
  connection.pkey_index = setup.pkey_index;
  connection.traffic_class = setup.traffic_class;
  connection.memory_limit_bytes = request.memory_limit_bytes;
  connection.operation = operation_words(transport, opcode, request.bytes);
  connection.yield = request.yield;
  connection.patience = setup.patience;
  if (memory == Memory::host) return connection;
  connection.operation += " in GPU memory";
  all_or_none(*request.group, [&] { connection.memory = gpu_message_memory(setup.gpu, *request.clock); });
  return connection;
}

Mismatch wrong_message(const TimedRequest& request, std::uint64_t iteration, std::uint64_t index,
                       double expected, double got) {
  return {request.world_rank, request.host, iteration, index, expected, got};
}

}  // namespace fabricheck::verbs
