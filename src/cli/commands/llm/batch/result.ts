/** `starling llm batch result` */
import { makeFile } from '../../../../core/system/new-file.ts';
import type { BatchAnswer, BatchResult, BatchView } from '../../../../models/types.ts';
import { withNode } from '../../../node/locate-node.ts';
import type { NodeClient } from '../../../node/client.ts';
import type { CommonOptions } from '../../../options/common-options.ts';
import { print, printData, safeLine, tell } from '../../../terminal/output.ts';
import { costText, requestsText } from './batch-text.ts';

/** Only who runs the node may read answers. */
const OWN_MODE = 0o600;

interface ResultOptions extends CommonOptions {
  readonly out?: string;
}

/** Prints the answers, a line of JSON each, or writes them to a new file. @throws STARLING_USAGE, what the node says */
export async function run(id: string, options: ResultOptions): Promise<void> {
  const { out } = options;
  await withNode(options, async (node) => {
    if (out !== undefined) {
      const batch = await written(node, id, out);
      printData({ batch, file: out }, options.json === true, () =>
        safeLine(`${lineOf(batch)}, in ${out}`),
      );
      return;
    }
    const batch = await eachPage(node, id, async (answers) => {
      for (const answer of answers) print(JSON.stringify(answer));
    });
    tell(safeLine(lineOf(batch)));
  });
}

async function eachPage(
  node: NodeClient,
  id: string,
  take: (answers: readonly BatchAnswer[]) => Promise<void>,
): Promise<BatchView> {
  let from = 0;
  for (;;) {
    const page = await node.builtin<BatchResult>('llm_batch_result', { id, from });
    await take(page.answers);
    if (page.next === undefined) return page.batch;
    from = page.next;
  }
}

function written(node: NodeClient, id: string, out: string): Promise<BatchView> {
  const hint = 'name a file that is not there yet: --out answers.jsonl';
  return makeFile(out, { mode: OWN_MODE, hint }, (add) =>
    eachPage(node, id, (answers) =>
      add(answers.map((answer) => `${JSON.stringify(answer)}\n`).join('')),
    ),
  );
}

function lineOf(batch: BatchView): string {
  return `${batch.model}: ${batch.state}, ${requestsText(batch)}, ${costText(batch)}`;
}
