#include <gtest/gtest.h>
#include <mpi.h>

#include "collectives/mpi/catalog.hpp"
#include "mpi/session.hpp"

namespace fabricheck::test {

control::MpiSession* the_session = nullptr;

control::MpiSession& session() { return *the_session; }

}  // namespace fabricheck::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  fabricheck::control::MpiSession session(argc, argv);
  fabricheck::test::the_session = &session;
  if (session.world().rank() != 0) {
    // One rank's listing is enough; failures of all are printed.
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    class FailuresOnly final : public ::testing::EmptyTestEventListener {
      void OnTestPartResult(const ::testing::TestPartResult& result) override {
        if (result.failed())
          std::fprintf(stderr, "%s:%d: %s\n", result.file_name(), result.line_number(), result.message());
      }
    };
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly);
  }
  const int result = RUN_ALL_TESTS();
  fabricheck::collectives::mpi::release_communicators();
  session.finish();
  return result;
}
