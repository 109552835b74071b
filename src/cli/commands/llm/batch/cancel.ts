/** `starling llm batch cancel` */
import type { BatchView } from '../../../../models/types.ts';
import { withNode } from '../../../node/locate-node.ts';
import type { CommonOptions } from '../../../options/common-options.ts';
import { printData, safeLine } from '../../../terminal/output.ts';
import { ID_SHOWN } from './batch-text.ts';

interface CancelOptions extends CommonOptions {
  readonly forget?: boolean;
}

/** Stops a batch, or forgets one that is over. */
export async function run(id: string, options: CancelOptions): Promise<void> {
  const forget = options.forget === true;
  const batch = await withNode(options, (node) =>
    node.builtin<BatchView>('llm_batch_cancel', { id, ...(forget ? { forget } : {}) }),
  );
  printData(batch, options.json === true, () => {
    const shown = batch.id.slice(0, ID_SHOWN);
    if (batch.endedAt !== undefined)
      return safeLine(`batch ${shown} is forgotten, with its answers`);
    const why = batch.reason === undefined ? '' : ` (${batch.reason}; the node tells it again)`;
    return safeLine(
      `batch ${shown} is being stopped${why}; what was answered until then is paid: starling llm batch result ${shown}`,
    );
  });
}
