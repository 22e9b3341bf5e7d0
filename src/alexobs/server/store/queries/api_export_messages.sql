-- Contents first seen in a window: what the hashes of exported spans stand for.
SELECT hash, any_value(body) AS body FROM message_rows
WHERE first_seen_ns >= $from_ns AND first_seen_ns < $to_ns
GROUP BY hash ORDER BY hash
