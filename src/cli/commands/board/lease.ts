/** `starling board lease` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { BoardLeaseResult } from '../../../builtin/results.ts';
import { asSentence, printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { namesOf } from './writer-names.ts';

const SECOND_MS = 1000;

/** Options of the command. */
interface LeaseOptions extends CommonOptions {
  readonly holder?: string;
  /** Milliseconds. */
  readonly ttl?: number;
  readonly release?: boolean;
  readonly request?: string;
}

/** Takes, renews or gives back the lease; exit code 1 when somebody else has it. */
export async function run(board: string, key: string, options: LeaseOptions): Promise<ExitCode> {
  const { result, names } = await withNode(options, async (node) => ({
    result: await node.builtin<BoardLeaseResult>('board_lease', {
      board,
      key,
      ...(options.holder === undefined ? {} : { holder: options.holder }),
      ...(options.ttl === undefined ? {} : { ttl: options.ttl / SECOND_MS }),
      ...(options.release === true ? { release: true } : {}),
      ...(options.request === undefined ? {} : { request: options.request }),
    }),
    names: options.json === true ? new Map<string, string>() : await namesOf(node),
  }));
  const { granted, holder, token, until } = result;
  const isFree = holder === '' || until === 0;
  printData(result, options.json === true, () => {
    const end = new Date(until).toISOString();
    // A holder of another name than its node's is a word that somebody chose.
    const who = safeLine(names.get(holder) ?? holder);
    if (granted) return asSentence(`${who} has the lease of ${key} until ${end}, token ${token}`);
    if (isFree) return asSentence(`nobody has the lease of ${key}`);
    return asSentence(`${who} has the lease of ${key} until ${end}; it is not yours`);
  });
  if (options.release === true) return isFree ? 0 : 1;
  return granted ? 0 : 1;
}
