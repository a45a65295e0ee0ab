#!/bin/sh
# Draw the miss ratio of @NAME@ at all sizes, beside lru, its nearest relatives and belady, to curve.svg, and what it gains on
# lru to gain.svg. Beside the pictures lie their data (.csv) and their scripts for gnuplot (.gp).
#
# usage: ./curve.sh [TRACE]     (trace.txt; POLICY, RELATIVES and SELFPAGE in the environment say what else)
set -eu
here=$(dirname "$0")
policy=${POLICY:-$here/build/@NAME@.so}
relatives=${RELATIVES:-clock,s3fifo} # those that your idea began with
selfpage=${SELFPAGE:-selfpage}
trace=${1:-$here/trace.txt}

case $policy in
*/*) ;;
*) policy=./$policy ;;
esac
"$selfpage" replay --policy "$policy" --policy "lru,$relatives" --curve curve.svg --sources --quiet "$trace"
"$selfpage" replay --policy "$policy" --policy "lru,$relatives" --curve gain.svg --baseline lru --sources --quiet "$trace"
echo "curve.svg, gain.svg"
