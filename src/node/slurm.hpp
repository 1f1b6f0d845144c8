// Slurm, as far as a node speaks to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.hpp"
#include "node/drain.hpp"

namespace fabricheck::node {

/// A problem is a part of a sentence; empty: it was done.
class SlurmControl {
 public:
  SlurmControl() = default;
  SlurmControl(const SlurmControl&) = delete;
  SlurmControl& operator=(const SlurmControl&) = delete;
  virtual ~SlurmControl() = default;

  struct Nodes {
    std::vector<SlurmNode> nodes;
    std::string problem;
  };
  virtual Nodes nodes() = 0;
  virtual Nodes node(const std::string& name) = 0;
  virtual std::string drain(const std::string& node, const std::string& reason) = 0;
  virtual std::string resume(const std::string& node) = 0;
  /// Puts back, while its prolog still runs, a node that was drained a moment ago.
  virtual std::string take_back(const std::string& node) = 0;
};

/// By scontrol, started without a shell and with an environment of its own.
class Scontrol final : public SlurmControl {
 public:
  /// `slurm_conf`: empty where scontrol finds it itself.
  /// Each call ends by `until`.
  Scontrol(std::string program, const std::string& slurm_conf, const Deadline& until);

  Nodes nodes() override;
  Nodes node(const std::string& name) override;
  std::string drain(const std::string& node, const std::string& reason) override;
  std::string resume(const std::string& node) override;
  std::string take_back(const std::string& node) override;

 private:
  Nodes show(const std::vector<std::string>& what);
  std::string update(const std::string& node, const std::vector<std::string>& words);
  std::string program_;
  std::vector<std::string> environment_;
  Deadline until_;
};

/// Does what was decided, and takes a drain back where others drained too many nodes in the same moment, or
/// where that cannot be told; what came of it.
Decision carry_out(SlurmControl& slurm, DrainQuestion question, Decision decision, const NodeConfig& config);

/// Whether it can be the name of a node: letters, digits, '.', '_' and '-'. Anything else may be a range of
/// nodes to scontrol.
bool is_node_name(std::string_view name);

}  // namespace fabricheck::node
