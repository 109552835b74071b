/** `starling board set` */
import type { BoardSetResult } from '../../../builtin/results.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { readValue, showChange } from '../../options/board-value.ts';
import { refuseOptions } from '../../options/needed-option.ts';

const SECOND_MS = 1000;

/** Options of the command. */
interface SetOptions extends CommonOptions {
  readonly string?: boolean;
  /** Milliseconds. */
  readonly ttl?: number;
  readonly create?: boolean;
  readonly open?: boolean;
  readonly seen?: string;
  readonly request?: string;
}

/** Writes the entry and shows it. @throws STARLING_USAGE */
export async function run(
  board: string,
  key: string,
  value: string,
  options: SetOptions,
): Promise<void> {
  if (options.create !== true) {
    refuseOptions(options, ['open'], {
      why: 'is of a board that is made',
      hint: 'say --create as well, or leave it out',
    });
  }
  const result = await withNode(options, (node) =>
    node.builtin<BoardSetResult>('board_set', {
      board,
      key,
      value: options.string === true ? value : readValue(value),
      ...(options.ttl === undefined ? {} : { ttl: options.ttl / SECOND_MS }),
      ...(options.create === true ? { create: true } : {}),
      ...(options.open === true ? { open: true } : {}),
      ...(options.seen === undefined ? {} : { token: options.seen }),
      ...(options.request === undefined ? {} : { request: options.request }),
    }),
  );
  printData(result, options.json === true, () => showChange({ key, entry: result.entry }));
}
