/** `starling board cas` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { Json } from '../../../core/json/json.ts';
import type { BoardCasResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { readValue, showChange, showValue } from '../../options/board-value.ts';

/** Options of the command. */
interface CasOptions extends CommonOptions {
  readonly string?: boolean;
  readonly expect?: string;
  readonly at?: string;
  readonly request?: string;
}

/** Writes the entry if it is as expected; exit code 1 when it is not. */
export async function run(
  board: string,
  key: string,
  value: string,
  options: CasOptions,
): Promise<ExitCode> {
  const read = (text: string): Json => (options.string === true ? text : readValue(text));
  const result = await withNode(options, (node) =>
    node.builtin<BoardCasResult>('board_cas', {
      board,
      key,
      value: read(value),
      ...(options.expect === undefined ? {} : { expect: read(options.expect) }),
      ...(options.at === undefined ? {} : { version: Number(options.at) }),
      ...(options.request === undefined ? {} : { request: options.request }),
    }),
  );
  const { done, entry, version } = result;
  printData(result, options.json === true, () => {
    if (done && entry !== null) return `${showChange({ key, entry })} (version ${version})`;
    const now = entry === null ? 'nothing' : showValue(entry.value);
    return asSentence(`'${key}' is not as expected: it holds ${now}, at version ${version}`);
  });
  return done ? 0 : 1;
}
