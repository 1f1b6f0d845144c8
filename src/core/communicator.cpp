#include "core/communicator.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

std::string as_string(std::span<const std::byte> bytes) {
  std::string text(bytes.size(), '\0');
  if (!bytes.empty()) std::memcpy(text.data(), bytes.data(), bytes.size());
  return text;
}

}  // namespace

void SelfCommunicator::reduce_last(std::span<const double> mine, std::span<double> maximum,
                                   std::span<int> who, int) {
  std::copy(mine.begin(), mine.end(), maximum.begin());
  std::fill_n(who.begin(), mine.size(), 0);
}

std::vector<Bytes> SelfCommunicator::gather(std::span<const std::byte> mine, int) {
  return {Bytes(mine.begin(), mine.end())};
}

void SelfCommunicator::send(std::span<const std::byte>, int to) {
  throw Error("a world of one rank has no rank " + std::to_string(to) + " to send to");
}

void SelfCommunicator::receive(std::span<std::byte>, int from) {
  throw Error("a world of one rank has no rank " + std::to_string(from) + " to receive from");
}

std::unique_ptr<Communicator> SelfCommunicator::split(int color, int) {
  return color < 0 ? nullptr : std::make_unique<SelfCommunicator>();
}

std::string broadcast_string(Communicator& communicator, std::string_view text, int root) {
  std::uint64_t size = text.size();
  communicator.broadcast(std::as_writable_bytes(std::span<std::uint64_t, 1>(&size, 1)), root);
  std::string result = communicator.rank() == root ? std::string(text) : std::string(size, '\0');
  communicator.broadcast(std::as_writable_bytes(std::span<char>(result.data(), result.size())), root);
  return result;
}

std::vector<std::string> gather_strings(Communicator& communicator, std::string_view mine, int root) {
  std::vector<std::string> all;
  for (const Bytes& bytes : communicator.gather(as_bytes(mine), root)) all.push_back(as_string(bytes));
  return all;
}

std::vector<std::string> allgather_strings(Communicator& communicator, std::string_view mine) {
  std::vector<std::string> all = gather_strings(communicator, mine, 0);
  std::string packed;
  for (const std::string& text : all) packed += std::to_string(text.size()) + ':' + text;
  packed = broadcast_string(communicator, packed, 0);
  all.clear();
  std::size_t at = 0;
  while (at < packed.size()) {
    const std::size_t colon = packed.find(':', at);
    const std::size_t size = std::stoull(packed.substr(at, colon - at));
    all.push_back(packed.substr(colon + 1, size));
    at = colon + 1 + size;
  }
  return all;
}

void all_or_none(Communicator& group, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::string words;
  try {
    work();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    words = error.what();
    if (words.empty()) words = "it failed";
  }
  const std::vector<std::string> all = allgather_strings(group, words);
  if (failure) std::rethrow_exception(failure);
  for (std::size_t rank = 0; rank < all.size(); ++rank)
    if (!all[rank].empty())
      throw Echo(fmt::format("rank {} of the group could not go on: {}", rank, all[rank]));
}

}  // namespace fabricheck
