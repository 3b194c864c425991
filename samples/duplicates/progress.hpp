// SPDX-License-Identifier: Apache-2.0
// The progress line on a terminal.
#pragma once

#include "pipeline.hpp"
#include "tally.hpp"

#include <aya/aya.hpp>

namespace duplicates {

// Draws the line ten times a second until it is cancelled, and removes it then.
aya::task<> show_progress(pipeline const* stages, tally const* counts);

}  // namespace duplicates
