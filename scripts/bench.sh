#!/usr/bin/env bash
# The calibration first, to read the other numbers by; then each benchmark's medians.
set -euo pipefail
bin=build/release
if [ -x $bin/bench-calibration ]; then
  $bin/bench-calibration
fi
found=
for bench in $bin/bench-${1:-*}; do
  if [ ! -x "$bench" ] || [ "$bench" = $bin/bench-calibration ]; then
    continue
  fi
  found=yes
  "$bench" --benchmark_min_time=0.2 --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
done
if [ -z "$found" ] && [ "${1:-}" != calibration ]; then
  echo "bench: no benchmark ${1:-in bench/}; there is: $(cd bench 2>/dev/null && ls ./*.cpp 2>/dev/null | sed 's|./||; s|[.]cpp||' | tr '\n' ' ')" >&2
  exit 2
fi
