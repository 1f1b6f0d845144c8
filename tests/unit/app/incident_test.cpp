#include "app/incident.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace fabricheck::app {
namespace {

using control::Incident;
using control::IncidentKind;
using ::testing::HasSubstr;
using ::testing::Not;

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
  incident.phase = 7;
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

TEST(IncidentFinding, AResetMayComeFromWhatIsBetweenTheHosts) {
  Incident incident = of(IncidentKind::lost);
  EXPECT_THAT(incident_finding(incident, allreduce()).meaning, HasSubstr("rank 2 on node3 died in"));
  incident.culprits[0].is_reset = true;
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.slug, "rank-lost");
  EXPECT_THAT(finding.meaning, Not(HasSubstr("died")));
  EXPECT_THAT(finding.meaning, HasSubstr("something between the hosts"));
  EXPECT_THAT(finding.advice, HasSubstr("firewalls"));
  EXPECT_EQ(finding.confidence, "likely");
}

TEST(IncidentFinding, OfAStandstillSaysWhoIsNotHeard) {
  Incident incident = of(IncidentKind::stuck);
  incident.unheard = std::exchange(incident.culprits, {});
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.slug, "rank-hung");
  EXPECT_THAT(finding.meaning, HasSubstr("how far rank 2 on node3 came is not known"));
  EXPECT_THAT(finding.meaning, Not(HasSubstr("equally far")));
  EXPECT_EQ(finding.component.host, "");
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

TEST(IncidentFinding, WhoSendsTheSignalIsTold) {
  Incident incident;
  incident.kind = IncidentKind::interrupted;
  incident.text = "SIGTERM";
  IncidentFacts facts;
  facts.launcher = "mpirun";
  EXPECT_THAT(incident_finding(incident, allreduce(), facts).meaning,
              HasSubstr("SIGTERM (mpirun sends it for Ctrl-C, too, and when it has lost a host) "));
  facts.launcher = "srun";
  EXPECT_THAT(incident_finding(incident, allreduce(), facts).meaning, Not(HasSubstr("mpirun")));
  facts.launcher = "mpirun";
  incident.text = "SIGINT";
  EXPECT_THAT(incident_finding(incident, allreduce(), facts).meaning, Not(HasSubstr("mpirun")));
}

TEST(IncidentFinding, AnInterruptionNamesWhoWasNotHeardWhenItCame) {
  Incident incident = of(IncidentKind::interrupted);
  incident.text = "SIGTERM";
  incident.step = 2 * 600 + 1;
  const Finding finding = incident_finding(incident, allreduce());
  EXPECT_EQ(finding.slug, "interrupted");
  EXPECT_EQ(finding.confidence, "likely");
  EXPECT_EQ(finding.component.host, "node3");
  EXPECT_THAT(finding.meaning, HasSubstr("iteration 600")) << "where rank 0 was";
  EXPECT_THAT(finding.meaning, HasSubstr("of rank 2 on node3 nothing was heard for 5.2 s"));
  EXPECT_THAT(finding.confirm, HasSubstr("ping -c 3 node3"));
}

TEST(IncidentFinding, AnInterruptedHuntTellsHowFarItWasClean) {
  Incident incident;
  incident.kind = IncidentKind::interrupted;
  incident.text = "SIGINT";
  IncidentFacts facts;
  facts.verified = 4096;
  EXPECT_THAT(incident_finding(incident, allreduce(), facts).meaning,
              HasSubstr("4096 iterations of its --verify-repeat"));
  EXPECT_THAT(incident_finding(incident, allreduce()).meaning, Not(HasSubstr("--verify-repeat")));
}

TEST(IncidentFinding, TheEvidenceSaysWhereInTheWordsOfTheUser) {
  Incident incident = of(IncidentKind::stuck);
  const auto evidence = [&] { return incident_finding(incident, allreduce()).evidence.at(0).text; };
  EXPECT_THAT(evidence(), HasSubstr("in iteration 512 of MPI allreduce latency, 8 B"));
  incident.culprits[0].phase = 6;
  EXPECT_THAT(evidence(), HasSubstr("before it had come to MPI allreduce"));
  incident.culprits[0].phase = 8;
  EXPECT_THAT(evidence(), HasSubstr("after it had left MPI allreduce"));
  EXPECT_THAT(evidence(), Not(HasSubstr("phase")));
}

TEST(LauncherWords, SaysWhatToDoOnlyWhereMpirunMayWait) {
  IncidentFacts facts;
  facts.launcher = "mpirun";
  facts.silence = std::chrono::seconds(5);
  const Incident dead_link = of(IncidentKind::silent);
  EXPECT_THAT(launcher_words(dead_link, facts, "node1"), HasSubstr("--mca oob_tcp_keepalive_intvl 2 "));
  EXPECT_THAT(launcher_words(dead_link, facts, "node1"), HasSubstr("wait for node3"));
  EXPECT_EQ(launcher_words(dead_link, facts, "node3"), "") << "mpirun reaches its own host";
  EXPECT_EQ(launcher_words(of(IncidentKind::lost), facts, "node1"), "");
  facts.notices_in = std::chrono::seconds(10);
  EXPECT_EQ(launcher_words(dead_link, facts, "node1"), "");
  facts.notices_in = std::chrono::seconds(0);
  facts.launcher = "srun";
  EXPECT_EQ(launcher_words(dead_link, facts, "node1"), "");
}

TEST(LauncherNoticesIn, WhatMpirunWasTold) {
  std::map<std::string, std::string> variables{{"OMPI_COMM_WORLD_RANK", "2"}};
  const auto seconds = [&] {
    return launcher_notices_in(
               [&](const std::string& name) {
                 const auto found = variables.find(name);
                 return found == variables.end() ? std::nullopt : std::optional(found->second);
               },
               std::chrono::seconds(5))
        .count();
  };
  EXPECT_EQ(seconds(), 0);
  variables["OMPI_MCA_oob_tcp_keepalive_time"] = "2";
  variables["OMPI_MCA_oob_tcp_keepalive_intvl"] = "3";
  variables["OMPI_MCA_oob_tcp_keepalive_probes"] = "4";
  EXPECT_EQ(seconds(), 11) << "of 14 s after the death 5 are over, and 2 are for mpirun";
  variables["OMPI_MCA_oob_tcp_keepalive_time"] = "99999999999";
  EXPECT_EQ(seconds(), 0);
  variables["OMPI_MCA_oob_tcp_keepalive_time"] = "300";
  EXPECT_EQ(seconds(), 0) << "nobody waits for that";
  variables["OMPI_MCA_oob_tcp_keepalive_time"] = "2";
  variables.erase("OMPI_COMM_WORLD_RANK");
  EXPECT_EQ(seconds(), 0);
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
