#!/bin/sh
# Play scenario.yaml under @NAME@ and under other arbiters in virtual time: print the faults of each task, and draw what each task
# holds over time, to ARBITER.svg. Beside each picture lie its data (.csv) and its script for gnuplot (.gp).
#
# usage: ./compare.sh [SCENARIO]     (ARBITER, OTHERS and SELFPAGE in the environment say what else)
set -eu
here=$(dirname "$0")
arbiter=${ARBITER:-$here/build/@NAME@.so}
others=${OTHERS:-fcfs maxmin karma}
selfpage=${SELFPAGE:-selfpage}
scenario=${1:-$here/scenario.yaml}

case $arbiter in
*/*) ;;
*) arbiter=./$arbiter ;;
esac
for one in "$arbiter" $others; do
    name=$(basename "$one" .so)
    "$selfpage" simulate "$scenario" --vary "arbiter=$one" --series "$name.csv" --step 1ms >"$name.txt" 2>&1 || { cat "$name.txt"; exit 1; }
    # Of the table that is printed: task, and in the sixth column its faults. Of the series: seconds, task, held.
    awk -v name="$name" '
        FNR == NR { if ($3 ~ /^[0-9]+$/ && $6 ~ /^[0-9]+$/) faults[$1] = $6; next }
        FNR > 1 && !($2 in seen) { tasks[++count] = $2 }
        FNR > 1 { held[$2] += $3; seen[$2]++ }
        END { for (i = 1; i <= count; i++)
            printf("%-16s %-12s %10d faults, %8.1f frames held on average\n", name, tasks[i], faults[tasks[i]], held[tasks[i]] / seen[tasks[i]]) }' \
        "$name.txt" FS=, "$name.csv"
    {
        echo "set datafile separator ','; set terminal svg size 960,640; set output '$name.svg'"
        echo "set title '$name' noenhanced; set xlabel 'seconds'; set ylabel 'frames held'; set yrange [0:*]; set key outside"
        awk -F, -v file="$name.csv" -v quote="'" '
            NR > 1 && !($2 in seen) { seen[$2] = 1; tasks[++count] = $2 }
            END { printf "plot "
                for (i = 1; i <= count; i++)
                    printf "%s%s%s%s using 1:(strcol(2) eq \"%s\" ? $3 : NaN) with points pt 7 ps 0.6 title \"%s\" noenhanced",
                        (i > 1 ? ", " : ""), quote, file, quote, tasks[i], tasks[i]
                print "" }' "$name.csv"
    } >"$name.gp"
    if command -v gnuplot >/dev/null; then
        gnuplot "$name.gp"
    fi
done
