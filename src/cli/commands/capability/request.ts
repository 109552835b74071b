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
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Has it done, and prints the answer. */
export async function run(
  capability: string,
  parameters: string | undefined,
  options: RequestOptions,
): Promise<void> {
  const { tag, prefer, timeout = REQUEST_MS } = options;
  const args = {
    capability,
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
