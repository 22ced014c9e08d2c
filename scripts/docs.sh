#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/docs.sh [FOLDER]: installs what is missing (scripts/setup.sh docs), and builds the documentation's site to
# FOLDER, or build/docs/site: the pages of docs/ (mkdocs-material), and each declaration of the public headers (Doxygen)
# under api/. A warning is an error, and so is a link that leads nowhere. Nothing is asked of a network, by the build or by the
# site. To read it with its search: python3 -m http.server -d build/docs/site
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/paths.sh

site=$(realpath -m "${1:-build/docs/site}")
scripts/setup.sh docs

# mkdocs empties the folder first.
$fanout_python -B -m mkdocs build --strict --site-dir "$site"
mkdir -p "$site/api"
(cat docs/site/Doxyfile && echo "OUTPUT_DIRECTORY = \"$site/api\"") | doxygen -
$fanout_python -B docs/site/check_links.py "$site"
echo "The site is in $site"
