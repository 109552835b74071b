/** `starling llm batch submit` */
import { StarlingError } from '../../../../core/errors.ts';
import { isObject } from '../../../../core/json/value-checks.ts';
import type { JsonObject } from '../../../../core/json/json.ts';
import type { BatchView } from '../../../../models/types.ts';
import { withNode } from '../../../node/locate-node.ts';
import { onceTakenUp } from '../../../node/config-taken-up.ts';
import { readLineFile } from '../../../options/line-file.ts';
import type { CommonOptions } from '../../../options/common-options.ts';
import { printData, safeLine, sentence } from '../../../terminal/output.ts';
import { ID_SHOWN } from './batch-text.ts';

/** Vendors read all of it before they answer. */
const TIMEOUT_MS = 15 * 60_000;

interface SubmitOptions extends CommonOptions {
  readonly model: string;
  readonly budget?: string;
}

/** Submits the requests of a file. @throws STARLING_USAGE, which names the line; what the node says */
export async function run(file: string, options: SubmitOptions): Promise<void> {
  const { budget, model } = options;
  const requests = readRequests(await readLineFile(file), file);
  const args = { model, requests: [...requests], ...(budget === undefined ? {} : { budget }) };
  const batch = await onceTakenUp(model, options, () =>
    withNode(options, (node) =>
      node.builtin<BatchView>('llm_batch_submit', args, { timeoutMs: TIMEOUT_MS }),
    ),
  );
  printData(batch, options.json === true, () => {
    const id = batch.id.slice(0, ID_SHOWN);
    const { added, reason, requests: count, state } = batch;
    const said =
      state === 'sending'
        ? `whether ${batch.model} has it is not known yet (${reason ?? 'no word'}); the node finds out`
        : `${batch.model} has it, and answers within a day`;
    return [
      safeLine(`batch ${id}: ${count} ${count === 1 ? 'request' : 'requests'}; ${said}`),
      ...(added === undefined ? [] : [sentence('  ', safeLine(`added to requests: ${added}`))]),
      sentence('  ', `its answers, then: starling llm batch result ${id}`),
    ].join('\n');
  });
}

/** A JSON object a line; empty lines count for nothing. */
function readRequests(text: string, file: string): readonly JsonObject[] {
  return text.split(/\r?\n/).flatMap((line, at) => {
    if (line.trim() === '') return [];
    const read = parsed(line);
    if (read !== undefined) return [read];
    throw new StarlingError('STARLING_USAGE', `${file}, line ${at + 1}: it is no JSON object`, {
      hint: 'a line of JSON each: {"custom_id": "1", "body": {"messages": […]}}',
    });
  });
}

function parsed(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // It is no JSON.
    return undefined;
  }
}
