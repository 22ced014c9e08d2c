// SPDX-License-Identifier: BSL-1.0

// Nothing of its own: the benchmarks' precompiled header is made for it, and reused by the others.
