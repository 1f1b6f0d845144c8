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

SlurmControl::Nodes Scontrol::nodes() {
  Nodes answer;
  const process::CommandEnd end =
      process::run_command({program_, "--oneliner", "show", "nodes"}, environment_, until_.left());
  if (!end.failure.empty()) {
    answer.problem = end.failure;
  } else if (end.exit_status != 0) {
    answer.problem = fmt::format("{} show nodes: {}", program_, words_of(end));
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

std::string Scontrol::resume(const std::string& node) { return update(node, {"State=RESUME"}); }

}  // namespace fabricheck::node
