# Timing, and the arithmetic and Markdown of the tables. A series is a file "$WORK/NAME.runs" with one line
# "seconds KiB" a run.
# shellcheck shell=bash

say() { echo "bench: $*" >&2; }
die() { say "$*"; exit 1; }

# once SERIES EXPECTED COMMAND...: runs COMMAND and adds its wall time and peak memory to SERIES. EXPECTED are
# the exit codes, such as 0 or 0,1, that mean the work was done. For a command that runs others the peak is that
# of its largest process.
once() {
  local series=$1 expected=$2 begin end status=0
  shift 2
  begin=$EPOCHREALTIME
  "$TIME" --quiet --format=%M --output="$WORK/peak" "$@" >"$WORK/$series.out" 2>"$WORK/$series.err" || status=$?
  end=$EPOCHREALTIME
  case ",$expected," in
    *",$status,"*) ;;
    *) tail -n 20 "$WORK/$series.err" >&2; die "exit code $status from: $*" ;;
  esac
  awk -v begin="$begin" -v end="$end" -v kib="$(cat "$WORK/peak")" \
    'BEGIN { printf "%.4f %d\n", end - begin, kib }' >>"$WORK/$series.runs"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

seconds() { cut -d' ' -f1 "$WORK/$1.runs" | median; }
kib() { cut -d' ' -f2 "$WORK/$1.runs" | median; }
runs() { wc -l <"$WORK/$1.runs"; }

# Fastest and slowest, to show how steady the machine was.
spread() { cut -d' ' -f1 "$WORK/$1.runs" | sort -n | awk 'NR == 1 { low = $1 } END { printf "%.2f–%.2f", low, $1 }'; }

# calc EXPRESSION [FORMAT]
calc() { awk "BEGIN { printf \"${2:-%.2f}\", $1 }"; }

# The one of several series that took least time.
fastest() {
  local series
  for series in "$@"; do echo "$(seconds "$series") $series"; done | sort -n | head -n 1 | cut -d' ' -f2
}

table_head() { printf '| program | median s | spread s | times docksweep | peak MiB | runs |\n|---|---:|---:|---:|---:|---:|\n'; }

# row LABEL SERIES BASE
row() {
  printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(calc "$(seconds "$2")")" "$(spread "$2")" \
    "$(calc "$(seconds "$2") / $(seconds "$3")" %.1f)" "$(calc "$(kib "$2") / 1024" %.1f)" "$(runs "$2")"
}

# bar CONDITION TEXT: one line that says whether what was promised holds.
bar() {
  local verdict='**not met**'
  if [ "$(calc "$1" %d)" = 1 ]; then verdict='met'; fi
  echo "- $2: $verdict"
}

commands() { printf '\n```\n'; printf '%s\n' "$@"; printf '```\n\n'; }
