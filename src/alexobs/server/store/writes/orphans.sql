-- Bodies that no span refers to any more.
DELETE FROM message_rows WHERE hash NOT IN (
  SELECT unnest(flatten([
    coalesce(input_messages, []), coalesce(output_messages, []),
    coalesce(system_instructions, []), coalesce(tool_definitions, []),
    coalesce(tool_arguments, []), coalesce(tool_result, [])
  ])) FROM span_rows
);
