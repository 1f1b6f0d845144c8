#include "node/drain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

namespace fabricheck::node {
namespace {

bool is_safe(char c) {
  constexpr std::string_view kUnsafe = "\"'`\\$[]{}<>|&!*?#~^=";
  return c >= ' ' && c <= '~' && kUnsafe.find(c) == std::string_view::npos;
}

bool has_word(const std::string& state, std::string_view word) {
  for (std::size_t at = state.find(word); at != std::string::npos; at = state.find(word, at + 1)) {
    const bool begins = at == 0 || state[at - 1] == '+';
    const std::size_t end = at + word.size();
    // Flags such as '*' or '~' may follow it at once.
    if (begins && (end == state.size() || (state[end] != '_' && (state[end] < 'A' || state[end] > 'Z'))))
      return true;
  }
  return false;
}

/// The word behind " KEY=" up to the next blank; empty: not there.
std::string word_behind(std::string_view line, std::string_view key) {
  const std::string head = fmt::format("{}=", key);
  for (std::size_t at = line.find(head); at != std::string_view::npos; at = line.find(head, at + 1)) {
    if (at != 0 && line[at - 1] != ' ') continue;
    const std::string_view rest = line.substr(at + head.size());
    return std::string(rest.substr(0, rest.find(' ')));
  }
  return {};
}

/// Slurm's time, local and without a zone: 2026-11-27T00:40:00.
std::optional<double> unix_time(std::string_view text) {
  std::tm parts{};
  int year = 0;
  const auto number = [&](std::size_t at, std::size_t size, int& into) {
    if (text.size() < at + size) return false;
    const char* const begin = text.data() + at;
    return std::from_chars(begin, begin + size, into).ptr == begin + size;
  };
  if (!number(0, 4, year) || !number(5, 2, parts.tm_mon) || !number(8, 2, parts.tm_mday) ||
      !number(11, 2, parts.tm_hour) || !number(14, 2, parts.tm_min) || !number(17, 2, parts.tm_sec))
    return std::nullopt;
  constexpr int kFirstYear = 1900;
  parts.tm_year = year - kFirstYear;
  parts.tm_mon -= 1;
  parts.tm_isdst = -1;
  const std::time_t time = std::mktime(&parts);
  return time < 0 ? std::nullopt : std::optional(static_cast<double>(time));
}

/// "fabricheck: nvlink: … [root@2026-11-27T00:40:00]" of the rest of a line.
void take_reason(std::string_view rest, SlurmNode& node) {
  const std::size_t open = rest.find(" [");
  const std::size_t close = open == std::string_view::npos ? open : rest.find(']', open);
  if (close == std::string_view::npos) {
    node.reason = std::string(rest);
    return;
  }
  node.reason = std::string(rest.substr(0, open));
  const std::string_view mark = rest.substr(open + 2, close - open - 2);
  const std::size_t at = mark.rfind('@');
  if (at != std::string_view::npos) node.reason_unix_s = unix_time(mark.substr(at + 1));
}

bool shares_partition(const SlurmNode& node, const std::vector<std::string>& partitions) {
  return std::any_of(node.partitions.begin(), node.partitions.end(), [&](const std::string& one) {
    return std::find(partitions.begin(), partitions.end(), one) != partitions.end();
  });
}

struct Drained {
  std::size_t nodes{};
  std::size_t out{};        ///< of them by fabricheck
  std::size_t last_hour{};  ///< in the whole cluster
};

const SlurmNode* find_node(const DrainQuestion& question) {
  const auto found = std::find_if(question.nodes.begin(), question.nodes.end(),
                                  [&](const SlurmNode& node) { return node.name == question.node; });
  return found == question.nodes.end() ? nullptr : &*found;
}

Drained count(const DrainQuestion& question, const std::string& partition) {
  constexpr double kHour_s = 3600;
  // Clocks of node and controller differ by a little.
  Drained drained;
  for (const SlurmNode& node : question.nodes) {
    const bool ours = node.is_out() && is_own_reason(node.reason);
    if (ours && (!node.reason_unix_s || *node.reason_unix_s > question.now_unix_s - kHour_s))
      ++drained.last_hour;
    if (!shares_partition(node, {partition})) continue;
    ++drained.nodes;
    if (ours) ++drained.out;
  }
  return drained;
}

std::size_t allowed_of(std::size_t nodes, const NodeConfig& config) {
  if (config.max_drain_percent <= 0) return 0;
  constexpr double kWhole = 100;
  const double share = std::floor(static_cast<double>(nodes) * config.max_drain_percent / kWhole);
  return std::max<std::size_t>(1, static_cast<std::size_t>(share));
}

std::vector<std::string> partitions_of(const DrainQuestion& question, const SlurmNode& node) {
  const auto& all = node.partitions;
  // A node may be in a small partition, too: the job's own is what it must not empty.
  if (!question.partition.empty() && std::find(all.begin(), all.end(), question.partition) != all.end())
    return {question.partition};
  return all;
}

/// Why `more` nodes beside those that are out would be too many; empty: they are not.
std::string breaker(const DrainQuestion& question, const SlurmNode& node, const NodeConfig& config,
                    std::size_t more) {
  for (const std::string& partition : partitions_of(question, node)) {
    const Drained drained = count(question, partition);
    const std::size_t allowed = allowed_of(drained.nodes, config);
    if (drained.out + more > allowed)
      return fmt::format(
          "{} of {} nodes of partition {} are drained by fabricheck and {} may be (max_drain_percent {:g})",
          drained.out, drained.nodes, partition, allowed, config.max_drain_percent);
  }
  const Drained drained = count(question, "");
  if (drained.last_hour + more > static_cast<std::size_t>(std::max(0, config.max_drain_per_hour)))
    return fmt::format(
        "{} nodes were drained by fabricheck within an hour and {} may be (max_drain_per_hour)",
        drained.last_hour, config.max_drain_per_hour);
  return {};
}

/// Whether the fault is one of GPUs that the job was not given. One that does not answer hangs whoever asks
/// the driver, whichever GPU that is for.
bool is_of_others(const Fault& fault, const std::optional<std::vector<int>>& job_gpus) {
  if (!job_gpus || fault.kind == "gpu-not-answering") return false;
  if (job_gpus->empty() && fault.topic == "xid") return true;
  const std::vector<int> gpus = gpus_of(fault.part);
  return !gpus.empty() && std::none_of(gpus.begin(), gpus.end(), [&](int gpu) {
    return std::find(job_gpus->begin(), job_gpus->end(), gpu) != job_gpus->end();
  });
}

bool concerns_job(const DrainQuestion& question) {
  return question.faults.empty() ||
         !std::all_of(question.faults.begin(), question.faults.end(),
                      [&](const Fault& fault) { return is_of_others(fault, question.job_gpus); });
}

Decision loud(DrainAction action, std::string reason, std::string log) {
  return {action, std::move(reason), std::move(log), true, false};
}

/// The first word of one of our own reasons: "nvlink" of "fabricheck: nvlink: GPU3 17 of 18 links up".
std::string_view topic_of(std::string_view reason) {
  reason.remove_prefix(std::min(reason.size(), kReasonHead.size()));
  return reason.substr(0, reason.find(": "));
}

/// Whether this visit saw that what the node was drained for is well. What the kernel log told once, it does
/// not tell again, and what many nodes measured one does not see.
bool is_mended(const DrainQuestion& question, std::string_view reason) {
  const std::string_view topic = topic_of(reason);
  const auto& passed = question.passed_topics;
  return topic != "xid" && topic != "acceptance" &&
         std::find(passed.begin(), passed.end(), topic) != passed.end();
}

Decision decide_to_resume(const DrainQuestion& question, const SlurmNode* node) {
  if (node == nullptr || !has_word(node->state, "DRAIN") || !is_own_reason(node->reason)) return {};
  for (const char* const word : {"DOWN", "FAIL", "FAILING"})
    if (has_word(node->state, word)) return {};
  if (!is_mended(question, node->reason)) return {};
  Decision decision = loud(DrainAction::resume, "",
                           fmt::format("resuming {}: nothing is wrong any more; it was drained for '{}'",
                                       question.node, node->reason));
  return decision;
}

constexpr std::string_view kCut = "...";

/// Takes so many characters out of the longest path's middle: what is wrong with it stands behind it.
void shorten_path(std::string& text, std::size_t excess) {
  constexpr std::size_t kLeast = 16;
  std::size_t longest = 0;
  std::size_t size = 0;
  for (std::size_t at = text.find('/'); at != std::string::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end - at > size) longest = at, size = end - at;
    at = text.find('/', end);
  }
  const std::size_t out = excess + kCut.size();
  if (size < kLeast + out) return;
  text.replace(longest + (size - out) / 2, out, kCut);
}

}  // namespace

std::string drain_reason(std::string_view topic, std::string_view text) {
  std::string reason{kReasonHead};
  const std::string rest = topic.empty() ? std::string(text) : fmt::format("{}: {}", topic, text);
  for (const char c : rest) reason += c == '[' ? '(' : c == ']' ? ')' : is_safe(c) ? c : '_';
  if (reason.size() > kLongestReason) shorten_path(reason, reason.size() - kLongestReason);
  if (reason.size() > kLongestReason)
    reason = reason.substr(0, kLongestReason - kCut.size()) + std::string(kCut);
  while (reason.ends_with(' ')) reason.pop_back();
  return reason;
}

bool is_own_reason(std::string_view reason) { return reason.starts_with(kReasonHead); }

bool SlurmNode::is_out() const {
  for (const char* const word : {"DRAIN", "DRAINED", "DRAINING", "DOWN", "FAIL", "FAILING"})
    if (has_word(state, word)) return true;
  return false;
}

std::vector<Fault> seen_twice(const std::vector<Fault>& first, const std::vector<Fault>& second) {
  std::vector<Fault> both;
  for (const Fault& fault : second) {
    const bool before = std::any_of(first.begin(), first.end(), [&](const Fault& other) {
      return other.deterministic && other.check == fault.check && other.kind == fault.kind &&
             other.part == fault.part;
    });
    if (fault.deterministic && before) both.push_back(fault);
  }
  return both;
}

std::vector<SlurmNode> parse_nodes(std::string_view text) {
  std::vector<SlurmNode> nodes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with("NodeName=")) continue;
    SlurmNode node;
    node.name = word_behind(line, "NodeName");
    node.state = word_behind(line, "State");
    const std::string partitions = word_behind(line, "Partitions");
    for (std::size_t begin = 0; begin < partitions.size();) {
      const std::size_t comma = std::min(partitions.find(',', begin), partitions.size());
      node.partitions.push_back(partitions.substr(begin, comma - begin));
      begin = comma + 1;
    }
    // What an administrator wrote may come before it or after it (Comment, Extra): the first counts.
    constexpr std::string_view kReason = " Reason=";
    if (const std::size_t at = line.find(kReason); at != std::string_view::npos)
      take_reason(line.substr(at + kReason.size()), node);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::string wanted_reason(const DrainQuestion& question, const NodeConfig& config) {
  if (!question.faults.empty()) {
    const Fault& worst = question.faults.front();
    // Of one part the device itself, the expectation and the platform may say the same.
    const auto more = std::count_if(question.faults.begin(), question.faults.end(),
                                    [&](const Fault& fault) { return fault.part != worst.part; });
    return drain_reason(worst.topic, more == 0 ? worst.text : fmt::format("{} (+{} more)", worst.text, more));
  }
  if (!question.unclear.empty() && config.on_error == OnError::drain)
    return drain_reason("not judged", question.unclear);
  return {};
}

Decision decide(const DrainQuestion& question, const NodeConfig& config) {
  const std::string reason = wanted_reason(question, config);
  const SlurmNode* const node = find_node(question);
  if (node != nullptr && !config.partitions.empty() && !shares_partition(*node, config.partitions)) {
    if (reason.empty()) return {};
    return {DrainAction::nothing, "",
            fmt::format("{} is in none of the configured `partitions` and left as it is; it has '{}'",
                        question.node, reason),
            false, false};
  }
  if (reason.empty()) {
    if (question.may_resume && config.mode == DrainMode::drain) return decide_to_resume(question, node);
    if (question.unclear.empty()) return {};
    return {DrainAction::nothing, "", fmt::format("{}: not judged: {}", question.node, question.unclear),
            false, false};
  }
  if (config.mode == DrainMode::observe)
    return {DrainAction::observe, reason, fmt::format("observe: would drain {}: {}", question.node, reason),
            false, false};
  if (node == nullptr) {
    const std::string why =
        question.slurm_problem.empty() ? "Slurm knows no such node" : question.slurm_problem;
    return loud(DrainAction::unknown, reason,
                fmt::format("NOT draining {}: {}; it would be for '{}'", question.node, why, reason));
  }
  if (node->is_out()) {
    const bool own = is_own_reason(node->reason);
    Decision decision = loud(own ? DrainAction::already : DrainAction::left_alone, reason,
                             fmt::format("{} is out already ({}: '{}'); it has '{}'", question.node,
                                         node->state, node->reason, reason));
    decision.refuses_job = concerns_job(question);
    return decision;
  }
  if (const std::string why = breaker(question, *node, config, 1); !why.empty())
    return loud(
        DrainAction::held_back, reason,
        fmt::format("CIRCUIT BREAKER: NOT draining {}: {}; look for one cause of all. It would be for '{}'",
                    question.node, why, reason));
  Decision decision = loud(DrainAction::drain, reason, fmt::format("draining {}: {}", question.node, reason));
  decision.refuses_job = concerns_job(question);
  return decision;
}

std::chrono::milliseconds turn_of(const DrainQuestion& question) {
  constexpr std::ptrdiff_t kTurns = 10;
  constexpr std::chrono::milliseconds kTurn{60};
  const auto place = std::find_if(question.nodes.begin(), question.nodes.end(),
                                  [&](const SlurmNode& node) { return node.name == question.node; });
  return kTurn * ((place - question.nodes.begin()) % kTurns);
}

bool has_own_drain(const DrainQuestion& question) {
  const SlurmNode* const node = find_node(question);
  return node != nullptr && is_own_reason(node->reason) && !has_word(node->state, "DOWN") &&
         !has_word(node->state, "FAIL") &&
         (has_word(node->state, "DRAIN") || has_word(node->state, "DRAINING") ||
          has_word(node->state, "DRAINED"));
}

bool is_over_limit(const DrainQuestion& question, const NodeConfig& config) {
  const SlurmNode* const node = find_node(question);
  return node == nullptr || !breaker(question, *node, config, 0).empty();
}

}  // namespace fabricheck::node
