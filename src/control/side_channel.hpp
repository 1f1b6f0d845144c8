// Plain TCP for the watchdog: addresses, sockets, fixed-size messages.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.hpp"

namespace fabricheck::control {

enum class MessageKind : std::uint32_t { hello = 1, heartbeat, goodbye, failed, terminated, end, refused };

struct ChannelMessage {
  std::uint64_t token{};
  MessageKind kind{};
  std::int32_t rank{};
  std::uint64_t phase{};
  std::uint64_t step{};
  std::uint32_t idle{};
  std::array<char, 468> text{};  ///< zero-terminated
};

struct Contact {
  std::uint64_t token{};
  int port{};
  std::vector<std::string> addresses;  ///< numeric, this host's interfaces, loopback last
};
std::string format_contact(const Contact& contact);
/// nullopt when the text is no contact.
std::optional<Contact> parse_contact(const std::string& text);

/// Listens on every address, a free port. Throws Error.
Descriptor listen_anywhere(int& port);
/// This host's addresses that are up, numeric; IPv4 and global IPv6, loopback last.
std::vector<std::string> interface_addresses();
/// Of a host that listens at `theirs`, without those that mean this very host, as loopback's or a bridge's
/// that has the same address everywhere; all of them where none else is left, as on that host itself.
std::vector<std::string> addresses_to_try(const std::vector<std::string>& theirs,
                                          const std::vector<std::string>& own);
/// Tries all addresses at once, for at most `seconds`. An empty one with the reasons otherwise.
Descriptor connect_to(const Contact& contact, double seconds, std::string& reason);
/// Never raises SIGPIPE, and blocks only for the rest of half a message. A connection that is gone, or full,
/// is the reader's to notice: a heartbeat may be lost.
void send_message(int descriptor, const ChannelMessage& message);

/// Collects bytes of one connection into messages.
class MessageReader {
 public:
  enum class State { open, closed, reset };  ///< reset: not by an orderly end
  /// Reads what is there without blocking, as far as a turn of the watchdog goes.
  State read(int descriptor, std::vector<ChannelMessage>& messages);

 private:
  std::vector<char> pending_;
};

/// Raises the soft limit of open files so that rank 0 can hear `connections` ranks. Returns how many it can
/// hear: MPI and the result need files, too.
int allow_connections(int connections);
/// Why it is no more, and the mend.
std::string too_few_files(int connections);

}  // namespace fabricheck::control
