// The machine that the stand-in for NVML replays, read from the file that $FABRICHECK_STANDIN_NVML names.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace fabricheck::standin {

class Machine {
 public:
  static constexpr int kHost = -1;
  static constexpr int kNoLink = -1;

  /// The one of this process, read at the first use.
  static const Machine& get();

  Machine();
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Why the file is no machine; empty: it is one.
  const std::string& fault() const { return fault_; }

  unsigned count() const;

  /// Called first by every function: hangs or crashes where the machine says so; else the status that it
  /// gives this call, 0 where it gives none.
  int enter(const char* call, int gpu = kHost, int link = kNoLink) const;

  /// The value at a JSON pointer ("/pcie/gen") of the GPU or the host; a truth value is 0 or 1. Nothing where
  /// the file has none.
  std::optional<long long> number(int gpu, const std::string& pointer) const;

  /// The same for a text, '#' in it replaced by the GPU's index.
  std::optional<std::string> text(int gpu, const std::string& pointer) const;

  /// Whether the list at the pointer holds the number.
  bool holds(int gpu, const std::string& pointer, int number) const;

  /// How long the list at the pointer is; 0 where there is none.
  unsigned size(int gpu, const std::string& pointer) const;

 private:
  struct Content;
  std::string fault_;
  std::unique_ptr<Content> content_;
};

}  // namespace fabricheck::standin
