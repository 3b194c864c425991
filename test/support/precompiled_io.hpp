// SPDX-License-Identifier: Apache-2.0
// What the tests of sockets and of HTTP include beside the rest, compiled once for each executable.
#ifndef AYA_TEST_SUPPORT_PRECOMPILED_IO_HPP
#define AYA_TEST_SUPPORT_PRECOMPILED_IO_HPP

#include "support/precompiled.hpp"

#include <aya/io.hpp>
#include <aya/io/await.hpp>

#include <boost/asio.hpp>

#endif
