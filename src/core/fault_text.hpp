// What is the same wherever a fault is found: its name, how bad it is, what it means, what to do. Kept in one
// place, so that a log, a topology and a measurement that show one fault say it in the same words.
#pragma once

#include "core/finding.hpp"

namespace fabricheck {

struct FaultText {
  const char* slug;
  Severity severity;
  const char* component;  ///< Component::kind
  const char* meaning;
  const char* advice;   ///< the command or setting
  const char* confirm;  ///< a command or look that confirms it
};

/// A finding with these words, still without evidence, name and host.
inline Finding finding_of(const FaultText& text, const char* confidence = "certain") {
  Finding finding;
  finding.slug = text.slug;
  finding.severity = text.severity;
  finding.component.kind = text.component;
  finding.meaning = text.meaning;
  finding.advice = text.advice;
  finding.confirm = text.confirm;
  finding.confidence = confidence;
  return finding;
}

}  // namespace fabricheck
