// A command line, parsed or refused.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "app/command_line.hpp"
#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::app {

using Words = std::vector<std::string>;

inline const Words known{"mpi.barrier.latency", "mpi.bcast.latency", "mpi.allreduce.latency",
                         "topology.consistency"};

inline ParsedCommand parse(const Words& words, const Words& ids = known) {
  return parse_command_line(words, ids);
}

template <typename Options>
Options parsed_as(const Words& words) {
  return std::get<Options>(parse(words));
}
inline RunOptions run(Words words) {
  words.insert(words.begin(), "run");
  return parsed_as<RunOptions>(words);
}

inline std::string error(const Words& words, const Words& ids = known) {
  return test::sentence_of([&] { parse(words, ids); });
}
inline std::string run_error(Words words, const Words& ids = known) {
  words.insert(words.begin(), "run");
  return error(words, ids);
}

}  // namespace fabricheck::app
