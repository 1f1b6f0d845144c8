// The whole program with one planted fault, named by FABRICHECK_FAULT, and with stand-ins for GPUs, named by
// FABRICHECK_STANDIN_GPUS.
#include <cstdlib>

#include "app/program.hpp"
#include "support/fault_plan.hpp"
#include "support/standin_gpus.hpp"

int main(int argc, char** argv) {
  using namespace fabricheck;
  const char* text = std::getenv("FABRICHECK_FAULT");
  const test::FaultPlan plan = test::parse_fault(text ? text : "");
  app::Hooks hooks;
  hooks.wrap = [plan](std::unique_ptr<Operation> inner, const std::string& check, int rank) {
    return test::with_fault(std::move(inner), plan, check, rank);
  };
  hooks.wrap_timed = [plan](std::unique_ptr<TimedOperation> inner, const std::string& check, int rank) {
    return test::with_fault(std::move(inner), plan, check, rank);
  };
  if (const char* gpus = std::getenv("FABRICHECK_STANDIN_GPUS"))
    hooks.cuda_runtime = [words = std::string(gpus)](const std::string&) {
      return test::standin_runtime(words);
    };
  return app::program(argc, argv, hooks);
}
