#include "app/incident.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

using control::Incident;
using control::IncidentKind;
using ::testing::HasSubstr;

CheckRecord allreduce() {
  CheckRecord check;
  check.id = "mpi.allreduce.latency";
  check.title = "MPI allreduce latency";
  check.scope = "between nodes";
  check.parameters["bytes"] = std::int64_t{8};
  return check;
}

Incident of(IncidentKind kind) {
  Incident incident;
  incident.kind = kind;
  incident.culprits = {{2, "node3", 7, 2 * 512 + 1, 5.2}};
  return incident;
}

TEST(IncidentFinding, OfOneRankAloneNoMessageWasLost) {
  Incident incident = of(IncidentKind::stuck);
  incident.culprits.clear();
  incident.is_alone = true;
  incident.step = 2 * 7 + 1;
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.slug, "rank-hung");
  EXPECT_EQ(finding.meaning.find("ranks"), std::string::npos) << finding.meaning;
  EXPECT_NE(finding.meaning.find("iteration 7"), std::string::npos) << finding.meaning;
}

TEST(IncidentFinding, NamesRankHostCheckAndIteration) {
  for (const auto& [kind, slug] :
       {std::pair(IncidentKind::lost, "rank-lost"), std::pair(IncidentKind::silent, "rank-hung"),
        std::pair(IncidentKind::stuck, "rank-hung"), std::pair(IncidentKind::failed, "rank-failed")}) {
    const Finding finding = incident_finding(of(kind), allreduce());
    EXPECT_EQ(finding.slug, slug);
    EXPECT_EQ(finding.severity, Severity::fatal);
    EXPECT_EQ(finding.component.host, "node3");
    EXPECT_THAT(finding.meaning, HasSubstr("rank 2 on node3"));
    EXPECT_THAT(finding.meaning, HasSubstr("iteration 512"));
    EXPECT_THAT(finding.meaning, HasSubstr("MPI allreduce latency, 8 B, between nodes"));
    EXPECT_FALSE(finding.advice.empty());
  }
}

TEST(IncidentFinding, AWholeSilentHostIsTheHost) {
  Incident incident = of(IncidentKind::silent);
  incident.whole_host = true;
  EXPECT_EQ(incident_finding(incident, allreduce()).component.kind, "host");
  EXPECT_EQ(incident_finding(incident, allreduce()).component.name, "node3");
}

TEST(IncidentFinding, NobodyIsAccusedWithoutEvidence) {
  Incident incident = of(IncidentKind::stuck);
  incident.culprits.clear();
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.component.kind, "cluster");
  EXPECT_THAT(finding.advice, HasSubstr("no single rank"));
}

TEST(IncidentFinding, AnInterruptionIsNoFault) {
  Incident incident;
  incident.kind = IncidentKind::interrupted;
  incident.text = "SIGTERM";
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.slug, "interrupted");
  EXPECT_EQ(finding.severity, Severity::info);
  EXPECT_THAT(finding.meaning, HasSubstr("SIGTERM"));
  EXPECT_EQ(cut_short(allreduce(), incident, finding).verdict, Verdict::skipped);
}

TEST(IncidentFinding, BeforeTheFirstCheckItSaysSo) {
  EXPECT_THAT(incident_finding(of(IncidentKind::lost), std::nullopt).meaning,
              HasSubstr("before the first check"));
}

TEST(CutShort, IsAnErrorWithTheReasonAndNoValue) {
  CheckRecord check = allreduce();
  check.value = 3.0;
  const Incident incident = of(IncidentKind::lost);
  const CheckRecord cut = cut_short(check, incident, incident_finding(incident, check));
  EXPECT_EQ(cut.verdict, Verdict::error);
  EXPECT_FALSE(cut.value);
  EXPECT_THAT(cut.reason, HasSubstr("node3"));
}

}  // namespace
}  // namespace fabricheck::app
