/** `starling ask` */
import { durationText } from '../../core/time/duration.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import type { JsonObject } from '../../core/json/json.ts';
import type { AskPlanResult, AskResult } from '../../thinking/types.ts';
import type { NodeClient } from '../node/client.ts';
import { withNode } from '../node/locate-node.ts';
import { onceTakenUp } from '../node/config-taken-up.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { ask, canAsk, nobodyAgreed } from '../terminal/questions/ask.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { paintTalk, print, printData, safe, safeLine, tell } from '../terminal/output.ts';
import { readStdin } from '../terminal/stdin.ts';

/** For a node that hangs: calls and models have timeouts of their own. */
const TIMEOUT_MS = 25 * 3_600_000;

interface AskOptions extends CommonOptions {
  readonly model: string;
  readonly steps?: number;
  readonly yes?: boolean;
  readonly plan?: boolean;
}

/** Shows the plan, asks, and prints the answer as it comes. @throws what the calls fail with */
export async function run(words: string, options: AskOptions): Promise<ExitCode> {
  const question = words === '-' ? await readStdin('the question') : words;
  const result = await untilInterrupted((signal) =>
    withNode(options, (node) => answered(node, question, options, signal), signal),
  );
  return typeof result === 'number' ? result : 0;
}

async function answered(
  node: NodeClient,
  question: string,
  options: AskOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { json, model, plan: isPlanOnly, steps } = options;
  const args: JsonObject = { question, model };
  const how = { timeoutMs: TIMEOUT_MS, signal };
  const planned = await onceTakenUp(model, options, () =>
    node.builtin<AskPlanResult>('ask', args, how),
  );
  if (isPlanOnly === true) {
    printData(planned, json === true, () => planText(planned));
    return 0;
  }
  if (!(await isAgreed(planned, options))) {
    tell('nothing was called');
    return 1;
  }
  const wanted = { ...args, tools: [...planned.tools], ...(steps === undefined ? {} : { steps }) };
  let isBegun = false;
  const progress = ({ message }: JsonObject): void => {
    if (typeof message !== 'string') return;
    isBegun = true;
    process.stdout.write(safe(message));
  };
  const watch = json === true ? {} : { progress };
  const result = await node.builtin<AskResult>('ask', wanted, { ...how, ...watch }).finally(() => {
    if (isBegun) process.stdout.write('\n');
  });
  if (json === true) printData(result, true, () => '');
  else if (!isBegun) print(safe(result.response));
  if (json !== true) tell(paintTalk.dim(lineOf(result)));
  return 0;
}

async function isAgreed(planned: AskPlanResult, options: AskOptions): Promise<boolean> {
  if (options.json !== true) tell(planText(planned));
  // Words alone change nothing.
  if (options.yes === true || planned.tools.length === 0) return true;
  if (options.json === true || !canAsk()) throw nobodyAgreed('a model calls these tools');
  const question = `May it call ${planned.tools.join(', ')}, with whatever arguments it chooses?`;
  return (await ask(safeLine(question), ['no', 'yes'])) === 'yes';
}

function planText({ plan, tools }: AskPlanResult): string {
  const steps = plan.map((line, at) => safeLine(`${at + 1}. ${line}`));
  const by = tools.length === 0 ? 'no tools' : `tools: ${tools.join(', ')}`;
  return [...steps, safeLine(by)].join('\n');
}

function lineOf({ model, calls, input_tokens, output_tokens, took_ms }: AskResult): string {
  const tokens = (input_tokens + output_tokens).toLocaleString('en-US');
  return safeLine(
    [model, `${calls.length} calls`, `${tokens} tokens`, durationText(took_ms)].join(' · '),
  );
}
