#include "core/speaker.hpp"

#include <charconv>

namespace fabricheck {

std::optional<Speaker> speaker_of(std::string_view sentence) {
  constexpr std::string_view front = "rank ", on = " on ";
  if (!sentence.starts_with(front)) return std::nullopt;
  Speaker speaker;
  const char* const end = sentence.data() + sentence.size();
  const auto [behind, error] = std::from_chars(sentence.data() + front.size(), end, speaker.rank);
  if (error != std::errc{} || speaker.rank < 0) return std::nullopt;
  const std::string_view rest = sentence.substr(static_cast<std::size_t>(behind - sentence.data()));
  const std::size_t colon = rest.find(": ");
  if (!rest.starts_with(on) || colon == std::string_view::npos) return std::nullopt;
  speaker.host = rest.substr(on.size(), colon - on.size());
  if (speaker.host.empty() || speaker.host.find(' ') != std::string::npos) return std::nullopt;
  speaker.length = sentence.size() - rest.size() + colon + 2;
  return speaker;
}

}  // namespace fabricheck
