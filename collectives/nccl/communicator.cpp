#include "collectives/nccl/communicator.hpp"

#include <array>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "collectives/nccl/settings.hpp"
#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::collectives::nccl {
namespace {

constexpr std::int64_t nap_ns = 100'000;
constexpr std::int64_t spin_ns = 200'000;
constexpr std::int64_t abort_ns = 2'000'000'000;
/// Each may last to its deadline, and a group has many checks.
constexpr int most_attempts = 2;

using Key = std::pair<int, std::vector<int>>;  // world rank, for ranks may be threads of one process

/// What one rank knows of one group. All ranks take part in each attempt, so all count the same.
struct Known {
  std::shared_ptr<GroupCommunicator> communicator;
  int failures{};   ///< attempts since one was made
  std::string why;  ///< the last one failed, in this rank's words
  bool was_echo{};  ///< another rank was the cause
};

struct Kept {
  std::mutex mutex;
  std::map<Key, Known> all;
};
Kept& kept() {
  static Kept one;
  return one;
}

std::string hex_of(const ncclUniqueId& id) {
  std::string text;
  for (const char byte : id.internal) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

ncclUniqueId id_of(const std::string& hex) {
  ncclUniqueId id{};
  constexpr int base = 16;
  for (std::size_t i = 0; i < sizeof id.internal; ++i)
    id.internal[i] = static_cast<char>(std::stoi(hex.substr(2 * i, 2), nullptr, base));
  return id;
}

std::string last_warning(const Calls& calls) {
  const char* last = calls.last_error(nullptr);
  return last ? last : "";
}

/// NCCL's own words for a result, without the advice to read what is captured already; `before` is an older
/// warning.
std::string words_of(const Calls& calls, ncclResult_t result, const std::string& before) {
  const char* general = calls.error_string(result);
  std::string text = general ? general : "an error that NCCL does not name";
  text = text.substr(0, text.find(" (run with NCCL_DEBUG="));
  if (const std::string last = last_warning(calls); !last.empty() && last != before)
    text += fmt::format(" ({})", last);
  return text;
}

std::string warning_since(const Calls& calls, const std::string& before) {
  const std::string last = last_warning(calls);
  return last.empty() || last == before ? "" : fmt::format("; NCCL's last warning: {}", last);
}

/// NCCL takes ranks of one version only, and not every version says so: some wait for each other for ever.
void refuse_mixed_versions(const Calls& calls, const TimedRequest& request) {
  std::array<double, 2> versions{static_cast<double>(calls.version), -static_cast<double>(calls.version)};
  request.group->allreduce(versions, ReduceOp::max);
  if (versions[0] == -versions[1]) return;
  std::map<std::string, std::vector<std::string>> who;
  int rank = 0;
  for (const std::string& one :
       allgather_strings(*request.group, calls.version_words() + " on " + request.host)) {
    const std::size_t cut = one.find(" on ");
    who[one.substr(0, cut)].push_back(
        fmt::format("rank {}{}", request.world_ranks[static_cast<std::size_t>(rank++)], one.substr(cut)));
  }
  std::string text;
  for (const auto& [version, ranks] : who)
    text += fmt::format("{}{} ({}{})", text.empty() ? "" : ", ", version, ranks.front(),
                        ranks.size() > 1 ? fmt::format(" and {} more", ranks.size() - 1) : "");
  throw Error(
      fmt::format("NCCL differs between ranks and takes one version only: {}; give all the same with "
                  "--nccl or LD_LIBRARY_PATH",
                  text));
}

std::shared_ptr<GroupCommunicator> make(const std::shared_ptr<const Calls>& calls,
                                        const TimedRequest& request,
                                        const std::shared_ptr<const cuda::Setup>& gpu,
                                        const std::string& gpu_words, std::int64_t deadline_ns) {
  refuse_mixed_versions(*calls, request);
  const std::int64_t until_ns = request.clock->now_ns() + deadline_ns;
  const std::string before = last_warning(*calls);
  std::string id;
  all_or_none(*request.group, [&] {
    if (request.group->rank() != 0) return;
    ncclUniqueId fresh{};
    const ncclResult_t result = calls->get_unique_id(&fresh);
    if (result != ncclSuccess)
      throw Error(fmt::format("ncclGetUniqueId failed: {}", words_of(*calls, result, before)));
    id = hex_of(fresh);
  });
  id = broadcast_string(*request.group, id, 0);
  std::shared_ptr<GroupCommunicator> made;
  const auto make_mine = [&] {
    const auto raw = std::make_shared<ncclComm_t>(nullptr);
    const auto begun = WatchedCall::begin(
        gpu, [calls, raw, size = request.group->size(), rank = request.group->rank(), unique = id_of(id)] {
          ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
          config.blocking = 1;
          return calls->init_rank(raw.get(), size, unique, rank, &config);
        });
    const std::optional<ncclResult_t> result = begun->await(*request.clock, until_ns);
    constexpr const char* call = "ncclCommInitRankConfig";
    const auto words = [&](const std::string& why) {
      return fmt::format("{}: NCCL made no communicator of {} ranks: {}", gpu_words, request.group->size(),
                         why);
    };
    // Whoever waits is not the cause, where another rank knows one.
    if (!result)
      throw Echo(words(fmt::format("{} was not done in time{}", call, warning_since(*calls, before))));
    if (*raw == nullptr) {
      const std::string text = words(fmt::format("{} failed: {}", call, words_of(*calls, *result, before)));
      if (*result == ncclRemoteError) throw Echo(text);
      throw Error(text);
    }
    made = std::make_shared<GroupCommunicator>(calls, gpu, *raw,
                                               *result == ncclSuccess ? last_warning(*calls) : before);
    try {
      made->must(*result, call, *request.clock, until_ns);
    } catch (const Echo& echo) {
      made->abort(*request.clock);
      throw Echo(words(echo.what()));
    } catch (const Error& error) {
      made->abort(*request.clock);
      throw Error(words(error.what()));
    }
  };
  try {
    all_or_none(*request.group, make_mine);
  } catch (const Error&) {
    if (made) made->abort(*request.clock);
    throw;
  }
  return made;
}

/// On every rank of the group, each with its own words: the cause is known from them, as it was then.
[[noreturn]] void refuse(const Known& known, int ranks) {
  const std::string text = fmt::format(
      "not tried again: {} checks tried to make a communicator of these {} ranks, and it failed: {}",
      known.failures, ranks, known.why);
  if (known.was_echo) throw Echo(text);
  throw Error(text);
}

}  // namespace

std::string GroupCommunicator::words(ncclResult_t result) const {
  return words_of(*calls_, result, warned_before_);
}

std::string GroupCommunicator::warning() const { return warning_since(*calls_, warned_before_); }

void GroupCommunicator::must(ncclResult_t result, const char* call, const Clock& clock,
                             std::int64_t until_ns) {
  const std::int64_t begun_ns = clock.now_ns();
  const bool was_at_work = result == ncclInProgress;
  while (result == ncclInProgress) {
    const ncclResult_t asked = calls_->async_error(communicator_, &result);
    if (asked != ncclSuccess) result = asked;
    if (result != ncclInProgress) break;
    if (clock.now_ns() >= until_ns) {
      broken_ = true;
      // Whoever waits is not the cause, where another rank knows one.
      throw Echo(fmt::format("{} was not done in time{}", call, warning()));
    }
    // A call that launches is timed with what follows it.
    if (clock.now_ns() - begun_ns > spin_ns) clock.sleep_ns(nap_ns);
  }
  if (result == ncclSuccess) {
    // Up to 2.26 only such a call clears what this thread still has of the one before (NCCL issue 1605).
    int ranks = 0;
    if (was_at_work) calls_->count(communicator_, &ranks);
    return;
  }
  broken_ = true;
  const std::string text = fmt::format("{} failed: {}", call, words(result));
  if (result == ncclRemoteError) throw Echo(text);
  throw Error(text);
}

void GroupCommunicator::must_within(std::function<ncclResult_t()> work, const char* call, const Clock& clock,
                                    std::int64_t until_ns) {
  under_way_ = WatchedCall::begin(gpu_, std::move(work));
  const std::optional<ncclResult_t> result = under_way_->await(clock, until_ns);
  if (!result) {
    broken_ = true;
    throw Echo(fmt::format("{} was not done in time and was left behind{}", call, warning()));
  }
  under_way_.reset();
  must(*result, call, clock, until_ns);
}

void GroupCommunicator::look() {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = calls_->async_error(communicator_, &state);
  if (asked != ncclSuccess) state = asked;
  if (state == ncclSuccess || state == ncclInProgress) return;
  broken_ = true;
  const std::string text = fmt::format("NCCL reports: {}", words(state));
  if (state == ncclRemoteError) throw Echo(text);
  throw Error(text);
}

bool GroupCommunicator::abort(const Clock& clock) {
  broken_ = true;
  if (communicator_ == nullptr) return !under_way_;
  const auto work = [calls = calls_, communicator = communicator_] { return calls->abort(communicator); };
  communicator_ = nullptr;
  if (under_way_ && under_way_->afterwards(work)) return false;
  under_way_.reset();
  WatchedCall::begin(gpu_, work)->await(clock, clock.now_ns() + abort_ns);
  return true;
}

void GroupCommunicator::finalize(const Clock& clock, std::int64_t until_ns) {
  if (communicator_ == nullptr) return;
  try {
    must_within([calls = calls_, communicator = communicator_] { return calls->finalize(communicator); },
                "ncclCommFinalize", clock, until_ns);
  } catch (const Error&) {
    // The measurements are over and told; what cannot end in order is ended.
    abort(clock);
  }
}

void GroupCommunicator::destroy(const Clock& clock, std::int64_t until_ns) {
  if (communicator_ == nullptr) return;
  const auto work = [calls = calls_, communicator = communicator_] { return calls->destroy(communicator); };
  communicator_ = nullptr;
  WatchedCall::begin(gpu_, work)->await(clock, until_ns);
}

std::shared_ptr<GroupCommunicator> group_communicator(const std::shared_ptr<const Calls>& calls,
                                                      const TimedRequest& request,
                                                      const std::shared_ptr<const cuda::Setup>& gpu,
                                                      const std::string& gpu_words,
                                                      std::int64_t deadline_ns) {
  const Key key{request.world_rank, request.world_ranks};
  Known known;
  {
    const std::lock_guard lock(kept().mutex);
    if (const auto found = kept().all.find(key); found != kept().all.end()) known = found->second;
  }
  const GroupCommunicator* mine = known.communicator.get();
  std::array<double, 2> state{!mine || mine->is_broken() || &mine->calls() != calls.get() ? 1.0 : 0.0,
                              static_cast<double>(known.failures)};
  request.group->allreduce(state, ReduceOp::max);
  if (state[0] == 0.0) return known.communicator;
  if (state[1] >= most_attempts) refuse(known, request.group->size());
  // One that failed elsewhere is of no use here, either.
  if (known.communicator) known.communicator->abort(*request.clock);
  known.communicator.reset();
  std::exception_ptr failure;
  try {
    known.communicator = make(calls, request, gpu, gpu_words, deadline_ns);
    known.failures = 0;
  } catch (const std::exception& error) {
    failure = std::current_exception();
    ++known.failures;
    known.why = error.what();
    known.was_echo = dynamic_cast<const Echo*>(&error) != nullptr;
  }
  {
    const std::lock_guard lock(kept().mutex);
    kept().all[key] = known;
  }
  if (failure) std::rethrow_exception(failure);
  return known.communicator;
}

void release_communicators(const Clock& clock, std::int64_t deadline_ns) {
  std::map<Key, Known> all;
  {
    const std::lock_guard lock(kept().mutex);
    all.swap(kept().all);
  }
  for (auto& [key, one] : all)
    if (one.communicator) one.communicator->finalize(clock, clock.now_ns() + deadline_ns);
  for (auto& [key, one] : all)
    if (one.communicator) one.communicator->destroy(clock, clock.now_ns() + deadline_ns);
}

bool is_call_under_way() { return WatchedCall::under_way() > 0; }

}  // namespace fabricheck::collectives::nccl
