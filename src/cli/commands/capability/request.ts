/** `starling capability request` */
import type { CapabilityResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { readValue, showValue } from '../../options/board-value.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';

const REQUEST_MS = 30_000;
/** Over the time that an agent has. */
const WAY_MS = 15_000;

/** Options of the command. */
interface RequestOptions extends CommonOptions {
  readonly tag?: readonly string[];
  readonly prefer?: string;
  readonly like?: string;
  readonly affinity?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Has it done, and prints the answer. */
export async function run(
  first: string | undefined,
  second: string | undefined,
  options: RequestOptions,
): Promise<void> {
  const { tag, prefer, like, affinity, timeout = REQUEST_MS } = options;
  // With words in place of the name, what stands first are the parameters.
  const parameters = like === undefined ? second : (second ?? first);
  const args = {
    ...(like === undefined ? { capability: first ?? '' } : { like }),
    ...(affinity === undefined ? {} : { affinity }),
    timeoutMs: timeout,
    ...(parameters === undefined ? {} : { parameters: readValue(parameters) }),
    ...(tag === undefined ? {} : { tags: [...tag] }),
    ...(prefer === undefined ? {} : { prefer }),
  };
  const result = await withNode(options, (node) =>
    node.builtin<CapabilityResult>('capability_request', args, { timeoutMs: timeout + WAY_MS }),
  );
  printData(result, options.json === true, () => showValue(result.result));
}
