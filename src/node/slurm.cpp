#include "node/slurm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "process/command.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::node {
namespace {

/// The program's own words, on one line.
std::string words_of(const process::CommandEnd& end) {
  std::string text = end.errors.empty() ? end.output : end.errors;
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return topology::printable(text);
}

}  // namespace

bool is_node_name(std::string_view name) {
  constexpr std::size_t kLongest = 253;
  return !name.empty() && name.size() <= kLongest && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
         });
}

Scontrol::Scontrol(std::string program, const std::string& slurm_conf, const Deadline& until)
    : program_(std::move(program)),
      environment_{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SLURM_TIME_FORMAT=standard"},
      until_(until) {
  if (!slurm_conf.empty()) environment_.push_back("SLURM_CONF=" + slurm_conf);
}

SlurmControl::Nodes Scontrol::nodes() { return show({"nodes"}); }

SlurmControl::Nodes Scontrol::node(const std::string& name) {
  if (!is_node_name(name)) return {{}, fmt::format("{} is no name of a node", topology::in_quotes(name))};
  return show({"node", name});
}

SlurmControl::Nodes Scontrol::show(const std::vector<std::string>& what) {
  Nodes answer;
  std::vector<std::string> arguments{program_, "--oneliner", "show"};
  arguments.insert(arguments.end(), what.begin(), what.end());
  const process::CommandEnd end = process::run_command(arguments, environment_, until_.left());
  if (!end.failure.empty()) {
    answer.problem = end.failure;
  } else if (end.exit_status != 0) {
    answer.problem = fmt::format("{} show {}: {}", program_, what.front(), words_of(end));
  } else {
    answer.nodes = parse_nodes(end.output);
  }
  return answer;
}

std::string Scontrol::update(const std::string& node, const std::vector<std::string>& words) {
  if (!is_node_name(node)) return fmt::format("{} is no name of a node", topology::in_quotes(node));
  std::vector<std::string> arguments{program_, "update", "NodeName=" + node};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const process::CommandEnd end = process::run_command(arguments, environment_, until_.left());
  if (!end.failure.empty()) return end.failure;
  return end.exit_status == 0 ? "" : fmt::format("{} update: {}", program_, words_of(end));
}

std::string Scontrol::drain(const std::string& node, const std::string& reason) {
  return update(node, {"State=DRAIN", "Reason=" + reason});
}

// RESUME would also bring up a node that went down in the meantime.
std::string Scontrol::resume(const std::string& node) { return update(node, {"State=UNDRAIN"}); }

// After UNDRAIN the job that waits for the prolog waits for ever, three times of four (Slurm 22.05).
std::string Scontrol::take_back(const std::string& node) { return update(node, {"State=RESUME"}); }

namespace {

/// Why the drain of a moment ago stays; empty: it was taken back.
std::string take_back(SlurmControl& slurm, DrainQuestion& question) {
  if (!question.slurm_problem.empty()) {
    SlurmControl::Nodes answer = slurm.node(question.node);
    if (!answer.problem.empty()) return answer.problem;
    question.nodes = std::move(answer.nodes);
  }
  if (!has_own_drain(question)) return "its reason is no longer fabricheck's, or it is down";
  return slurm.take_back(question.node);
}

}  // namespace

Decision carry_out(SlurmControl& slurm, DrainQuestion question, Decision decision, const NodeConfig& config) {
  std::string problem;
  if (decision.action == DrainAction::resume) problem = slurm.resume(question.node);
  if (decision.action == DrainAction::drain) problem = slurm.drain(question.node, decision.reason);
  if (!problem.empty()) {
    decision.action = DrainAction::unknown;
    decision.refuses_job = false;
    decision.log = fmt::format("COULD NOT do it ({}): {}", problem, decision.log);
    return decision;
  }
  if (decision.action != DrainAction::drain) return decision;
  // Others may have drained themselves in the same moment: see is_over_limit().
  SlurmControl::Nodes answer = slurm.nodes();
  question.nodes = std::move(answer.nodes);
  question.slurm_problem = std::move(answer.problem);
  if (question.slurm_problem.empty() && !is_over_limit(question, config)) return decision;
  const std::string why =
      question.slurm_problem.empty()
          ? "others were drained at the same moment"
          : fmt::format("how many others are drained cannot be told ({})", question.slurm_problem);
  const std::string stays = take_back(slurm, question);
  if (stays.empty()) {
    decision.action = DrainAction::held_back;
    decision.refuses_job = false;
    decision.log = fmt::format("CIRCUIT BREAKER: NOT draining {}: {}; it would be for '{}'", question.node,
                               why, decision.reason);
  } else {
    decision.log = fmt::format(
        "CIRCUIT BREAKER: {} was drained for '{}' and should not be: {}; taking it "
        "back failed: {}",
        question.node, decision.reason, why, stays);
  }
  return decision;
}

}  // namespace fabricheck::node
