#include "diagnose/end_words.hpp"

#include "diagnose/end_shapes.hpp"
#include "diagnose/phrases.hpp"

namespace fabricheck::diagnose {
namespace {

using enum EndShape;

constexpr Phrase mark(std::string_view text, EndShape shape = said) {
  return {text, Event::job_cut, Detail::none, static_cast<int>(shape), false};
}

/// Of an error that programs go on after as well as not.
constexpr Phrase complaint(std::string_view text, EndShape shape = said) {
  return {text, Event::complaint, Detail::none, static_cast<int>(shape), false};
}

// As few and as general as they can be: what one program alone says is a phrase.
constexpr Phrase kMarks[] = {
    mark("Error", thrown),
    mark("Exception", thrown),
    mark("KeyboardInterrupt", thrown),
    mark("core dumped"),
    mark("core-dump"),
    mark("dumped core"),
    mark("code=dumped"),
    // The shell's words in other languages.
    mark("核心已转储"),
    mark("段错误"),
    mark("已杀死", died_of),
    mark("Speicherabzug"),
    mark("Speicherzugriffsfehler"),
    mark("コアダンプ"),
    mark("セグメンテーション違反"),
    mark("Erreur de segmentation"),
    mark("Violación de segmento"),
    mark("Ошибка сегментирования"),
    mark("Segmentation fault", died_of),
    mark("Bus error", died_of),
    mark("Illegal instruction", died_of),
    mark("Floating point exception", died_of),
    mark("Aborted", died_of),
    mark("Killed", died_of),
    mark("SIGSEGV", signal_name),
    mark("SIGABRT", signal_name),
    mark("SIGBUS", signal_name),
    mark("SIGFPE", signal_name),
    mark("SIGILL", signal_name),
    mark("SIGKILL", signal_name),
    mark("ignal", signal_code),
    mark("exit", exit_word),
    mark("exited", exit_word),
    mark("xit code", status),
    mark("xit status", status),
    mark("exitcode", status),
    mark("ExitCode", status),
    mark("EXIT CODE", status),
    mark("return code", status),
    mark("returncode", status),
    mark("errorcode", status),
    mark("exited with", status),
    mark("exited with code", status),
    mark("terminated with", status),
    mark("terminated with code", status),
    mark("Abort(", status),
    mark("on-zero exit"),
    mark("returned non-zero"),
    mark("nan", no_number),
    mark("NaN", no_number),
    mark("NAN", no_number),
    mark("F", glog_fatal),
    mark(": F ", glog_fatal),
    mark("Check failed: "),
    mark(": *** ", make_failed),
    mark("marked dead"),
    mark(" died"),
    mark("eartbeat lost"),
    mark("job killed", killed_it),
    mark("was killed", killed_it),
    mark("were killed", killed_it),
    mark("been killed", killed_it),
    mark(" killed due to", killed_it),
    mark("undefined symbol: ", symbol),
    mark("std::bad_alloc"),
    mark("TERM_", limit_of_lsf),
    mark("alltime", exceeded),
    mark("timeout: sending signal"),
    mark("BackoffLimitExceeded"),
    mark("DEADLINE_EXCEEDED"),
    mark("Evicted", evicted),
    mark("receiver timeout"),
    mark("sender timeout"),
    mark("arrier timed out"),
    mark("broadcast block found in"),
    mark("waiting for remainder of ranks"),
    mark("Missing ranks:"),
    mark("recvValue failed"),
    mark("component was not found"),
    mark(" not responding, still trying"),
    mark("driver on your system is too old"),
    mark("access fault by"),
    mark("HW Exception by"),
    // Of hardware and of the tools that look at it.
    mark("| Fail", own_word),
    mark("| Failure", own_word),
    mark("Fail - "),
    mark("ERR!", own_word),
    mark("DEGRADED", own_word),
    mark("INCOMPLETE", own_word),
    mark("FATAL", fatal_word),
    mark("fatal error", fatal_word),
    mark("Fatal error", fatal_word),
    mark("lost carrier", carrier),
    mark("Unknown Error"),
    mark("connection lost: "),
    mark("uncorrected", ecc),
    mark("Uncorrected", ecc),
    mark("uncorrectable", ecc),
    mark("Uncorrectable", ecc),
    mark("ACTIVE to DOWN"),
    mark("bad nodes found", counted),
    mark("High temperature"),
    mark("dump error cqe"),
    // Libraries' and languages' own words at an end.
    mark("free(): ", at_front),
    mark("malloc(): ", at_front),
    mark("realloc(): ", at_front),
    mark("munmap_chunk(): ", at_front),
    mark("corrupted size vs. prev_size"),
    mark("stack smashing detected"),
    mark("Fatal glibc error"),
    mark("terminate called "),
    mark("pure virtual method called"),
    mark("panic: ", at_front),
    mark("' panicked at "),
    mark("Exception in thread "),
    mark("Assertion `", asserted),
    mark("INTERNAL ASSERT FAILED"),
    mark("nrecoverable error occurred"),
    mark("watchdog timeout", not_a_setting),
    mark("heartbeat timeout", not_a_setting),
    mark("SIGQUIT", signal_name),
    mark("Aborting with error"),
    mark("HSA_STATUS_ERROR"),
    mark("has been revoked"),
    mark("Error executing job with overrides"),
    // Launchers.
    mark("*** An error occurred in MPI_"),
    mark("MPI_INIT failed"),
    mark("MPI_INIT has failed"),
    mark("ORTE_ERROR_LOG: "),
    mark("PRTE ERROR: "),
    mark("PSM2 can't open"),
    mark("PSM3 can't open"),
    // What a job may be tried again after.
    complaint("Host key verification failed"),
    complaint("Permission denied ("),
    complaint("Could not resolve hostname"),
    complaint("closed by remote host"),
    complaint("send disconnect: Broken pipe"),
    complaint("Write failed: Broken pipe"),
    complaint("command not found", last),
    complaint(": No such file or directory", of_shell),
    complaint(": Permission denied", of_shell),
    complaint("error while loading shared libraries: "),
    complaint("' not found (required by "),
    complaint("can't open file '"),
    complaint(": No module named ", of_options),
    complaint(": error: ", of_options),
    complaint("Stale file handle", last),
    complaint("Disk quota exceeded", last),
    complaint("Input/output error", last),
    complaint("Read-only file system", last),
    complaint("No space left on device", last),
    complaint("is not compatible with the current PyTorch installation"),
    complaint("PMIX ERROR: "),
    complaint("<error> "),
    complaint("build stopped: "),
    complaint("Back-off restarting failed container"),
    complaint("ImagePullBackOff"),
    complaint("ErrImagePull"),
    complaint("CreateContainerError"),
    complaint("FailedScheduling"),
    complaint("Insufficient nvidia.com/gpu"),
    complaint("reached the specified backoff limit"),
    complaint("longer than specified deadline"),
    complaint("DeadlineExceeded"),
    complaint("NodeNotReady"),
    complaint("TaintManagerEviction"),
    complaint("was low on resource"),
    // Levels of loggers.
    complaint("ERROR", level_word),
    complaint("CRITICAL", level_word),
    complaint("SEVERE", level_word),
    complaint("error    ", level_word),
    complaint("critical ", level_word),
    complaint("level", level_key),
    complaint("levelname", level_key),
    complaint("severity", level_key),
    complaint("E", level_letter),
};

const PhraseFinder& marks() {
  static const PhraseFinder finder(kMarks);
  return finder;
}

}  // namespace

LastWords last_words_of(std::string_view line) {
  LastWords words = LastWords::none;
  marks().find(line, [&](const Phrase& phrase, std::size_t end) {
    const auto shape = static_cast<EndShape>(phrase.code);
    const LastWords kind = phrase.event == Event::complaint ? LastWords::complaint : LastWords::end;
    if (kind <= words) return;
    const MarkPlace at{line, phrase.text, line.substr(0, end - phrase.text.size()), line.substr(end)};
    if (holds(shape, at) && !is_announced(at)) words = kind;
  });
  return words;
}

}  // namespace fabricheck::diagnose
