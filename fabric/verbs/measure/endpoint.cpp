#include "fabric/verbs/measure/endpoint.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "fabric/verbs/measure/failures.hpp"

namespace fabricheck::verbs {
namespace {

constexpr std::size_t cache_line = 64;
/// What precedes the payload of a received datagram (InfiniBand Architecture Specification, 11.4.1.2).
constexpr std::size_t grh_bytes = 40;
constexpr unsigned looks_between_events = 64;
constexpr int most_outstanding_reads = 16;
/// 67 ms, perftest's default: with 7 retries at least half a second until a connection is given up.
constexpr int ack_timeout = 14;
/// 1.1 s: a NIC in software answers when its host's processors get to it, and a peer that is only late is
/// not to be taken for one that lost a packet.
constexpr int ack_timeout_in_software = 18;

// A label of its own for each queue pair, never 0, which leaves the choice to the NIC.
std::uint32_t flow_label(int pair) {
  return (0x10001U + static_cast<std::uint32_t>(pair) * 0x1f35bU) & 0xfffffU;
}

std::uint32_t first_packet_of(std::uint32_t queue_pair) {
  return (queue_pair * 2654435761U >> 8) & 0xffffffU;
}

std::string hex_of(const RawGid& gid) {
  std::string text;
  for (const std::uint8_t byte : gid) text += fmt::format("{:02x}", byte);
  return text;
}

RawGid gid_of(const std::string& hex) {
  RawGid gid{};
  for (std::size_t i = 0; i < gid.size(); ++i)
    gid[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return gid;
}

/// The upper 8 bytes are InfiniBand's subnet prefix.
bool same_subnet(const RawGid& a, const RawGid& b) { return std::equal(a.begin(), a.begin() + 8, b.begin()); }

}  // namespace

template <typename Work>
std::string Endpoint::exchange(Work&& work) {
  std::string mine;
  std::exception_ptr failure;
  const auto words = [](const std::exception& error) { return std::string("!") + error.what(); };
  try {
    mine = ' ' + work();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    mine = words(error);
  }
  const std::vector<std::string> both = allgather_strings(pair_, mine);
  if (failure) std::rethrow_exception(failure);
  const std::string& theirs = both[static_cast<std::size_t>(1 - side_)];
  if (theirs.front() == '!')
    throw Echo(fmt::format("the peer{} could not go on: {}", peer_.host.empty() ? "" : " " + peer_.host,
                           theirs.substr(1)));
  return theirs.substr(1);
}

Endpoint::Endpoint(const LocalPort& local, Communicator& pair, ConnectionRequest request)
    : local_(local),
      pair_(pair),
      request_(std::move(request)),
      side_(pair.rank()),
      spins_between_looks_(request_.yield ? 32 : 1024) {
  const std::string peer_text = exchange([&] {
    forget_old_events();
    attributes_ = local_.device->port(local_.place.port.number);
    check_limits();
    return fmt::format("{} {} {}\n{}", attributes_.active_mtu_bytes, own_outstanding_reads(),
                       attributes_.global_required ? 1 : 0, port_to_text(local_.place));
  });
  const std::string peer_addresses = exchange([&] {
    choose_path(peer_text);
    make_queues();
    return addresses();
  });
  exchange([&] {
    read_addresses(peer_addresses);
    return std::string();
  });
  // Receives are there before the peer's first send.
  exchange([&] {
    for (int i = 0; i < queue_pairs(); ++i)
      for (int r = 0; r < request_.receive_depth; ++r)
        post_receive(i, static_cast<std::size_t>(r) % request_.slots);
    return std::string();
  });
}

void Endpoint::check_limits() const {
  const DeviceLimits& limits = local_.device->limits();
  const std::string name = port_name(local_.place);
  if (request_.atomics && !limits.atomics)
    throw Unavailable(local_.place.device + " cannot do atomic operations");
  if (request_.message_bytes > attributes_.max_message_bytes)
    throw Unavailable(fmt::format("a message of {} is more than the {} that {} can send at once",
                                  format_bytes(request_.message_bytes),
                                  format_bytes(attributes_.max_message_bytes), name));
  if (!attributes_.active)
    throw Error(fmt::format("{} on {} is {}: nothing can be sent over it", name, local_.place.host,
                            attributes_.state));
  if (request_.queue_pairs > limits.max_queue_pairs)
    throw Unavailable(fmt::format("{} queue pairs are more than the {} that {} has", request_.queue_pairs,
                                  limits.max_queue_pairs, local_.place.device));
  const int depth = std::max(request_.send_depth, request_.receive_depth);
  if (depth > limits.max_work_requests)
    throw Unavailable(fmt::format("{} work requests in one queue are more than the {} that {} takes", depth,
                                  limits.max_work_requests, local_.place.device));
}

int Endpoint::own_outstanding_reads() const {
  return std::clamp(local_.device->limits().max_outstanding_reads, 1, most_outstanding_reads);
}

void Endpoint::choose_path(const std::string& peer_text) {
  const std::size_t line = peer_text.find('\n');
  std::istringstream facts(peer_text.substr(0, line));
  int peer_reads = 1;
  bool peer_global_required = false;
  facts >> peer_mtu_bytes_ >> peer_reads >> peer_global_required;
  // More than the responder has room for is refused by it.
  outstanding_reads_ = std::min(own_outstanding_reads(), peer_reads);
  global_ = attributes_.ethernet || request_.gid_wish.gid_index.has_value() || attributes_.global_required ||
            peer_global_required;
  peer_ = port_from_text(std::string_view(peer_text).substr(line + 1));
  try {
    gids_ = choose_gids(local_.place.port, peer_.port, request_.gid_wish);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{} on {} to {} on {}: {}", local_.place.device, local_.place.host,
                                 peer_.device, peer_.host, error.what()));
  } catch (const Unavailable& error) {
    throw Error(fmt::format("{} on {} to {} on {}: {}", local_.place.device, local_.place.host, peer_.device,
                            peer_.host, error.what()));
  }
  mtu_bytes_ = std::min(attributes_.active_mtu_bytes, peer_mtu_bytes_);
  if (request_.transport == Transport::ud && request_.message_bytes > static_cast<std::uint64_t>(mtu_bytes_))
    throw Unavailable(fmt::format("{} do not fit into one datagram of {} (the path's MTU)",
                                  format_bytes(request_.message_bytes),
                                  format_bytes(static_cast<std::uint64_t>(mtu_bytes_))));
}

void Endpoint::make_queues() {
  const bool datagrams = request_.transport == Transport::ud;
  const std::uint64_t one = request_.message_bytes + (datagrams ? grh_bytes : 0);
  stride_ = (one + cache_line - 1) / cache_line * cache_line;
  region_bytes_ = stride_ * request_.slots * static_cast<std::uint64_t>(request_.queue_pairs);
  // Other memory has a copy here of both directions, and what one of them goes through.
  const std::uint64_t host_bytes = (request_.memory ? 3 : 2) * region_bytes_;
  if (request_.memory_limit_bytes > 0 && host_bytes > request_.memory_limit_bytes)
    throw Unavailable(fmt::format("{} of buffers are more than this rank's share of the free memory, {}",
                                  format_bytes(host_bytes), format_bytes(request_.memory_limit_bytes)));
  device::Buffer here = device::Buffer::in_host_memory(2 * region_bytes_);
  std::fill(here.bytes().begin(), here.bytes().end(), std::byte{});
  if (request_.memory) {
    copy_ = std::move(here);
    buffer_ = request_.memory->allocate(2 * region_bytes_);
  } else {
    buffer_ = std::move(here);
  }
  try {
    region_ = local_.device->register_memory(buffer_, request_.relaxed_ordering);
  } catch (const Error& error) {
    if (!request_.memory) throw;
    throw Error(fmt::format(
        "memory of {} on {} cannot be registered with {}{}: {}", request_.memory->words(), local_.place.host,
        local_.place.device,
        buffer_.dmabuf() ? " as a dmabuf, nor by its address" : ", and no dmabuf of it could be exported",
        error.what()));
  }
  sends_ = local_.device->make_completion_queue(request_.queue_pairs * request_.send_depth);
  receives_ =
      local_.device->make_completion_queue(request_.queue_pairs * std::max(1, request_.receive_depth));
  QueuePairRequest wanted;
  wanted.transport = request_.transport;
  wanted.send_depth = request_.send_depth;
  wanted.receive_depth = std::max(1, request_.receive_depth);
  wanted.inline_bytes = request_.inline_bytes;
  wanted.atomics = local_.device->limits().atomics;
  wanted.pkey_index = pkey_index();
  for (int i = 0; i < request_.queue_pairs; ++i)
    pairs_.push_back(local_.device->make_queue_pair(*sends_, *receives_, wanted, local_.place.port.number));
  inline_bytes_ = pairs_.front()->inline_bytes();
}

std::string Endpoint::addresses() {
  gid_ = local_.device->gid(local_.place.port.number, gids_.mine.index);
  std::string text = fmt::format("{} {} {} {}", reinterpret_cast<std::uint64_t>(buffer_.bytes().data()),
                                 region_->remote_key(), hex_of(gid_), attributes_.lid);
  for (const auto& one : pairs_) text += fmt::format(" {}", one->number());
  if (request_.memory) text += fmt::format("\n{}\n{}", request_.memory->words(), registered_by());
  return text;
}

void Endpoint::read_addresses(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  std::getline(lines, peer_memory_);
  std::getline(lines, peer_registered_by_);
  std::istringstream words(line);
  std::string gid;
  std::uint32_t lid = 0, number = 0;
  words >> remote_.memory >> remote_.key >> gid >> lid;
  while (words >> number) remote_.pairs.push_back({number, first_packet_of(number), gid_of(gid), lid});
  if (remote_.pairs.size() != pairs_.size())
    throw Error(fmt::format("{} made {} queue pairs and {} made {}", local_.place.host, pairs_.size(),
                            peer_.host, remote_.pairs.size()));
  // LIDs route within a subnet only.
  global_ = global_ || !same_subnet(gid_, gid_of(gid));
  PathRequest path;
  path.port = local_.place.port.number;
  path.gid_index = gids_.mine.index;
  path.global = global_;
  path.mtu_bytes = mtu_bytes_;
  path.traffic_class = request_.traffic_class.traffic_class.value_or(0);
  path.service_level = request_.traffic_class.service_level.value_or(0);
  path.ack_timeout = local_.device->limits().software ? ack_timeout_in_software : ack_timeout;
  path.outstanding_reads = outstanding_reads_;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    if (request_.spread_flows) path.flow_label = flow_label(static_cast<int>(i));
    pairs_[i]->connect(path, remote_.pairs[i], first_packet_of(pairs_[i]->number()));
  }
}

std::string Endpoint::registered_by() const { return region_->is_dmabuf() ? "dmabuf" : "peermem"; }

std::uint64_t Endpoint::place(int pair, std::size_t slot) const {
  return (static_cast<std::uint64_t>(pair) * request_.slots + slot) * stride_;
}

std::uint64_t Endpoint::incoming_at(int pair, std::size_t slot) const {
  return region_bytes_ + place(pair, slot) + (request_.transport == Transport::ud ? grh_bytes : 0);
}

std::span<std::byte> Endpoint::outgoing(int pair, std::size_t slot) const {
  return seen().subspan(outgoing_at(pair, slot), request_.message_bytes);
}

std::span<std::byte> Endpoint::incoming(int pair, std::size_t slot) const {
  return seen().subspan(incoming_at(pair, slot), request_.message_bytes);
}

void Endpoint::send_out() {
  if (request_.memory) request_.memory->upload(buffer_.bytes().data(), copy_.bytes().first(region_bytes_));
}

void Endpoint::fetch() {
  if (request_.memory)
    request_.memory->download(copy_.bytes().subspan(region_bytes_), buffer_.bytes().data() + region_bytes_);
}

WorkRequest Endpoint::work(Opcode opcode, int pair, std::size_t slot, bool is_inline) const {
  WorkRequest request;
  request.opcode = opcode;
  request.id = static_cast<std::uint64_t>(pair);
  const bool fetches = opcode != Opcode::send && !is_write(opcode);
  request.local = buffer_.bytes().data() + (fetches ? incoming_at(pair, slot) : outgoing_at(pair, slot));
  request.bytes = static_cast<std::uint32_t>(request_.message_bytes);
  request.local_key = region_->local_key();
  request.remote = remote_.memory + place(pair, slot) + (is_write(opcode) ? region_bytes_ : 0);
  request.remote_key = remote_.key;
  request.is_inline = is_inline;
  return request;
}

void Endpoint::post_receive(int pair, std::size_t slot) {
  const std::size_t before = request_.transport == Transport::ud ? grh_bytes : 0;
  pairs_[static_cast<std::size_t>(pair)]->post_receive(
      {static_cast<std::uint64_t>(pair), buffer_.bytes().data() + incoming_at(pair, slot) - before,
       static_cast<std::uint32_t>(request_.message_bytes + before), region_->local_key()});
}

void Endpoint::wait_send() {
  if (early_sends_ > 0) {
    --early_sends_;
    return;
  }
  std::array<Completion, 1> one;
  wait([&] { return poll_sends(one) > 0; }, "the completion of its own message");
}

void Endpoint::wait_receive() {
  std::array<Completion, 1> one;
  auto ready = [&, spins = 0U]() mutable {
    if (poll_receives(one) > 0) return true;
    if (++spins % spins_between_looks_ == 0) early_sends_ += static_cast<int>(poll_sends(one));
    return false;
  };
  wait(ready, "a message");
}

void Endpoint::look(const char* for_what) {
  if (request_.yield) std::this_thread::yield();
  if (!patience_) {
    patience_.emplace(request_.patience);
    return;
  }
  if (++looks_ % looks_between_events == 0) check_events();
  if (!patience_->over()) return;
  check_events();
  const char* unreliable =
      request_.transport == Transport::rc
          ? ""
          : "; this transport does not send a lost message again, so one lost packet is enough";
  throw Echo(fmt::format("{} on {} to {} on {}: waited {} for {} and nothing came{}", request_.operation,
                         port_name(local_.place), port_name(peer_), peer_.host,
                         format_duration(request_.patience), for_what, unreliable));
}

void Endpoint::check_events() {
  while (const auto event = local_.device->next_event()) {
    const bool of_another_port =
        event->about == AsyncEvent::About::port && event->port != local_.place.port.number;
    if (event->fatal && !of_another_port) throw_event(*event);
  }
}

// What happened to the port before is not this connection's: whether it is up now is asked for next, and
// queues of its own it has none yet. Only a device that failed stays failed.
void Endpoint::forget_old_events() {
  while (const auto event = local_.device->next_event())
    if (event->fatal && event->about == AsyncEvent::About::device) throw_event(*event);
}

void Endpoint::throw_event(const AsyncEvent& event) const {
  throw Error(fmt::format("{} on {}: {}", request_.operation, local_.place.host, event.text));
}

void Endpoint::throw_failed(const Completion& completion) const {
  const std::string words = completion_error(
      completion,
      {request_.operation, port_name(local_.place), fmt::format("{} on {}", port_name(peer_), peer_.host)});
  if (completion.status == CompletionStatus::flushed) throw Echo(words);
  throw Error(words);
}

std::map<std::string, Parameter> Endpoint::path() const {
  std::map<std::string, Parameter> facts;
  facts["transport"] = std::string(transport_name(request_.transport));
  facts["from_port"] = port_name(local_.place);
  facts["to_port"] = port_name(peer_);
  facts["from_gid_index"] = static_cast<std::int64_t>(gids_.mine.index);
  facts["from_gid"] = gids_.mine.address;
  facts["to_gid_index"] = static_cast<std::int64_t>(gids_.theirs.index);
  facts["to_gid"] = gids_.theirs.address;
  facts["gid_type"] = gids_.mine.type;
  facts["gid_reason"] = gids_.mine.reason;
  if (!gids_.mine.finding.empty()) facts["gid_finding"] = gids_.mine.finding;
  facts["mtu_bytes"] = static_cast<std::int64_t>(mtu_bytes_);
  facts["queue_pairs"] = static_cast<std::int64_t>(request_.queue_pairs);
  facts["depth"] = static_cast<std::int64_t>(request_.send_depth);
  facts["relaxed_ordering"] = std::string(region_->relaxed_ordering() ? "yes" : "no");
  facts["inline"] = std::string(fits_inline() ? "yes" : "no");
  if (request_.memory) {
    facts["memory"] = request_.memory->words();
    facts["registered"] = registered_by();
    facts["peer_memory"] = peer_memory_;
    facts["peer_registered"] = peer_registered_by_;
  }
  facts["traffic_class"] = static_cast<std::int64_t>(request_.traffic_class.traffic_class.value_or(0));
  facts["service_level"] = static_cast<std::int64_t>(request_.traffic_class.service_level.value_or(0));
  if (!attributes_.ethernet) {
    facts["pkey_index"] = static_cast<std::int64_t>(pkey_index());
    facts["global_route_header"] = std::string(global_ ? "yes" : "no");
  }
  if (request_.transport == Transport::rc)
    facts["outstanding_reads"] = static_cast<std::int64_t>(outstanding_reads_);
  if (!request_.traffic_class.source.empty()) facts["class_source"] = request_.traffic_class.source;
  return facts;
}

}  // namespace fabricheck::verbs
