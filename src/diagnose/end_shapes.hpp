// What stands around a mark of an end in a line, by which it is told from the same word in other lines.
#pragma once

#include <cstdint>
#include <string_view>

namespace fabricheck::diagnose {

/// What has to stand around a mark so that it tells of an end.
enum class EndShape : std::uint8_t {
  said,         ///< nothing more
  thrown,       ///< "[rank3]: ValueError: …", not in the middle of a sentence
  died_of,      ///< "Segmentation fault" as shells and runtimes write it
  signal_name,  ///< "SIGSEGV (@0x0) received by PID 7"
  signal_code,  ///< "signal 11", "signal (11)"
  status,       ///< a number that is neither 0 nor of a job that was ended on purpose
  no_number,    ///< nan as a loss or a norm
  glog_fatal,   ///< "F1128 10:00:01.1 7 a.cc:1] …"
  make_failed,  ///< "make: *** [train] Error 1"
  killed_it,    ///< "job killed", "was killed"
  symbol,       ///< not where it is ignored
  exit_word,    ///< a word of its own, and the status behind it
  limit_of_lsf,
  counted,     ///< a count before it that is not 0
  fatal_word,  ///< not where it is "non-fatal", a count of none, or git's
  own_word,    ///< in capitals, not a part of a name
  ecc,         ///< "uncorrectable" beside what is no count of none
  carrier,     ///< of a NIC, not of a container's veth
  evicted,     ///< the reason of a pod's end, not of a page's
  exceeded,    ///< a limit of time
  level_word,  ///< a logger's level, as the next two
  level_key,
  level_letter,
  at_front,       ///< only tags and times before it
  last,           ///< at the end of the line
  of_shell,       ///< "run.sh: line 12: ./train: Permission denied"
  of_options,     ///< "train.py: error: unrecognized arguments: --foo"
  not_a_setting,  ///< a time-out that passed, not "heartbeat timeout: 100"
  asserted,       ///< "Assertion `x > 0' failed."
};

/// A mark that was found in a line, and what stands before and behind it.
struct MarkPlace {
  std::string_view line, mark, before, rest;
};

/// Whether the mark stands as `shape` wants it.
bool holds(EndShape shape, const MarkPlace& at);
/// Help, settings and announcements of what would be done.
bool is_announced(const MarkPlace& at);

}  // namespace fabricheck::diagnose
