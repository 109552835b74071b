/** `starling grant propose` */
import type { GrantCreateResult, GrantProposeResult } from '../../../builtin/results.ts';
import { ask, canAsk } from '../../terminal/questions/ask.ts';
import { asSentence, print, printData, safeLine, tell } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** For a node that hangs: the provider's own timeout ends a call sooner. */
const TIMEOUT_MS = 3_600_000;

interface ProposeOptions extends CommonOptions {
  readonly model?: string;
}

/** Shows what a model makes of the sentence; grants it where a person says yes. */
export async function run(sentence: string, options: ProposeOptions): Promise<void> {
  const { model, json = false } = options;
  const args = { text: sentence, ...(model === undefined ? {} : { model }) };
  await withNode(options, async (node) => {
    const proposed = await node.builtin<GrantProposeResult>('grant_propose', args, {
      timeoutMs: TIMEOUT_MS,
    });
    if (json) return printData(proposed, true, () => '');
    print(proposed.lines.map((line) => safeLine(line)).join('\n'));
    if (!canAsk()) {
      tell('nothing was granted: nobody can be asked here; run it in a terminal, and say yes');
      return undefined;
    }
    if ((await ask('grant this?', ['no', 'yes'])) !== 'yes') {
      tell('nothing was granted');
      return undefined;
    }
    // As long as was shown, however long the person has thought.
    const { until } = proposed;
    const end = until === undefined ? {} : { expires_s: Math.floor((until - Date.now()) / 1000) };
    const { grant } = await node.builtin<GrantCreateResult>('grant_create', {
      ...proposed.grant,
      ...end,
    });
    print(
      asSentence(`granted; end it with: starling grant revoke ${safeLine(grant.id.slice(0, 8))}`),
    );
    return undefined;
  });
}
