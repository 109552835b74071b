/**
 * Waits for the first token of a streamed answer: until then another model may be asked in its place, and nobody has seen
 * anything of it.
 */
import type { ModelAnswer, ModelForm } from '../types.ts';

/** What came before the first token; a provider that says so much without one is believed to have begun. */
const BEFORE_MAX = 64 * 1024;
/** A token, a thought or a call of a tool, in events of each API. */
const CHAT = /"(?:content|reasoning_content|reasoning|refusal)": ?"[^"]|"tool_calls": ?\[ ?\{/;
const RESPONSES =
  /"type": ?"response\.(?:output_text|reasoning\w*|refusal|function_call_arguments|custom_tool_call_input)[\w.]*\.delta"|"type": ?"(?:function|custom_tool)_call"/;
const MESSAGES = /"type": ?"content_block_delta"|"type": ?"tool_use"/;

/**
 * The same answer, once its first token is there, or it is over without one.
 * @throws what its body throws before; the body is then given up
 */
export async function withFirstToken(answer: ModelAnswer, form: ModelForm): Promise<ModelAnswer> {
  const chunks = answer.body[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  const token = form === 'messages' ? MESSAGES : form === 'responses' ? RESPONSES : CHAT;
  let text = '';
  let isOver = false;
  while (!isOver) {
    const next = await chunks.next();
    isOver = next.done === true;
    if (next.done === true) break;
    held.push(next.value);
    if (!answer.isStream) continue;
    text += Buffer.from(next.value).toString('latin1');
    if (token.test(text) || text.length > BEFORE_MAX) break;
  }
  return { ...answer, body: resumed(held, isOver ? undefined : chunks) };
}

/** What was held, then the rest; whoever stops reading gives the rest up. */
async function* resumed(
  held: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* held;
    if (rest === undefined) return;
    for (;;) {
      const next = await rest.next();
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await rest?.return?.();
  }
}
