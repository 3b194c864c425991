// SPDX-License-Identifier: Apache-2.0
// process_pool_main(): the first line of a program that uses process_pool. Apart from process_pool.hpp, which is slow to compile.
#pragma once

namespace aya::inline v1 {

/// A pool's children are this program, started anew: in a child, this function runs the pool's calls and never returns. In every other
/// process it returns at once. Call it first thing in main(), before anything that a child should not do once more:
///
///     int main(int argc, char** argv) {
///         aya::process_pool_main(argc, argv);
///         ...
///
/// A process_pool refuses to be made in a program that has not called it. Objects of static storage are constructed in the children too.
/// Mirrors `if __name__ == "__main__":` with the start method "spawn".
void process_pool_main(int argc, char** argv);

} // namespace aya::inline v1
