// Lines that a logger calls errors, by where it puts the level. Programs go on after most of them, and end
// with some without another word.
#pragma once

#include "diagnose/end_shapes.hpp"

namespace fabricheck::diagnose {

/// The mark is a level in words: "ERROR:root:…", "10:00:00,1 - x - CRITICAL - …", "[ERROR] …".
bool is_word_of_level(const MarkPlace& at);
/// The mark is the key of a level: "level=error …", "\"severity\": \"ERROR\", …".
bool is_key_of_level(const MarkPlace& at);
/// The mark is the letter E: "E1128 10:00:00.1 7 a.cc:1] …", "[rank1]:[E909 …", "[E ProcessGroupGloo.cpp:1]
/// …".
bool is_letter_of_level(const MarkPlace& at);
/// "1128 10:00:00" behind a letter, or "909 08:45:30" as PyTorch writes it from January to September.
bool is_date_of_glog(std::string_view rest);

}  // namespace fabricheck::diagnose
