#include "fabric/verbs/gid_findings.hpp"

#include <algorithm>
#include <array>

namespace fabricheck::verbs {
namespace {

struct GidFault {
  const char* slug;
  Severity severity;
  const char* meaning;
  const char* advice;
};

constexpr std::array<GidFault, 3> faults{
    {{"roce-wrong-gid", Severity::bad,
      "the connection uses RoCE v1, whose packets are not routed and have no DSCP: it stays inside one VLAN "
      "and in no "
      "class of its own",
      "give both net devices an address of one family, and load the driver with RoCE v2 (cma_roce_mode -d "
      "DEVICE -p PORT "
      "-m 2); unset NCCL_IB_GID_INDEX or let it name a RoCE v2 entry"},
     {"roce-link-local", Severity::bad,
      "the connection uses link-local addresses: it works inside one VLAN at most, and NCCL may use another "
      "entry",
      "give both net devices an address of one family (ip addr add ADDRESS/LENGTH dev NETDEV)"},
     {"roce-gid-type-unknown", Severity::info, "the kernel does not tell whether this GID is RoCE v1 or v2",
      "look for the type by show_gids on the host itself; containers may hide it"}}};

}  // namespace

std::optional<Finding> gid_finding(const std::string& slug, const Component& path,
                                   const std::string& evidence) {
  const auto fault =
      std::find_if(faults.begin(), faults.end(), [&](const GidFault& row) { return slug == row.slug; });
  if (fault == faults.end()) return std::nullopt;
  Finding finding;
  finding.slug = fault->slug;
  finding.severity = fault->severity;
  finding.component = path;
  finding.meaning = fault->meaning;
  finding.evidence = {{"", 0, evidence}};
  finding.advice = fault->advice;
  finding.confirm = "show_gids; ip addr show dev NETDEV";
  finding.confidence = "certain";
  return finding;
}

}  // namespace fabricheck::verbs
