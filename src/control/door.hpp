// Where rank 0 listens for the other ranks, and who comes. Private to this folder.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "control/side_channel.hpp"

namespace fabricheck::control {

/// A connection that has said which rank of this job it is.
struct Newcomer {
  Descriptor socket;
  MessageReader reader;
  std::vector<ChannelMessage> messages;  ///< what it has said until now; at least one
};

class Door {
 public:
  /// Listens for ranks 1 to `size` - 1 that know the token. Returns the port. Throws Error.
  int open(std::uint64_t token, int size);
  /// Adds what poll should wait for.
  void add_to(std::vector<pollfd>& set) const;
  /// Those who came since the last call. Others are sent away, at the latest after some seconds.
  std::vector<Newcomer> let_in();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Stranger {
    Descriptor socket;
    MessageReader reader;
    Instant since;
  };
  bool may_accept() const;
  void accept_all();

  Descriptor listening_;
  std::uint64_t token_{};
  int size_{};
  std::vector<Stranger> strangers_;
  Instant accept_again_;
};

}  // namespace fabricheck::control
