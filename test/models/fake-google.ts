/** What Google's Gemini API answers, well or as the model's name says. */

interface Part {
  readonly [key: string]: unknown;
}

const USAGE = {
  promptTokenCount: 9,
  toolUsePromptTokenCount: 2,
  candidatesTokenCount: 3,
  thoughtsTokenCount: 2,
  totalTokenCount: 16,
};

/** A whole answer. */
export function content(
  body: Readonly<Record<string, unknown>>,
  model: string,
  text: string,
): object {
  if (model === 'blocked') {
    return { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 9 } };
  }
  return piece(model, partsOf(body, [text]), endOf(model));
}

/** The same as a stream, event by event; Gemini says no last word. */
export function contentEvents(
  body: Readonly<Record<string, unknown>>,
  model: string,
  words: readonly string[],
): string[] {
  if (model === 'blocked') return [`data: ${JSON.stringify(content(body, model, ''))}\n\n`];
  const parts = partsOf(body, words);
  return parts.map((part, at) => {
    const isLast = at === parts.length - 1;
    return `data: ${JSON.stringify(piece(model, [part], isLast ? endOf(model) : undefined))}\n\n`;
  });
}

/** An error in Google's form. */
export function googleError(status: number, message: string): object {
  const names: Readonly<Record<number, string>> = { 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' };
  const delay = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' };
  const key = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' };
  const details = status === 429 ? [delay] : message.includes('API key') ? [key] : [];
  return { error: { code: status, message, status: names[status] ?? 'INVALID_ARGUMENT', details } };
}

function partsOf(body: Readonly<Record<string, unknown>>, words: readonly string[]): Part[] {
  if (!Array.isArray(body['tools'])) return words.map((text) => ({ text }));
  return [
    { text: 'I look.', thought: true },
    {
      functionCall: { name: 'look', args: { at: 'sky' } },
      thoughtSignature: 'c2lnbmVk',
    },
  ];
}

function endOf(model: string): string {
  return (
    { 'bad-tool': 'MALFORMED_FUNCTION_CALL', unsafe: 'SAFETY', long: 'MAX_TOKENS' }[model] ?? 'STOP'
  );
}

function piece(model: string, parts: readonly Part[], finishReason: string | undefined): object {
  const ended = finishReason === undefined ? {} : { finishReason };
  return {
    candidates: [{ index: 0, content: { role: 'model', parts }, ...ended }],
    usageMetadata: USAGE,
    modelVersion: model,
    responseId: 'r-1',
  };
}
