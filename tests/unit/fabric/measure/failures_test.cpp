#include "fabric/verbs/measure/failures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "fabric/verbs/inline_size.hpp"
#include "fabric/verbs/registration.hpp"

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const Origin origin{"RC write of 8 B", "mlx5_0 port 1", "mlx5_3 port 1 on node8"};

TEST(CompletionError, NamesStatusVendorErrorPeerQueuePairAndCause) {
  const std::string words = completion_error({0, CompletionStatus::retry_exceeded, 0x81, 291, 0}, origin);
  EXPECT_THAT(words, AllOf(HasSubstr("IBV_WC_RETRY_EXC_ERR"), HasSubstr("vendor error 0x81"),
                           HasSubstr("queue pair 291"), HasSubstr("mlx5_3 port 1 on node8"),
                           HasSubstr("RC write of 8 B"), HasSubstr("path"), HasSubstr("GID")));
}

TEST(CompletionError, EveryStatusHasANameOfItsOwnAndACause) {
  std::set<std::string> names;
  for (int i = 1; i <= static_cast<int>(CompletionStatus::other); ++i) {
    const auto status = static_cast<CompletionStatus>(i);
    EXPECT_TRUE(names.insert(status_name(status)).second) << status_name(status);
    EXPECT_STRNE(usual_cause(status), "") << status_name(status);
  }
}

TEST(CompletionError, CausesThatTheFieldKnows) {
  EXPECT_THAT(usual_cause(CompletionStatus::local_protection),
              AllOf(HasSubstr("registered"), HasSubstr("ACS")));
  EXPECT_THAT(usual_cause(CompletionStatus::flushed), HasSubstr("echo"));
  EXPECT_THAT(usual_cause(CompletionStatus::rnr_retry_exceeded), HasSubstr("receives"));
}

TEST(Registration, MemlockSaysTheLineToWrite) {
  const std::string words = registration_error("mlx5_0", 8 << 20, ENOMEM, "Cannot allocate memory", 64 << 10);
  EXPECT_THAT(words, AllOf(HasSubstr("8 MiB"), HasSubstr("64 KiB"), HasSubstr("ulimit -l 64"),
                           HasSubstr("* soft memlock unlimited"), HasSubstr("* hard memlock unlimited"),
                           HasSubstr("/etc/security/limits.conf")));
}

TEST(Registration, OtherReasonsAreNotCalledMemlock) {
  EXPECT_THAT(registration_error("mlx5_0", 8 << 20, ENOMEM, "Cannot allocate memory", ~0ULL),
              Not(HasSubstr("memlock")));
  EXPECT_THAT(registration_error("mlx5_0", 8 << 20, EFAULT, "Bad address", 64 << 10),
              Not(HasSubstr("memlock")));
}

TEST(Events, APortThatWentDownIsSaid) {
  const AsyncEvent event = describe_event("mlx5_0", "port error", true, AsyncEvent::About::port, 1);
  EXPECT_TRUE(event.fatal);
  EXPECT_THAT(event.text, AllOf(HasSubstr("mlx5_0 port 1"), HasSubstr("link went down"), HasSubstr("cable")));
  EXPECT_EQ(event.port, 1);
  EXPECT_FALSE(describe_event("mlx5_0", "GID table change", false, AsyncEvent::About::port, 1).fatal);
  // The port of an event that is about none is whatever was in that place.
  const AsyncEvent device = describe_event("mlx5_0", "fatal error", true, AsyncEvent::About::device, 7);
  EXPECT_EQ(device.text, "mlx5_0 reported \"fatal error\"");
}

/// What a device that takes only `takes` was asked, in order: 'd' for a dmabuf, 'r' for relaxed ordering.
struct Asked {
  std::vector<std::string> ways;
  Registration how;
  bool given{};
  int why{};
};

Asked ask(Registration how, const std::function<int(const Registration&)>& answer) {
  Asked asked{{}, how};
  int region = 0;
  asked.given =
      with_most_rights(asked.how, [&](const Registration& one) -> int* {
        asked.ways.push_back(std::string(one.as_dmabuf ? "d" : "") + (one.relaxed_ordering ? "r" : ""));
        errno = answer(one);
        return errno == 0 ? &region : nullptr;
      }) != nullptr;
  asked.why = errno;
  return asked;
}

using Ways = std::vector<std::string>;

TEST(Registration, RelaxedOrderingIsGivenUpBeforeTheDmabuf) {
  const Asked asked =
      ask({true, true}, [](const Registration& how) { return how.relaxed_ordering ? EINVAL : 0; });
  EXPECT_TRUE(asked.given);
  EXPECT_EQ(asked.ways, (Ways{"dr", "d"}));
  EXPECT_TRUE(asked.how.as_dmabuf);
  EXPECT_FALSE(asked.how.relaxed_ordering);
}

TEST(Registration, ANicWithoutDmabufTakesTheMemoryByItsAddress) {
  const Asked asked =
      ask({true, true}, [](const Registration& how) { return how.as_dmabuf ? EOPNOTSUPP : 0; });
  EXPECT_TRUE(asked.given);
  EXPECT_EQ(asked.ways, (Ways{"dr", "d", "r"}));
  EXPECT_FALSE(asked.how.as_dmabuf);
  EXPECT_TRUE(asked.how.relaxed_ordering);
}

TEST(Registration, WhereNeitherGoesTheReasonIsTheDmabufs) {
  const Asked asked =
      ask({true, false}, [](const Registration& how) { return how.as_dmabuf ? EIO : EFAULT; });
  EXPECT_FALSE(asked.given);
  EXPECT_EQ(asked.ways, (Ways{"d", ""}));
  EXPECT_EQ(asked.why, EIO);
}

TEST(Registration, HostMemoryIsAskedForOnceWhereItIsTheLimitThatRefuses) {
  const Asked asked = ask({false, true}, [](const Registration&) { return ENOMEM; });
  EXPECT_FALSE(asked.given);
  EXPECT_EQ(asked.ways, (Ways{"r"}));
  EXPECT_EQ(asked.why, ENOMEM);
}

TEST(QueuePairs, LessIsAskedForInlineWhateverErrnoSays) {
  for (const int code : {0, EINVAL, ENOMEM, EOPNOTSUPP}) {
    std::vector<int> asked;
    int made = 0;
    const int* pair = with_most_inline(220, [&](int bytes) {
      asked.push_back(bytes);
      EXPECT_EQ(errno, 0) << "what an earlier call left is no answer";
      errno = code;
      return bytes <= 64 ? &made : nullptr;
    });
    EXPECT_EQ(pair, &made) << code;
    EXPECT_EQ(asked, (std::vector<int>{220, 110, 55})) << code;
  }
}

TEST(QueuePairs, NoneAtAllIsGivenUpWithTheLastReason) {
  int last = -1;
  EXPECT_EQ(with_most_inline(64,
                             [&](int bytes) -> int* {
                               last = bytes;
                               errno = bytes == 0 ? EPERM : EINVAL;
                               return nullptr;
                             }),
            nullptr);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(last, 0);
}

TEST(QueuePairs, ATransportThatIsMissingIsNoFault) {
  const auto thrown = [](Transport transport, int code) {
    try {
      throw_no_queue_pair("irdma0", transport, 16, code, "as told");
    } catch (const Unavailable& reason) {
      return std::string("SKIPPED ") + reason.what();
    } catch (const Error& error) {
      return std::string("ERROR ") + error.what();
    }
  };
  EXPECT_EQ(thrown(Transport::uc, EOPNOTSUPP), "SKIPPED irdma0 cannot do UC: as told");
  EXPECT_EQ(thrown(Transport::uc, 0), "SKIPPED irdma0 cannot do UC: as told");
  EXPECT_EQ(thrown(Transport::ud, EINVAL), "SKIPPED irdma0 cannot do UD: as told");
  EXPECT_EQ(thrown(Transport::rc, EOPNOTSUPP), "SKIPPED irdma0 cannot do RC: as told");
  EXPECT_EQ(thrown(Transport::rc, ENOSYS), "SKIPPED irdma0 cannot do RC: as told");
  for (const int code : {0, EINVAL, ENOMEM})
    EXPECT_THAT(thrown(Transport::rc, code), AllOf(HasSubstr("ERROR irdma0"), HasSubstr("16 work requests")));
  for (const int code : {ENOMEM, EACCES, EPERM}) EXPECT_THAT(thrown(Transport::uc, code), HasSubstr("ERROR"));
}

}  // namespace
}  // namespace fabricheck::verbs
