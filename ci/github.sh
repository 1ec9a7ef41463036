#!/usr/bin/env bash
# The action's main step: runs the step's command under aex run, and says in an
# annotation why it failed. aex itself writes the job's summary.
set -uo pipefail
run=$INPUT_RUN budget=$INPUT_BUDGET agent=$INPUT_AGENT timeout=$INPUT_TIMEOUT flags=$INPUT_FLAGS
unset INPUT_RUN INPUT_BUDGET INPUT_AGENT INPUT_TIMEOUT INPUT_FLAGS

folder=$(mktemp -d "$RUNNER_TEMP/aex-XXXXXX") || exit 125
report=$folder/report.json script=$folder/step.sh
printf '%s\n' "$run" >"$script"
echo "report=$report" >>"$GITHUB_OUTPUT"

args=(run --budget "$budget" --agent "${agent:-${GITHUB_JOB:-ci}}" --report "$report")
[ -z "$timeout" ] || args+=(--timeout "$timeout")
read -r -d '' -a more <<<"$flags" # over lines, too; at its end read says 1
aex "${args[@]}" ${more[@]+"${more[@]}"} -- bash --noprofile --norc -eo pipefail "$script"
code=$?

field() { # of the report, which has one member a line
  [ -f "$report" ] && sed -n "s/^  \"$1\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}\$/\1/p" "$report"
}
dollars() { awk -v micro="${1:-0}" 'BEGIN { printf "$%.4f", micro / 1000000 }'; }

{
  echo "exit-code=$code"
  echo "run-id=$(field run_id)"
  echo "outcome=$(field outcome)"
  echo "spent-micro=$(field spent_micro)"
} >>"$GITHUB_OUTPUT"
[ "$code" -ne 0 ] || exit 0

calls=$(field calls) refused=$(field refused) reason=$(field reason)
spent="$(dollars "$(field spent_micro)") spent in ${calls:-0} $([ "${calls:-0}" = 1 ] && echo call || echo calls)"
[ "${refused:-0}" = 0 ] || spent="$spent, $refused refused; aex runs show tells why"
case $code in
121) why="${reason:-the budget is gone}, of $(dollars "$(field budget_micro)"); $spent; give it more with budget, or see the report for what it was spent on" ;;
122) why="a guard of aex ended it (${reason:-$(field outcome)}); $spent" ;;
124) why="it took longer than it may; $spent" ;;
125) why="aex could not run it; its message is in the log of this step" ;;
*) why="the command failed by itself with exit code $code; $spent" ;;
esac
why=${why//'%'/%25}
echo "::error title=aex::${why//$'\n'/%0A}"
exit "$code"
