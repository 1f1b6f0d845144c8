#include "control/door.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace fabricheck::control {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto accept_pause = std::chrono::seconds(1);
constexpr auto most_silence = std::chrono::seconds(5);
/// Connections at once that have not yet said who they are.
constexpr std::size_t most_strangers = 64;

}  // namespace

int Door::open(std::uint64_t token, int size) {
  token_ = token;
  size_ = size;
  int port = 0;
  listening_ = listen_anywhere(port);
  return port;
}

/// Where it may not, poll would come back at once, again and again, for those who wait at the door.
bool Door::may_accept() const {
  return listening_ && Clock::now() >= accept_again_ && strangers_.size() < most_strangers;
}

void Door::add_to(std::vector<pollfd>& set) const {
  if (may_accept()) set.push_back({listening_.get(), POLLIN, 0});
  for (const Stranger& stranger : strangers_) set.push_back({stranger.socket.get(), POLLIN, 0});
}

void Door::accept_all() {
  while (may_accept()) {
    Descriptor socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE) accept_again_ = Clock::now() + accept_pause;
      return;
    }
    strangers_.push_back({std::move(socket), {}, Clock::now()});
  }
}

std::vector<Newcomer> Door::let_in() {
  accept_all();
  std::vector<Newcomer> newcomers;
  for (Stranger& stranger : strangers_) {
    std::vector<ChannelMessage> messages;
    const auto state = stranger.reader.read(stranger.socket.get(), messages);
    const bool known = !messages.empty() && messages.front().token == token_ && messages.front().rank > 0 &&
                       messages.front().rank < size_;
    if (known)
      newcomers.push_back({std::move(stranger.socket), std::move(stranger.reader), std::move(messages)});
    else if (state != MessageReader::State::open || !messages.empty() ||
             Clock::now() - stranger.since > most_silence)
      stranger.socket = Descriptor();  // a port scanner, or a job of another token
  }
  std::erase_if(strangers_, [](const Stranger& one) { return !one.socket; });
  return newcomers;
}

}  // namespace fabricheck::control
