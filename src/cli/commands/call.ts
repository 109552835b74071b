/** `starling call` */
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { readArguments } from '../options/tool-arguments.ts';
import { contentOf } from '../terminal/tool-content.ts';
import { print, safe, safeLine, tell } from '../terminal/output.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { readStdin } from '../terminal/stdin.ts';

/** For a node that hangs: the node's own limits end a call sooner. */
const TIMEOUT_MS = 25 * 3_600_000;
/** 128 + SIGINT, as shells have it. */
const INTERRUPTED = 130;

interface CallCommandOptions extends CommonOptions {
  readonly arg?: readonly string[];
  readonly args?: string;
  readonly timeout?: number;
  readonly raw?: boolean;
}

/** Calls the tool and prints its result; exit code 1 when the tool says that it failed. */
export async function run(
  tool: string,
  words: readonly string[],
  options: CallCommandOptions,
): Promise<number> {
  const abort = new AbortController();
  const interrupted = (): void => abort.abort();
  // The second Ctrl-C ends the process at once.
  process.once('SIGINT', interrupted);
  try {
    const result = await callTool(
      tool,
      { ...options, arg: [...words, ...(options.arg ?? [])] },
      abort.signal,
    );
    show(result, options);
    return result['isError'] === true ? 1 : 0;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    tell('cancelled');
    return INTERRUPTED;
  } finally {
    process.off('SIGINT', interrupted);
  }
}

async function callTool(
  tool: string,
  options: CallCommandOptions,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { arg = [], args, timeout } = options;
  const whole = args === undefined ? {} : parseWhole(await textOf(args));
  return withNode(options, async (node) => {
    const schema =
      arg.length === 0
        ? undefined
        : (await node.tools()).find((info) => info.name === tool)?.inputSchema;
    return node.call(
      tool,
      { ...whole, ...(await readArguments(arg, schema)) },
      // Progress is asked for even where nobody sees it: it keeps a long call from timing out.
      { signal, timeoutMs: timeout ?? TIMEOUT_MS, progress: progressShower() },
    );
  });
}

async function textOf(args: string): Promise<string> {
  return args === '-' ? readStdin('the arguments as a JSON object') : args;
}

function parseWhole(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as Json;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as JsonObject;
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', '--args is not JSON', { cause: error });
  }
  throw new StarlingError('STARLING_USAGE', '--args must be a JSON object');
}

/** Shows progress on a terminal, the same line only once. */
function progressShower(): (params: JsonObject) => void {
  let shown = '';
  return ({ progress, total, message }) => {
    // A negative progress is what a node says while the call has not begun.
    const number = typeof progress === 'number' && progress >= 0 ? String(progress) : '';
    const of = typeof total === 'number' ? `/${total}` : '';
    const text = typeof message === 'string' ? safeLine(message) : '';
    const line = ['…', `${number}${of}`, text].filter((part) => part !== '').join(' ');
    if (!process.stderr.isTTY || line === shown) return;
    shown = line;
    tell(line);
  };
}

function show(result: JsonObject, options: CallCommandOptions): void {
  if (options.json === true) print(JSON.stringify(result));
  else if (options.raw === true) process.stdout.write(contentOf(result).join(''));
  else for (const part of contentOf(result)) print(safe(part));
}
