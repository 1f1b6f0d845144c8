// The faults that more than one part of the program can find, in words that are the same wherever one is
// found.
#pragma once

#include "core/fault_texts_host.hpp"
#include "core/fault_texts_job.hpp"
#include "core/fault_texts_link.hpp"
#include "core/fault_texts_network.hpp"
#include "core/fault_texts_node.hpp"
