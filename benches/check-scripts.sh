#!/usr/bin/env bash
# Checks every shell script in the repository with shellcheck. Says nothing when all is well.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=lib/apt.sh
. benches/lib/apt.sh

command -v shellcheck >/dev/null || apt_install shellcheck

mapfile -d '' -t tracked < <(git ls-files -z -- '*.sh' '*.sbatch' .ci/run)
scripts=()
for script in "${tracked[@]}"; do
  if [ -f "$script" ]; then scripts+=("$script"); fi # deleted and not committed yet
done
[ ${#scripts[@]} -gt 0 ] || { echo "check-scripts.sh: git lists no scripts here" >&2; exit 1; }

# -x and -P: what a script sources, beside it, is read with it, so that names defined there are known.
shellcheck -x -P SCRIPTDIR "${scripts[@]}" || { echo "check-scripts.sh: shellcheck has complaints, see above" >&2; exit 1; }
