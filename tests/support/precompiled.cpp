// SPDX-License-Identifier: BSL-1.0
// Nothing: CMake precompiles a target's header only where one of its sources uses it, and doctest_main.cpp must not.
