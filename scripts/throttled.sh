#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/throttled.sh [limits, e.g. 16 adaptive:100]: records 1,000 videos in a DynamoDB table that throttles, once under
# each limit, and prints for each how many replies were throttled and how long it took.
# Starts and stops its own servers; the first run installs what is missing (scripts/setup.sh) and builds.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test >&2
. scripts/paths.sh

build=build/release
cmake --preset release -DFANOUT_BUILD_EXAMPLES=ON -DFANOUT_BUILD_TESTS=OFF >/dev/null
cmake --build $build --target video_snapshot >&2

# Debian's own Python sees PyMySQL and boto3, as in tests/integration/CMakeLists.txt.
python=/usr/bin/python3
[ -x $python ] || python=python3
FANOUT_VIDEO_SNAPSHOT=$PWD/$build/examples/video_snapshot/video_snapshot \
    FANOUT_DYNAMODB_LOCAL=$fanout_dynamodb_local FANOUT_NGINX=$(fanout_find_nginx) \
    exec $python -B tests/integration/throttled_table.py "$@"
