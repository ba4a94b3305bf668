#!/usr/bin/env bash
# litmus 0.13: the same tests must fail as without the gateway. Needs litmus. About two minutes.
# EXPECTED_FAILURES are names of tests; the default is what Nextcloud 34 itself fails. litmus takes no CA and shows the password
# in the list of processes.
. "$(dirname "$0")/common.sh"
need litmus

EXPECTED_FAILURES=${EXPECTED_FAILURES-double_sharedlock fail_complex_cond_put indirect_refresh notowner_modify}
expect 201 --request MKCOL "$FILES/$THERE"
(cd "$HERE" && litmus -k "$FILES/$THERE/" "$USER_NAME" "$PASSWORD") >"$HERE/said" 2>&1 || true
grep -E '^<-' "$HERE/said" || differs "it did not run: $(cat "$HERE/said")"
sed -nE 's/.*[0-9]+\. ([a-z0-9_]+)\.* FAIL.*/\1/p' "$HERE/said" | sort >"$HERE/failed"
printf '%s\n' $EXPECTED_FAILURES | sort >"$HERE/expected"
diff "$HERE/expected" "$HERE/failed" || differs "other tests fail (< expected, > now)"
