/** `starling call` */
import type { PeersResult } from '../../builtin/results.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError } from '../../core/errors.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { readArguments } from '../options/tool-arguments.ts';
import { contentOf } from '../terminal/lines/tool-content.ts';
import { canAsk } from '../terminal/questions/ask.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { print, safe, safeLine, tell } from '../terminal/output.ts';
import { withNode } from '../node/locate-node.ts';
import type { FormAnswerer, NodeClient, ToolInfo } from '../node/client.ts';
import { FORMS, explainFailure, meantTool, wholeName } from './tools/explain-failure.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { readStdin } from '../terminal/stdin.ts';

/** For a node that hangs: the node's own limits end a call sooner. */
const TIMEOUT_MS = 25 * 3_600_000;
/** A call that takes longer is said to be under way. */
const SLOW_MS = 5000;

/** Options of the commands that call a tool. */
export interface CallCommandOptions extends CommonOptions {
  readonly arg?: readonly string[];
  readonly args?: string;
  readonly timeout?: number;
  readonly raw?: boolean;
  readonly ask?: boolean;
}

/** Calls the tool and prints its result; exit code 1 when the tool says that it failed. */
export async function run(
  tool: string,
  words: readonly string[],
  options: CallCommandOptions,
): Promise<ExitCode> {
  const whole = { ...options, arg: [...words, ...(options.arg ?? [])] };
  const result = await untilInterrupted((signal) => {
    signal.addEventListener('abort', () => tell('cancelled'), { once: true });
    return callTool(tool, whole, signal);
  });
  if (typeof result === 'number') return result;
  show(result, options);
  return result['isError'] === true ? 1 : 0;
}

/** Errors that are in our words already. */
const EXPLAINED = new WeakSet<StarlingError>();
/** Codes of errors that may come of a name or an argument that was mistyped. */
const OF_A_SLIP: readonly string[] = [
  'STARLING_USAGE',
  'STARLING_TOOL_UNKNOWN',
  'STARLING_UPSTREAM_UNAVAILABLE',
];

async function callTool(
  typed: string,
  options: CallCommandOptions,
  signal: AbortSignal,
): Promise<JsonObject> {
  if (options.ask === true && !canAsk()) {
    throw new StarlingError('STARLING_USAGE', '--ask is for a terminal, where a person answers', {
      hint: 'leave it out, or run the command in a terminal',
    });
  }
  const talk = { isAsking: false };
  const answer = options.ask === true ? answerer(typed, talk) : undefined;
  const call = (node: NodeClient): Promise<JsonObject> =>
    callAt(node, typed, { options, signal, talk });
  try {
    return await withNode(options, call, signal, answer);
  } catch (error) {
    if (options.ask === true || !isOnlyForAsked(error) || !canAsk()) throw error;
    // The server has run nothing: it does not have the tool for callers whom it can't ask.
    tell('its server asks something: called again, so that you can answer');
    return callTool(typed, { ...options, ask: true }, signal);
  }
}

function isOnlyForAsked(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  return error.data['needs'] === FORMS && error.data['called'] === false;
}

/** Puts the questions of the tool's server to the person at the terminal. */
function answerer(tool: string, talk: Talk): FormAnswerer {
  const from = safeLine(`the server of ${tool}`);
  return async (params, signal) => {
    talk.isAsking = true;
    try {
      const { askForm } = await import('../terminal/questions/ask-form.ts');
      return await askForm(params, from, { signal });
    } catch (error) {
      // The terminal was read by the question, so that nobody else heard of Ctrl-C: it is meant for the call.
      if (error instanceof StarlingError && error.code === 'STARLING_INTERRUPTED') {
        process.kill(process.pid, 'SIGINT');
        // The server hears nothing before: its answer must not be taken for the end of the call.
        await abortOf(signal);
      }
      throw error;
    } finally {
      talk.isAsking = false;
    }
  };
}

/** Resolves once `signal` is aborted. */
async function abortOf(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Whether a person is being asked: nothing else is shown meanwhile. */
interface Talk {
  isAsking: boolean;
}

/** What a call is made with, and how: by default as the node's client does it. */
export interface CallMade {
  readonly options: CallCommandOptions;
  readonly signal: AbortSignal;
  readonly make?: NodeClient['call'];
  readonly talk?: Talk;
}

/** Calls the tool that was meant, with the arguments as they were typed; its failures are explained. */
export async function callAt(
  node: NodeClient,
  typed: string,
  { options, signal, talk, make = (...call) => node.call(...call) }: CallMade,
): Promise<JsonObject> {
  const { arg = [], args, timeout } = options;
  const whole = args === undefined ? {} : parseWhole(await textOf(args));
  // A call of a whole name without arguments needs no list.
  const isWhole = arg.length === 0 && typed.includes('__');
  const listed = isWhole ? [] : await offeredBy(node);
  const tool = wholeName(typed, listed);
  if (tool !== typed) tell(`${safeLine(typed)} is ${safeLine(tool)}`);
  const schema = listed.find((info) => info.name === tool)?.inputSchema;
  const given = { ...whole, ...(await readArguments(arg, schema)) };
  const shower = progressShower(tool, talk);
  // Progress is asked for even where nobody sees it: it keeps a long call from timing out.
  const init = { timeoutMs: timeout ?? TIMEOUT_MS, progress: shower.show };
  const explained = async (said: string): Promise<StarlingError | undefined> =>
    signal.aborted
      ? undefined
      : explainFailure({
          tool,
          args: given,
          said,
          answers: options.ask === true,
          offered: await offeredBy(node),
          peers: await peersOf(node),
        });
  try {
    const result = await make(tool, given, init);
    // Who reads JSON gets the tool's own answer.
    if (result['isError'] !== true || options.json === true) return result;
    const error = await explained(contentOf(result).join(' '));
    if (error !== undefined) {
      EXPLAINED.add(error);
      throw error;
    }
    return result;
  } catch (error) {
    if (!(error instanceof StarlingError) || EXPLAINED.has(error)) throw error;
    if (error.code === 'STARLING_CALL_REFUSED') throw await withMeant(error, tool, node);
    throw (OF_A_SLIP.includes(error.code) ? await explained(error.message) : undefined) ?? error;
  } finally {
    shower.end();
  }
}

/** A refusal of a tool that nobody offers may be a slip, which the hint to widen rights would hide. */
async function withMeant(
  error: StarlingError,
  tool: string,
  node: NodeClient,
): Promise<StarlingError> {
  const offered = await offeredBy(node);
  if (offered.some(({ name }) => name === tool)) return error;
  const meant = meantTool(tool, offered);
  if (meant === undefined) return error;
  const hint = `did you mean ${meant}, which you may call? Else ${error.hint ?? 'ask for it'}`;
  return new StarlingError(error.code, error.message, { hint, data: error.data, cause: error });
}

/** The names of the peers; none where the caller may not see them. */
async function peersOf(node: NodeClient): Promise<readonly string[]> {
  try {
    const { peers = [] } = await node.builtin<Partial<PeersResult>>('peers');
    return peers.map(({ alias }) => alias);
  } catch {
    return [];
  }
}

/** What can be called; a node that does not say leaves the failure as it was told. */
async function offeredBy(node: NodeClient): Promise<readonly ToolInfo[]> {
  try {
    return await node.tools();
  } catch {
    return [];
  }
}

async function textOf(args: string): Promise<string> {
  return args === '-' ? readStdin('the arguments as a JSON object') : args;
}

function parseWhole(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as Json;
    if (isObject(value)) return value;
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', '--args is not JSON', { cause: error });
  }
  throw new StarlingError('STARLING_USAGE', '--args must be a JSON object');
}

interface ProgressShower {
  show(this: void, params: JsonObject): void;
  end(this: void): void;
}

/** Shows progress on a terminal, and in pipes that a call waits; the same line only once. */
function progressShower(tool: string, talk?: Talk): ProgressShower {
  let shown = '';
  const say = (line: string): void => {
    if (talk?.isAsking === true) return;
    if (line !== shown) tell(line);
    shown = line;
  };
  const cancel = systemClock.schedule(SLOW_MS, () => {
    if (shown === '') say(safeLine(`… waits for an answer of ${tool}; Ctrl-C cancels the call`));
  });
  return {
    show({ progress, total, message }) {
      // A negative progress is what a node says while the call has not begun.
      const isWaiting = typeof progress === 'number' && progress < 0;
      const number = typeof progress === 'number' && progress >= 0 ? String(progress) : '';
      const of = typeof total === 'number' ? `/${total}` : '';
      const text = typeof message === 'string' ? safeLine(message) : '';
      const line = ['…', `${number}${of}`, text].filter((part) => part !== '').join(' ');
      if (isWaiting || process.stderr.isTTY) say(line);
    },
    end: cancel,
  };
}

function show(result: JsonObject, options: CallCommandOptions): void {
  if (options.json === true) print(JSON.stringify(result));
  else if (options.raw === true) process.stdout.write(contentOf(result).join(''));
  else {
    for (const part of contentOf(result)) {
      const text = safe(part);
      // A file's text ends its last line itself.
      print(text.endsWith('\n') ? text.slice(0, -1) : text);
    }
  }
}
