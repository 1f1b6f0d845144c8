// The words that options with a fixed choice take. The parser, the help, the man page and the shell
// completion read the same ones; the first of each is the default.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "app/options.hpp"

namespace fabricheck::app {

template <typename Choice, std::size_t count>
using ChoiceWords = std::array<std::pair<const char*, Choice>, count>;

inline constexpr ChoiceWords<Suite, 4> suite_words{{{"quick", Suite::quick},
                                                    {"acceptance", Suite::acceptance},
                                                    {"full", Suite::full},
                                                    {"diagnose", Suite::diagnose}}};

inline constexpr ChoiceWords<ProgressMode, 3> progress_words{
    {{"auto", ProgressMode::automatic}, {"on", ProgressMode::on}, {"off", ProgressMode::off}}};

inline constexpr ChoiceWords<InPlace, 3> in_place_words{
    {{"off", InPlace::off}, {"on", InPlace::on}, {"both", InPlace::both}}};

inline constexpr ChoiceWords<Pairs, 3> pairs_words{
    {{"rail", Pairs::rail}, {"cross", Pairs::cross}, {"all", Pairs::all}}};

inline constexpr ChoiceWords<TopologyFormat, 5> topology_format_words{{{"tree", TopologyFormat::tree},
                                                                       {"matrix", TopologyFormat::matrix},
                                                                       {"json", TopologyFormat::json},
                                                                       {"dot", TopologyFormat::dot},
                                                                       {"svg", TopologyFormat::svg}}};

inline constexpr ChoiceWords<ReportFormat, 4> report_format_words{{{"console", ReportFormat::console},
                                                                   {"json", ReportFormat::json},
                                                                   {"md", ReportFormat::markdown},
                                                                   {"csv", ReportFormat::csv}}};

inline constexpr ChoiceWords<ListSubject, 4> list_subject_words{{{"checks", ListSubject::checks},
                                                                 {"targets", ListSubject::targets},
                                                                 {"platforms", ListSubject::platforms},
                                                                 {"findings", ListSubject::findings}}};

inline constexpr ChoiceWords<node::Profile, 4> profile_words{{{"prolog", node::Profile::prolog},
                                                              {"epilog", node::Profile::epilog},
                                                              {"health", node::Profile::health},
                                                              {"acceptance", node::Profile::acceptance}}};

/// The words alone, for the table of options.
template <typename Choice, std::size_t count>
constexpr std::array<const char*, count> words_of(const ChoiceWords<Choice, count>& choices) {
  std::array<const char*, count> words{};
  for (std::size_t i = 0; i < count; ++i) words[i] = choices[i].first;
  return words;
}

}  // namespace fabricheck::app
