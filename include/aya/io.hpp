// SPDX-License-Identifier: Apache-2.0
// The I/O module as a whole: sockets, streams, subprocesses, signals. Link with aya_io. Not part of <aya/aya.hpp>, because it includes Boost.
#pragma once

#include <aya/io/address.hpp>
#include <aya/io/await.hpp>
#include <aya/io/context.hpp>
#include <aya/io/datagram.hpp>
#include <aya/io/errors.hpp>
#include <aya/io/files.hpp>
#include <aya/io/server.hpp>
#include <aya/io/signals.hpp>
#include <aya/io/stream.hpp>
#include <aya/io/subprocess.hpp>
#include <aya/io/tls.hpp>
