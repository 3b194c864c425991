// SPDX-License-Identifier: Apache-2.0
// The I/O module as a whole: sockets, streams, subprocesses, signals. Link with aya_io. Not part of <aya/aya.hpp>, because it includes Boost.
#pragma once

#include <aya/io/await.hpp>
#include <aya/io/context.hpp>
