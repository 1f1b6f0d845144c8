// The whole program with one planted fault, named by FABRICHECK_FAULT.
#include <cstdlib>

#include "app/program.hpp"
#include "support/fault_plan.hpp"

int main(int argc, char** argv) {
  const char* text = std::getenv("FABRICHECK_FAULT");
  const fabricheck::test::FaultPlan plan = fabricheck::test::parse_fault(text ? text : "");
  fabricheck::app::Hooks hooks;
  hooks.wrap = [plan](std::unique_ptr<fabricheck::Operation> inner, const std::string& check, int rank) {
    return fabricheck::test::with_fault(std::move(inner), plan, check, rank);
  };
  return fabricheck::app::program(argc, argv, hooks);
}
