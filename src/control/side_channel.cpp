#include "control/side_channel.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck::control {
namespace {

/// Of one connection before the others have their turn: whoever floods it must not hold the watchdog.
constexpr int most_reads = 16;
/// What MPI, its drivers and the result may have open beside the connections; the half of a small limit.
constexpr rlim_t other_files = 256;

/// The sockets API wants one address type cast to another.
template <class Address>
sockaddr* generic(Address& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

void set_nonblocking(int descriptor) {
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length{};
};

std::optional<Endpoint> endpoint_of(const std::string& address, int port) {
  Endpoint endpoint;
  const auto network_port = htons(static_cast<std::uint16_t>(port));
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = network_port;
    std::memcpy(&endpoint.storage, &v4, sizeof v4);
    endpoint.length = sizeof v4;
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = network_port;
    std::memcpy(&endpoint.storage, &v6, sizeof v6);
    endpoint.length = sizeof v6;
  } else {
    return std::nullopt;
  }
  return endpoint;
}

/// One of several connections that are tried at once.
struct Attempt {
  std::string address;
  Descriptor socket;
  int error{};  ///< EINPROGRESS while it goes on
};

std::optional<Attempt> begin_attempt(const std::string& address, int port) {
  auto endpoint = endpoint_of(address, port);
  if (!endpoint) return std::nullopt;
  Attempt attempt{address, Descriptor(::socket(endpoint->storage.ss_family,
                                               SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  const bool is_connected =
      attempt.socket && ::connect(attempt.socket.get(), generic(endpoint->storage), endpoint->length) == 0;
  attempt.error = is_connected ? 0 : errno;
  return attempt;
}

/// Waits until one of them is through or has failed; whether any still goes on or is through.
bool go_on(std::vector<Attempt>& attempts, int at_most_ms) {
  std::vector<pollfd> set;
  set.reserve(attempts.size());
  for (const Attempt& one : attempts)  // poll leaves out what is negative
    set.push_back({one.error == EINPROGRESS ? one.socket.get() : -1, POLLOUT, 0});
  const bool any = std::any_of(set.begin(), set.end(), [](const pollfd& one) { return one.fd >= 0; });
  if (!any) return false;
  ::poll(set.data(), set.size(), at_most_ms);
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (set[i].revents == 0) continue;
    socklen_t length = sizeof attempts[i].error;
    ::getsockopt(attempts[i].socket.get(), SOL_SOCKET, SO_ERROR, &attempts[i].error, &length);
  }
  return true;
}

/// Of each address why it could not be reached.
std::string reasons_of(const std::vector<Attempt>& attempts, int port) {
  constexpr std::size_t most_named = 4;
  if (attempts.empty()) return "no address of rank 0 is known";
  std::string words;
  for (std::size_t i = 0; i < std::min(attempts.size(), most_named); ++i) {
    const int error = attempts[i].error == EINPROGRESS ? ETIMEDOUT : attempts[i].error;
    words += fmt::format("{}{}{}: {}", i == 0 ? "" : "; ", attempts[i].address,
                         i == 0 ? fmt::format(" port {}", port) : "", system_reason(error));
  }
  if (attempts.size() > most_named) words += fmt::format("; and {} more", attempts.size() - most_named);
  return words;
}

bool wait_writable(int descriptor, double seconds) {
  pollfd wait{descriptor, POLLOUT, 0};
  return ::poll(&wait, 1, static_cast<int>(seconds * 1000)) == 1;
}

}  // namespace

std::string format_contact(const Contact& contact) {
  std::string text = std::to_string(contact.token) + ' ' + std::to_string(contact.port);
  for (const std::string& address : contact.addresses) text += ' ' + address;
  return text;
}

std::optional<Contact> parse_contact(const std::string& text) {
  std::istringstream in(text);
  Contact contact;
  if (!(in >> contact.token >> contact.port) || contact.port <= 0 || contact.port > 65535)
    return std::nullopt;
  for (std::string address; in >> address;) contact.addresses.push_back(address);
  return contact;
}

Descriptor listen_anywhere(int& port) {
  // IPv6 with IPv4 mapped into it where there is IPv6, else IPv4 alone.
  for (const int family : {AF_INET6, AF_INET}) {
    Descriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) continue;
    Endpoint any;
    if (family == AF_INET6) {
      const int off = 0;
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      any = *endpoint_of("::", 0);
    } else {
      any = *endpoint_of("0.0.0.0", 0);
    }
    if (::bind(socket.get(), generic(any.storage), any.length) != 0) continue;
    if (::listen(socket.get(), 1024) != 0) continue;
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    ::getsockname(socket.get(), generic(bound), &length);
    sockaddr_in view{};  // the port lies at the same place in both families
    std::memcpy(&view, &bound, sizeof view);
    port = ntohs(view.sin_port);
    set_nonblocking(socket.get());
    return socket;
  }
  throw Error("the watchdog cannot listen on any TCP port of this host: " + system_reason(errno));
}

std::vector<std::string> interface_addresses() {
  std::vector<std::string> addresses, loopback;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {"127.0.0.1"};
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || !(one->ifa_flags & IFF_UP)) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, one->ifa_addr, sizeof v4);
      ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, one->ifa_addr, sizeof v6);
      if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) continue;  // useless without a scope
      ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    } else {
      continue;
    }
    ((one->ifa_flags & IFF_LOOPBACK) ? loopback : addresses).emplace_back(text.data());
  }
  ::freeifaddrs(list);
  addresses.insert(addresses.end(), loopback.begin(), loopback.end());
  return addresses;
}

std::vector<std::string> addresses_to_try(const std::vector<std::string>& theirs,
                                          const std::vector<std::string>& own) {
  const auto is_mine = [&](const std::string& address) {
    return address.starts_with("127.") || address == "::1" ||
           std::find(own.begin(), own.end(), address) != own.end();
  };
  std::vector<std::string> others;
  std::copy_if(theirs.begin(), theirs.end(), std::back_inserter(others),
               [&](const std::string& address) { return !is_mine(address); });
  return others.empty() ? theirs : others;
}

Descriptor connect_to(const Contact& contact, double seconds, std::string& reason) {
  std::vector<Attempt> attempts;
  for (const std::string& address : addresses_to_try(contact.addresses, interface_addresses()))
    if (auto attempt = begin_attempt(address, contact.port)) attempts.push_back(std::move(*attempt));
  const auto deadline =
      std::chrono::steady_clock::now() +
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
  for (;;) {
    for (Attempt& one : attempts) {
      if (one.error != 0) continue;
      const int on = 1;
      ::setsockopt(one.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return std::move(one.socket);
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !go_on(attempts, static_cast<int>(left.count()))) break;
  }
  reason = reasons_of(attempts, contact.port);
  return {};
}

void send_message(int descriptor, const ChannelMessage& message) {
  const ssize_t sent = ::send(descriptor, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 || sent == static_cast<ssize_t>(sizeof message)) return;
  // Half a message would put the stream out of frame for good: its rest must follow, or nothing any more.
  const char* rest = reinterpret_cast<const char*>(&message) + sent;
  std::size_t left = sizeof message - static_cast<std::size_t>(sent);
  while (left > 0) {
    const ssize_t more =
        wait_writable(descriptor, 1.0) ? ::send(descriptor, rest, left, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
    if (more <= 0) {
      ::shutdown(descriptor, SHUT_RDWR);
      return;
    }
    rest += more;
    left -= static_cast<std::size_t>(more);
  }
}

MessageReader::State MessageReader::read(int descriptor, std::vector<ChannelMessage>& messages) {
  std::array<char, 8 * sizeof(ChannelMessage)> buffer{};
  State state = State::open;
  for (int turn = 0; turn < most_reads; ++turn) {
    const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      pending_.insert(pending_.end(), buffer.begin(), buffer.begin() + got);
      continue;
    }
    if (got == 0) state = State::closed;
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) state = State::reset;
    break;
  }
  std::size_t at = 0;
  for (; pending_.size() - at >= sizeof(ChannelMessage); at += sizeof(ChannelMessage)) {
    ChannelMessage message;
    std::memcpy(&message, pending_.data() + at, sizeof message);
    message.text.back() = '\0';
    messages.push_back(message);
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
  return state;
}

int allow_connections(int connections) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const rlim_t wanted = static_cast<rlim_t>(connections) + other_files;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min<rlim_t>(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const rlim_t room = limit.rlim_cur - std::min(other_files, limit.rlim_cur / 2);
  return static_cast<int>(std::min<rlim_t>(room, static_cast<rlim_t>(connections)));
}

std::string too_few_files(int connections) {
  return fmt::format(
      "rank 0 may open too few files to hear more than {} rank{}; allow it more (ulimit -n, LimitNOFILE)",
      connections, connections == 1 ? "" : "s");
}

}  // namespace fabricheck::control
