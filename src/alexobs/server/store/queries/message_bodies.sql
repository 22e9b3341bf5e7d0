-- Bodies of messages by hash. $hashes: a list.
SELECT hash, any_value(body) AS body
FROM message_rows WHERE list_contains($hashes::UBIGINT[], hash) GROUP BY hash
