/** `starling context share`, `starling context summarise` and `starling context delete` */
import type { ContextEnd, ContextInfo } from '../../../contexts/types.ts';
import { shortId } from '../../../identity/short-id.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safe, safeLine } from '../../terminal/output.ts';

/** A model may take its time. */
const SUMMARY_MS = 300_000;

/** What of the conversation is shown. */
interface ShareOptions extends CommonOptions {
  readonly view: string;
  readonly lines?: number;
}

/** Shows it to the peer. @throws STARLING_CONTEXT_UNKNOWN, STARLING_PEER_UNKNOWN, STARLING_USAGE */
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
        : `${to} is shown ${id} from now on: starling context show ${id}, there`,
    ),
  );
}

/** Has a model summarise it. @throws STARLING_CONTEXT_UNKNOWN, what the model's call fails with */
export async function summarise(
  id: string,
  options: CommonOptions & { readonly model: string },
): Promise<void> {
  const { model } = options;
  const context = await withNode(options, (node) =>
    node.builtin<ContextInfo>('context_summarise', { id, model }, { timeoutMs: SUMMARY_MS }),
  );
  printData(context, options.json === true, () => safe(context.summary?.text ?? ''));
}

/** Deletes it. @throws STARLING_CONTEXT_UNKNOWN */
export async function end(id: string, options: CommonOptions): Promise<void> {
  const { holders } = await withNode(options, (node) =>
    node.builtin<ContextEnd>('context_delete', { id }),
  );
  printData({ holders }, options.json === true, () => {
    const away = holders.filter(({ isHere }) => !isHere).map(({ did }) => shortId(did));
    const rest = away.length === 0 ? '' : `; ${away.join(', ')} will hear of it on coming back`;
    return safeLine(`${id} is deleted: nobody can read it any more${rest}`);
  });
}
