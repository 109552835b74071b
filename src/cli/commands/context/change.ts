/** `starling context share`, `starling context summarise` and `starling context delete` */
import type { ContextEnd, ContextInfo, ContextListResult } from '../../../contexts/types.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import { shortId } from '../../../identity/short-id.ts';
import { withNode } from '../../node/locate-node.ts';
import { onceTakenUp } from '../../node/config-taken-up.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ask, canAsk, nobodyAgreed } from '../../terminal/questions/ask.ts';
import { printData, safe, safeLine, tell } from '../../terminal/output.ts';

/** A model may take its time. */
const SUMMARY_MS = 300_000;

/** What of the conversation is shown. */
interface ShareOptions extends CommonOptions {
  readonly view: string;
  readonly lines?: number;
}

/** Shows it to a peer, or to a client of the node. @throws STARLING_CONTEXT_UNKNOWN, STARLING_PEER_UNKNOWN, STARLING_USAGE */
export async function share(id: string, to: string, options: ShareOptions): Promise<void> {
  const { lines, view } = options;
  const args = { id, to, view, ...(lines === undefined ? {} : { last: lines }) };
  const context = await withNode(options, (node) =>
    node.builtin<ContextInfo>('context_share', args),
  );
  printData(context, options.json === true, () =>
    safeLine(
      view === 'none'
        ? `${to} is shown ${id} no more; what it has read it knows`
        : `${to} is shown ${id} from now on: ${howText(id, to)}`,
    ),
  );
}

/** How whoever is shown it reads it. */
function howText(id: string, to: string): string {
  const isClient = to.startsWith('client:') || to.startsWith('agent:');
  return isClient
    ? `by its tool context_show, or as context://${id}`
    : `starling context show ${id}, there`;
}

/** Has a model summarise it. @throws STARLING_CONTEXT_UNKNOWN, what the model's call fails with */
export async function summarise(
  id: string,
  options: CommonOptions & { readonly model: string },
): Promise<void> {
  const { model } = options;
  const context = await onceTakenUp(model, options, () =>
    withNode(options, (node) =>
      node.builtin<ContextInfo>('context_summarise', { id, model }, { timeoutMs: SUMMARY_MS }),
    ),
  );
  printData(context, options.json === true, () => safe(context.summary?.text ?? ''));
}

/** Whether anybody is asked. */
interface EndOptions extends CommonOptions {
  readonly yes?: boolean;
}

/** Deletes it, once a person has agreed. @throws STARLING_CONTEXT_UNKNOWN */
export async function end(id: string, options: EndOptions): Promise<ExitCode> {
  const holders = await withNode(options, async (node) => {
    const { contexts } = await node.builtin<ContextListResult>('context_list', {});
    const meant = contexts.find((one) => one.id === id && one.by === undefined);
    // The node says what there is not, and what another node has.
    if (meant !== undefined && !(await isAgreed(meant, options))) return undefined;
    return (await node.builtin<ContextEnd>('context_delete', { id })).holders;
  });
  if (holders === undefined) {
    tell('nothing was deleted');
    return EXIT.failed;
  }
  printData({ holders }, options.json === true, () => {
    const away = holders.filter(({ isHere }) => !isHere).map(({ did }) => shortId(did));
    const rest = away.length === 0 ? '' : `; ${away.join(', ')} will hear of it on coming back`;
    return safeLine(`${id} is deleted: nobody can read it any more${rest}`);
  });
  return EXIT.done;
}

async function isAgreed(
  { agent, from, lines, session }: ContextInfo,
  { yes, json }: EndOptions,
): Promise<boolean> {
  if (yes === true) return true;
  const question = safeLine(
    `Delete '${session}', ${lines} lines of ${from} with ${agent}, here and wherever it is shown? Its key is destroyed, and nothing brings it back.`,
  );
  if (json === true || !canAsk()) throw nobodyAgreed(question);
  return (await ask(question, ['no', 'yes'])) === 'yes';
}
