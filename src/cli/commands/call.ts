/** `starling call` */
import { readFile } from 'node:fs/promises';
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { readArguments } from '../arguments.ts';
import { print, safe, tell } from '../output.ts';
import { withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

interface CallCommandOptions extends CommonOptions {
  readonly arg?: readonly string[];
  readonly args?: string;
  readonly timeout?: number;
}

/** Calls the tool and prints its result; exit code 1 when the tool says that it failed. */
export async function run(tool: string, options: CallCommandOptions): Promise<number> {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const whole = options.args === undefined ? {} : parseWhole(await textOf(options.args));
  const result = await withNode(options, async (node) => {
    const schema =
      (options.arg ?? []).length === 0
        ? undefined
        : (await node.tools()).find((info) => info.name === tool)?.inputSchema;
    const args = { ...whole, ...(await readArguments(options.arg ?? [], schema)) };
    return node.call(tool, args, {
      signal: abort.signal,
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      ...(process.stderr.isTTY ? { progress: showProgress } : {}),
    });
  });
  if (options.json === true) print(JSON.stringify(result));
  else for (const part of contentOf(result)) print(part);
  return result['isError'] === true ? 1 : 0;
}

async function textOf(args: string): Promise<string> {
  return args === '-' ? readFile('/dev/stdin', 'utf8') : args;
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

function showProgress(params: JsonObject): void {
  const { progress, total, message } = params;
  const of = total === undefined ? '' : `/${String(total)}`;
  tell(`… ${String(progress)}${of} ${typeof message === 'string' ? safe(message) : ''}`.trimEnd());
}

function contentOf(result: JsonObject): readonly string[] {
  const content = (result['content'] ?? []) as readonly JsonObject[];
  return content.map((part) => {
    if (part['type'] === 'text') return safe(String(part['text']));
    const mime = part['mimeType'] === undefined ? '' : ` ${String(part['mimeType'])}`;
    return safe(`[${String(part['type'])}${mime}; --json shows it whole]`);
  });
}
