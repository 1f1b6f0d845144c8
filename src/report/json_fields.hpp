// The JSON members of every record, named once for the reader and the writer. Private to src/report.
#pragma once

#include "core/run_record.hpp"
#include "report/topology_fields.hpp"

namespace fabricheck::report {

// members(visit, record) calls visit("key", record.field) for each member, in the order in which they are
// written.

template <class Visit, Is<Statistics> Record>
void members(Visit& visit, Record& statistics) {
  visit("samples", statistics.samples);
  visit("blocks", statistics.blocks);
  visit("repeats", statistics.repeats);
  visit("min", statistics.min);
  visit("median", statistics.median);
  visit("mean", statistics.mean);
  visit("p99", statistics.p99);
  visit("p999", statistics.p999);
  visit("max", statistics.max);
  visit("osu_mean", statistics.osu_mean);
  visit("barrier_median", statistics.barrier_median);
  visit("clock_error", statistics.clock_error);
  visit("decision_interval", statistics.decision_interval);
  visit("decision_confidence", statistics.decision_confidence);
  visit("late_starts", statistics.late_starts);
  visit("overruns", statistics.overruns);
  visit("verified", statistics.verified);
  visit("histogram", statistics.histogram);
}

template <class Visit, Is<Histogram> Record>
void members(Visit& visit, Record& histogram) {
  visit("upper", histogram.upper);
  visit("samples", histogram.samples);
}

template <class Visit, Is<LastRank> Record>
void members(Visit& visit, Record& last) {
  visit("rank", last.rank);
  visit("host", last.host);
  visit("share", last.share);
}

template <class Visit, Is<AppliedTarget> Record>
void members(Visit& visit, Record& target) {
  visit("comparison", target.comparison);
  visit("value", target.value);
  visit("statistic", target.statistic);
  visit("source", target.source);
}

template <class Visit, Is<CheckRecord> Record>
void members(Visit& visit, Record& check) {
  visit("id", check.id);
  visit("title", check.title);
  visit("scope", check.scope);
  visit("parameters", check.parameters);
  visit("metric", check.metric);
  visit("unit", check.unit);
  visit("value", check.value);
  visit("ci95", check.ci95);
  visit("statistics", check.statistics);
  visit("last", check.last);
  visit("target", check.target);
  visit("counters", check.counters);
  visit("path", check.path);
  visit("verdict", check.verdict);
  visit("reason", check.reason);
  visit("participants", check.participants);
}

template <class Visit, Is<Component> Record>
void members(Visit& visit, Record& component) {
  visit("kind", component.kind);
  visit("name", component.name);
  visit("host", component.host);
}

template <class Visit, Is<Evidence> Record>
void members(Visit& visit, Record& evidence) {
  visit("file", evidence.file);
  visit("line", evidence.line);
  visit("text", evidence.text);
}

template <class Visit, Is<Finding> Record>
void members(Visit& visit, Record& finding) {
  visit("slug", finding.slug);
  visit("severity", finding.severity);
  visit("component", finding.component);
  visit("meaning", finding.meaning);
  visit("evidence", finding.evidence);
  visit("advice", finding.advice);
  visit("confirm", finding.confirm);
  visit("confidence", finding.confidence);
  visit("explains", finding.explains);
  visit("caused_by", finding.caused_by);
}

template <class Visit, Is<NotTested> Record>
void members(Visit& visit, Record& not_tested) {
  visit("id", not_tested.id);
  visit("reason", not_tested.reason);
}

template <class Visit, Is<Fit> Record>
void members(Visit& visit, Record& fit) {
  visit("id", fit.id);
  visit("scope", fit.scope);
  visit("model", fit.model);
  visit("coefficients", fit.coefficients);
}

template <class Visit, Is<Matrix> Record>
void members(Visit& visit, Record& matrix) {
  visit("id", matrix.id);
  visit("unit", matrix.unit);
  visit("direction", matrix.direction);
  visit("rows", matrix.rows);
  visit("cols", matrix.cols);
  visit("data", matrix.data);
}

template <class Visit, Is<ToolInfo> Record>
void members(Visit& visit, Record& tool) {
  visit("version", tool.version);
  visit("git", tool.git);
  visit("built_with", tool.built_with);
}

template <class Visit, Is<WorldInfo> Record>
void members(Visit& visit, Record& world) {
  visit("ranks", world.ranks);
  visit("nodes", world.nodes);
  visit("launcher", world.launcher);
  visit("hosts", world.hosts);
  visit("mpi", world.mpi);
}

template <class Visit, Is<RunRecord> Record>
void members(Visit& visit, Record& record) {
  visit("schema", record.schema);
  visit("tool", record.tool);
  visit("started", record.started);
  visit("duration_s", record.duration_s);
  visit("command", record.command);
  visit("world", record.world);
  visit("verdict", record.verdict);
  visit("exit_status", record.exit_status);
  visit("verdict_reason", record.verdict_reason);
  visit("overhead", record.overhead);
  visit("checks", record.checks);
  visit("findings", record.findings);
  visit("matrices", record.matrices);
  visit("fits", record.fits);
  visit("not_tested", record.not_tested);
  visit("topology", record.topology);
}

}  // namespace fabricheck::report
