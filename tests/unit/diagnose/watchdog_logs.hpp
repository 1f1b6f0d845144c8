// What PyTorch's watchdogs write when a collective does not end, with ranks and numbers as a test wants them.
#pragma once

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <vector>

#include "diagnose/collective_waits.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {

inline constexpr const char* kDefault = "ID 0 PG GUID 0(default_pg)";

struct Said {
  std::int64_t number{1234};
  const char* operation{"ALLREDUCE"};
  std::int64_t elements{4096};
  std::int64_t enqueued{1234};
  std::int64_t completed{1233};
  const char* group{kDefault};
  int group_rank{-1};  ///< that of the job where it is not given
  const char* time{"10:00:00"};
};

/// The words of PyTorch 2.5 and later.
inline std::string timed_out(int rank, const Said& said = {}) {
  const int within = said.group_rank < 0 ? rank : said.group_rank;
  const std::string front = fmt::format("[rank{}]:[E1128 {}.408271257 ProcessGroupNCCL.cpp", rank, said.time);
  return fmt::format(
      "{}:632] [Rank {}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum={}, OpType={}, "
      "NumelIn={}, "
      "NumelOut={}, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.\n"
      "{}:2268] [PG {} Rank {}]  failure detected by watchdog at work sequence id: {} PG status: last "
      "enqueued "
      "work: {}, last completed work: {}\n",
      front, within, said.number, said.operation, said.elements, said.elements, front, said.group, within,
      said.number, said.enqueued, said.completed);
}

inline std::string asked_to_dump(int rank, std::int64_t enqueued = 1233, std::int64_t completed = 1233) {
  return fmt::format(
      "[rank{}]:[E1128 10:00:01.1 ProcessGroupNCCL.cpp:1685] [PG {} Rank {}] Received a dump signal due to a "
      "collective timeout from  rank 0 and we will try our best to dump the debug info. Last enqueued NCCL "
      "work: "
      "{}, last completed NCCL work: {}.This is most likely caused by incorrect usages of collectives\n",
      rank, kDefault, rank, enqueued, completed);
}

/// So that ranks have hosts and it is known how many there are.
inline std::string started(int ranks) {
  std::string log;
  for (int rank = 0; rank < ranks; ++rank)
    log += fmt::format(
        "node{}:9{}:95 [{}] NCCL INFO comm 0x5 rank {} nranks {} cudaDev {} nvmlDev {} busId 1000 commId "
        "0xabc - "
        "Init COMPLETE\n",
        rank / 4, rank, rank % 4, rank, ranks, rank % 4, rank % 4);
  return log;
}

inline std::string of_all(int ranks, int odd, const std::string& odd_log) {
  std::string log = started(ranks);
  for (int rank = 0; rank < ranks; ++rank) log += rank == odd ? odd_log : timed_out(rank);
  return log;
}

inline Observations of_files(const std::vector<std::string>& logs) {
  Observations seen;
  LogReader reader(seen);
  for (const std::string& log : logs) {
    seen.files.push_back({"test.log", 0, 0, {}, ""});
    reader.begin_file(static_cast<int>(seen.files.size()) - 1);
    std::istringstream lines(log);
    std::string line;
    for (std::uint64_t number = 1; std::getline(lines, line); ++number) reader.read(line, number);
  }
  return seen;
}

inline Finding first_of(const std::string& log) {
  const Diagnosis diagnosis = diagnosed(log);
  return diagnosis.findings.empty() ? Finding{} : diagnosis.findings.front();
}

}  // namespace fabricheck::diagnose
