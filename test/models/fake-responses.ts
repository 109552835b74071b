/** What a vendor that speaks the Responses API answers. */

/** A whole response: a text, or the call of a tool where the request has some. */
export function response(body: Readonly<Record<string, unknown>>, text: string): object {
  const item = Array.isArray(body['tools'])
    ? {
        type: 'function_call',
        id: 'fc_1',
        call_id: 'call_1',
        name: 'look',
        arguments: body['model'] === 'bad-tool' ? '{"at": sky' : '{"at":"sky"}',
        status: 'completed',
      }
    : {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text, annotations: [] }],
      };
  return {
    id: 'resp_own',
    object: 'response',
    created_at: 1,
    status: 'completed',
    error: null,
    model: body['model'],
    output: [item],
    store: false,
    usage: {
      input_tokens: 11,
      input_tokens_details: { cached_tokens: 2 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 16,
    },
  };
}

/** The same as a stream, event by event. */
export function responseEvents(
  body: Readonly<Record<string, unknown>>,
  words: readonly string[],
): string[] {
  const whole = response(body, words.join('')) as { output: Record<string, unknown>[] };
  const [item] = whole.output;
  const begun = { ...whole, status: 'in_progress', output: [], usage: null };
  const isCall = item?.['type'] === 'function_call';
  const deltas = isCall ? ['{"at":', body['model'] === 'bad-tool' ? 'sky' : '"sky"}'] : words;
  const place = { item_id: item?.['id'], output_index: 0 };
  const part = {
    type: 'response.content_part.added',
    ...place,
    content_index: 0,
    part: { type: 'output_text', text: '', annotations: [] },
  };
  const events: Record<string, unknown>[] = [
    { type: 'response.created', response: begun },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: isCall ? { ...item, arguments: '' } : { ...item, content: [] },
    },
    ...(isCall ? [] : [part]),
    ...deltas.map((delta) =>
      isCall
        ? { type: 'response.function_call_arguments.delta', ...place, delta }
        : { type: 'response.output_text.delta', ...place, content_index: 0, delta, logprobs: [] },
    ),
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: whole },
  ];
  return events.map(
    (event, at) =>
      `event: ${String(event['type'])}\ndata: ${JSON.stringify({ ...event, sequence_number: at })}\n\n`,
  );
}
