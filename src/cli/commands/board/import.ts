/** `starling board import` */
import { readFile } from 'node:fs/promises';
import type { BoardListResult } from '../../../builtin/results.ts';
import { StarlingError, messageOf } from '../../../core/errors.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { Json } from '../../../core/json/json.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { printData, tell } from '../../terminal/output.ts';
import { createWorkProgress } from '../../terminal/progress.ts';
import type { Progress } from '../../terminal/progress.ts';
import { readStdin } from '../../terminal/stdin.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Options of the command. */
interface ImportOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly create?: boolean;
}

/** What an import did, or would do. */
interface ImportResult {
  readonly board: string;
  readonly dryRun: boolean;
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  /** Entries whose time was over. */
  readonly expired: number;
}

interface Line {
  readonly key: string;
  readonly value: Json;
  readonly expires?: number;
}

/** Entries that are written at one time. */
const AT_ONCE = 64;
const SECOND_MS = 1000;
const STDIN = '-';

/** Writes the entries of a file of JSON Lines; nothing when a line is none. */
export async function run(board: string, file: string, options: ImportOptions): Promise<ExitCode> {
  const lines = linesOf(await read(file), file);
  const progress = createWorkProgress();
  return untilInterrupted(async (signal) => {
    const say = (): void => {
      progress.done();
      tell('what was written stays; the same command goes on with the rest');
    };
    signal.addEventListener('abort', say, { once: true });
    try {
      const result = await imported({ board, lines, progress }, options, signal);
      progress.done();
      printData(result, options.json === true, () => textOf(result));
      return EXIT.done;
    } finally {
      progress.done();
    }
  });
}

interface ImportInit {
  readonly board: string;
  readonly lines: readonly Line[];
  readonly progress: Progress;
}

function imported(
  { board, lines, progress }: ImportInit,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ImportResult> {
  const isDry = options.dryRun === true;
  const work = async (node: NodeClient): Promise<ImportResult> => {
    progress.show(`reading board '${board}'`);
    const { entries = [] } = await node.builtin<BoardListResult>('board_list', { board });
    const before = new Map(entries.map(({ key, value }) => [key, JSON.stringify(value)]));
    const now = Date.now();
    const alive = lines.filter(({ expires }) => expires === undefined || expires > now);
    const news = alive.filter(({ key, value }) => before.get(key) !== JSON.stringify(value));
    const added = news.filter(({ key }) => !before.has(key)).length;
    if (!isDry) await write(node, { board, lines: news, progress }, options.create === true);
    return {
      board,
      dryRun: isDry,
      added,
      changed: news.length - added,
      unchanged: alive.length - news.length,
      expired: lines.length - alive.length,
    };
  };
  return withNode(options, work, signal);
}

async function write(
  node: NodeClient,
  { board, lines, progress }: ImportInit,
  create: boolean,
): Promise<void> {
  for (let at = 0; at < lines.length; at += AT_ONCE) {
    const text = `writing to board '${board}': ${at} of ${lines.length} entries`;
    progress.show(text, at / lines.length);
    const some = lines.slice(at, at + AT_ONCE);
    await Promise.all(
      some.map(({ key, value, expires }) => {
        const ttl = expires === undefined ? {} : { ttl: (expires - Date.now()) / SECOND_MS };
        return node.builtin('board_set', {
          board,
          key,
          value,
          ...ttl,
          ...(create ? { create } : {}),
        });
      }),
    );
  }
}

function textOf({ board, dryRun, added, changed, unchanged, expired }: ImportResult): string {
  const verb = dryRun ? 'would write' : 'wrote';
  const late = expired === 0 ? '' : `, ${expired} left out, as their time is over`;
  return `${verb} ${added + changed} entries of board '${board}': ${added} new, ${changed} changed, ${unchanged} as they were${late}`;
}

async function read(file: string): Promise<string> {
  if (file !== STDIN) {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      throw new StarlingError('STARLING_USAGE', `${file} can't be read: ${messageOf(error)}`);
    }
  }
  return readStdin('the entries');
}

/** @throws STARLING_USAGE with the number of a line that is no entry, or comes twice */
function linesOf(text: string, file: string): readonly Line[] {
  const lines: Line[] = [];
  const seen = new Set<string>();
  for (const [index, row] of text.split('\n').entries()) {
    if (row.trim() === '') continue;
    const line = lineOf(row);
    const place = `line ${index + 1} of ${file}`;
    if (line === undefined) {
      throw new StarlingError('STARLING_USAGE', `${place} is no entry`, {
        hint: 'a line is JSON like {"key": "a", "value": 1}, as `starling board export <board>` prints it',
      });
    }
    if (seen.has(line.key)) {
      throw new StarlingError('STARLING_USAGE', `${place} has the key of a line before`, {
        hint: 'leave one of the two out',
      });
    }
    seen.add(line.key);
    lines.push(line);
  }
  return lines;
}

function lineOf(row: string): Line | undefined {
  try {
    const { key, value, expires } = JSON.parse(row) as Partial<Record<string, unknown>>;
    if (typeof key !== 'string' || value === undefined) return undefined;
    if (expires === undefined) return { key, value: value as Json };
    return typeof expires === 'number' ? { key, value: value as Json, expires } : undefined;
  } catch {
    // Whatever is wrong with it, it is no entry.
    return undefined;
  }
}
