#!/bin/sh
# Makes Alertmanager's configuration from the environment and starts it.
# What is set decides who is told: SLACK_WEBHOOK_URL (and SLACK_CHANNEL), PAGERDUTY_ROUTING_KEY,
# DEADMAN_WEBHOOK_URL. Without them alerts are seen in Alertmanager only.
set -eu
umask 077

template=$(dirname "$0")/alertmanager.yml
run=${ALERTMANAGER_RUN_DIR:-/run/alertmanager}
SECRETS=$run/secrets
export SECRETS
mkdir -p "$SECRETS"

fail() {
    echo "alertmanager: $1" >&2
    exit 1
}

# A wrong address is named now, not when the first alert is lost. Its text is not shown.
for name in SLACK_WEBHOOK_URL DEADMAN_WEBHOOK_URL PAGERDUTY_URL; do
    eval "value=\${$name:-}"
    case $value in
        '' | http://?* | https://?*) ;;
        *) fail "$name is not an http:// or https:// address" ;;
    esac
done
for name in SLACK_WEBHOOK_URL SLACK_CHANNEL DEADMAN_WEBHOOK_URL PAGERDUTY_URL PAGERDUTY_ROUTING_KEY; do
    eval "value=\${$name:-}"
    case $value in
        *[[:space:]\'\"@]*) fail "$name has a space, a quotation mark or an @ in it" ;;
    esac
done
if [ -n "${SLACK_CHANNEL:-}" ] && [ -z "${SLACK_WEBHOOK_URL:-}" ]; then
    fail "SLACK_CHANNEL is set and SLACK_WEBHOOK_URL is not"
fi

printf %s "${SLACK_WEBHOOK_URL:-}" > "$SECRETS/slack"
printf %s "${PAGERDUTY_ROUTING_KEY:-}" > "$SECRETS/pagerduty"

awk '
    /^#if / { keep = ENVIRON[$2] != ""; next }
    /^#end/ { keep = 1; next }
    BEGIN { keep = 1 }
    !keep { next }
    {
        while (match($0, /@[A-Z_]+@/)) {
            name = substr($0, RSTART + 1, RLENGTH - 2)
            $0 = substr($0, 1, RSTART - 1) ENVIRON[name] substr($0, RSTART + RLENGTH)
        }
        print
    }
' "$template" > "$run/alertmanager.yml"

# Alertmanager itself reads the secrets from files.
unset SLACK_WEBHOOK_URL PAGERDUTY_ROUTING_KEY DEADMAN_WEBHOOK_URL
exec "${ALERTMANAGER:-/bin/alertmanager}" \
    --config.file="$run/alertmanager.yml" \
    --storage.path="${ALERTMANAGER_DATA_DIR:-/alertmanager}" \
    --web.listen-address="${ALERTMANAGER_LISTEN:-:9093}" \
    --web.external-url="${ALERTMANAGER_EXTERNAL_URL:-http://localhost:9093}" \
    --cluster.listen-address= "$@"
