// Knows a kernel's log by its shape, so that one without any fault counts as read. What it tells of is found
// by phrases.
#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

class KernelLog final : public ToolReader {
 public:
  const char* name() const override { return "kernel log"; }
  void begin_file() override { lines_ = 0; }

  bool read(const Line& line, [[maybe_unused]] Observations& into,
            [[maybe_unused]] EventBook& events) override {
    // One such line may stand in any program's output.
    constexpr int enough = 5;
    return is_kernel_line(line.text) && ++lines_ >= enough;
  }

 private:
  int lines_{};
};

}  // namespace

std::unique_ptr<ToolReader> make_kernel_log_reader() { return std::make_unique<KernelLog>(); }

}  // namespace fabricheck::diagnose
