#include <algorithm>
#include <cstddef>
#include <map>
#include <queue>

#include "diagnose/phrases.hpp"

namespace fabricheck::diagnose {

PhraseFinder::PhraseFinder(std::span<const Phrase> phrases) : phrases_(phrases) {
  width_ = 1;  // class 0: characters of no phrase
  for (const Phrase& phrase : phrases)
    for (const char c : phrase.text) {
      std::uint8_t& known = classes_[static_cast<unsigned char>(c)];
      if (known == 0) known = static_cast<std::uint8_t>(width_++);
    }
  // States of the trie, numbered one by one here, and by rows of the table when it is done.
  std::vector<std::vector<std::uint32_t>> children(1, std::vector<std::uint32_t>(width_, 0));
  std::vector<std::uint32_t> ends(1, kNone);
  for (std::size_t p = 0; p < phrases.size(); ++p) {
    std::uint32_t state = 0;
    for (const char c : phrases[p].text) {
      const std::uint8_t symbol = classes_[static_cast<unsigned char>(c)];
      if (children[state][symbol] == 0) {
        children[state][symbol] = static_cast<std::uint32_t>(children.size());
        children.emplace_back(width_, 0);
        ends.push_back(kNone);
      }
      state = children[state][symbol];
    }
    ends[state] = static_cast<std::uint32_t>(p);
  }
  std::vector<std::uint32_t> fail(children.size(), 0), shorter(children.size(), kNone);
  std::queue<std::uint32_t> waiting;
  for (const std::uint32_t child : children[0])
    if (child != 0) waiting.push(child);
  for (; !waiting.empty(); waiting.pop()) {
    const std::uint32_t state = waiting.front();
    shorter[state] = ends[fail[state]] != kNone ? fail[state] : shorter[fail[state]];
    for (std::size_t symbol = 0; symbol < width_; ++symbol) {
      std::uint32_t& child = children[state][symbol];
      if (child != 0) {
        fail[child] = children[fail[state]][symbol];
        waiting.push(child);
      } else {
        child = children[fail[state]][symbol];
      }
    }
  }
  const std::size_t size = children.size() * width_;
  next_.resize(size);
  ends_.assign(size, kNone);
  shorter_.assign(size, kNone);
  hits_.assign(size, kNone);
  for (std::size_t state = 0; state < children.size(); ++state) {
    const std::size_t row = state * width_;
    for (std::size_t symbol = 0; symbol < width_; ++symbol)
      next_[row + symbol] = children[state][symbol] * width_;
    ends_[row] = ends[state];
    if (shorter[state] != kNone) shorter_[row] = shorter[state] * width_;
    if (ends[state] != kNone || shorter[state] != kNone) hits_[row] = 0;
  }
}

const PhraseFinder& all_phrases() {
  static const PhraseFinder finder(phrases());
  return finder;
}

}  // namespace fabricheck::diagnose
