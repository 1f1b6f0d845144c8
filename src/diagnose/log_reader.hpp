// Reads logs and the output of tools line by line into observations. What a line is, is told by the line
// itself: pasted threads hold an NCCL log, ibstat and a table of nccl-tests one after another.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "diagnose/observations.hpp"
#include "diagnose/phrases.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {

/// One line and where it stands.
struct Line {
  int file{};
  std::uint64_t number{};
  std::string_view text;
  Quote quote() const { return {file, number, printable_text(text)}; }
};

/// Adds one event to its group, or makes the group while there is room.
class EventBook {
 public:
  explicit EventBook(Observations& into) : into_(into) {}
  void add(Event kind, int code, std::string_view detail, int host, bool as_warning, const Line& line);
  /// Empties the group, if there is one.
  void forget(Event kind, int code, std::string_view detail);

 private:
  static std::string key_of(Event kind, int code, std::string_view detail, int host);

  static constexpr std::size_t kMostGroups = 2048;
  Observations& into_;
  std::unordered_map<std::string, std::size_t> places_;
};

/// The output of one tool. Readers see only lines that are not NCCL's.
class ToolReader {
 public:
  ToolReader() = default;
  ToolReader(const ToolReader&) = delete;
  ToolReader& operator=(const ToolReader&) = delete;
  virtual ~ToolReader() = default;
  /// Whether the line is of this tool.
  virtual bool read(const Line& line, Observations& into, EventBook& events) = 0;
  virtual void begin_file() {}
  virtual const char* name() const = 0;
};

std::unique_ptr<ToolReader> make_nccl_tests_reader();
std::unique_ptr<ToolReader> make_perftest_reader();
std::unique_ptr<ToolReader> make_ib_ports_reader();
std::unique_ptr<ToolReader> make_gid_reader();
std::unique_ptr<ToolReader> make_pkey_reader();
std::unique_ptr<ToolReader> make_nvlink_reader();
std::unique_ptr<ToolReader> make_topology_matrix_reader();
std::unique_ptr<ToolReader> make_peer_matrix_reader();
std::unique_ptr<ToolReader> make_lspci_reader();
std::unique_ptr<ToolReader> make_smi_query_reader();
std::unique_ptr<ToolReader> make_port_counter_reader();
std::unique_ptr<ToolReader> make_mlxlink_reader();
std::unique_ptr<ToolReader> make_watchdog_reader();
std::unique_ptr<ToolReader> make_kernel_log_reader();

class LogReader {
 public:
  /// Another finder than that of all phrases is for tests; it has to outlive the reader.
  explicit LogReader(Observations& into, const PhraseFinder& finder = all_phrases());

  void begin_file(int file);
  /// `number` counts from 1.
  void read(std::string_view raw, std::uint64_t number);

 private:
  RankFacts& rank_of(const NcclLine& line);
  std::size_t place_of(const NcclLine& line);
  void add_by_source(const Line& line, const NcclLine& parts, const RankFacts& rank);
  void scan(const Line& line, const NcclLine& parts, RankFacts* rank);
  void add_phrase(const Phrase& phrase, std::size_t end, const Line& line, const NcclLine& parts,
                  const RankFacts* rank);
  void add_variable(std::size_t end, const Line& line, const NcclLine& parts, RankFacts* rank);
  void add_version(std::string_view text, const NcclLine& parts, const Line& line);
  void add_stack(const NcclLine& parts, const Line& line, int host);
  void read_tools(const Line& line);
  void add_last_words(const Line& line);
  void note_progress(std::uint64_t number);
  bool has_kernel_log() const;
  int host_of_kernel(const Line& line);
  int kernel_log_of(int host);

  Observations& into_;
  EventBook events_;
  const PhraseFinder& finder_;
  std::unordered_map<std::string, std::size_t> ranks_;
  std::string last_front_;
  std::size_t last_rank_{};
  int anonymous_{-1};
  int file_{};
  std::string buffer_, key_;
  std::vector<std::unique_ptr<ToolReader>> tools_;
  std::map<std::pair<int, int>, int> kernel_logs_;  ///< by file and host, numbered from 1
};

/// Kinds that are kept apart only so that they are no unknown warnings: NCCL says them and goes on.
bool is_left_aside(Event kind);

/// Facts of a rank from NCCL's message, such as "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM". False: it holds
/// none, or something else may be in it, too.
bool read_facts(std::string_view message, RankFacts& rank, const Line& line, Observations& into);

/// The version at the front of the text, "2.21.5+cuda12.4"; what begins with no number is none.
void read_version(std::string_view text, RankFacts& rank, const Line& line, Observations& into);

}  // namespace fabricheck::diagnose
