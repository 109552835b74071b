/**
 * Notices prompts that a server has cut by itself. Ollama drops the beginning of what does not fit into the context that it runs a
 * model with, and answers as if nothing were: what it says that it has read is less than the prompt can have.
 */
import type { Health } from '../core/index.ts';
import type { Provider } from './providers/provider.ts';
import { textLengthOf } from './providers/token-estimate.ts';
import type { ReadCall, Usage } from './types.ts';

const CODE = 'prompt-cut';
/** Characters of a token: prose has fewer in every language. */
const CHARS_PER_TOKEN = 5;
/** Where nobody says how long the context is: so many tokens at the least were read, and so much more was sent. */
const READ_MIN = 1000;
const SENT_SHARE = 1.5;

/** Hears what a call of a provider's model took. */
export type CutPrompts = (
  provider: Pick<Provider, 'name' | 'sizeOf'>,
  model: string,
  call: Pick<ReadCall, 'fields'>,
  usage: Usage,
) => void;

/** Warns where a prompt was cut, until one of the same model that is as long is read as a whole. */
export function createCutPrompts(health: Pick<Health, 'raise' | 'clear'>): CutPrompts {
  return (provider, model, { fields }, { input, isEstimated }) => {
    const { runsWith } = provider.sizeOf(model);
    if (isEstimated === true) return undefined;
    const most = runsWith ?? Math.max(READ_MIN, SENT_SHARE * input);
    const least = Math.floor(textLengthOf(fields) / CHARS_PER_TOKEN);
    if (least <= most) return undefined;
    const name = `${provider.name}/${model}`;
    const code = `${CODE}:${name}`;
    if (runsWith === undefined ? input < READ_MIN : input > runsWith) return health.clear(code);
    const context = runsWith === undefined ? '' : `, whose context is ${runsWith} as it runs,`;
    return health.raise({
      code,
      text: `${name}${context} has read ${input} tokens of a prompt of at least ${least}: its server has dropped the rest`,
      hint: 'have the server run it with a longer context (Ollama: OLLAMA_CONTEXT_LENGTH, or num_ctx of the model)',
    });
  };
}
