/** `starling llm ask` */
import { durationText } from '../../../core/time/duration.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import type { AiQueryResult } from '../../../models/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { onceTakenUp } from '../../node/config-taken-up.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { paintTalk, print, printData, safe, safeLine, tell } from '../../terminal/output.ts';
import { readStdin } from '../../terminal/stdin.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** For a node that hangs: the provider's own timeout ends a call sooner. */
const TIMEOUT_MS = 25 * 3_600_000;

interface AskOptions extends CommonOptions {
  readonly model: string;
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly budget?: string;
}

/** Asks the model and prints its answer as it comes. @throws what the call fails with */
export async function run(question: string, options: AskOptions): Promise<ExitCode> {
  const { budget, model, system, maxTokens, temperature } = options;
  if (temperature !== undefined && !(temperature >= 0 && temperature <= 2)) {
    throw new StarlingError('STARLING_USAGE', '--temperature is a number from 0 to 2');
  }
  const query = question === '-' ? await readStdin('the question') : question;
  const args: JsonObject = {
    query,
    model,
    ...(system === undefined ? {} : { system }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(budget === undefined ? {} : { budget }),
  };
  const isJson = options.json === true;
  let isBegun = false;
  const progress = ({ message }: JsonObject): void => {
    if (typeof message !== 'string' || message === '') return;
    isBegun = true;
    process.stdout.write(safe(message));
  };
  const result = await untilInterrupted(async (signal) => {
    try {
      return await onceTakenUp(model, options, () =>
        withNode(
          options,
          (node) =>
            node.builtin<AiQueryResult>('ai_query', args, {
              timeoutMs: TIMEOUT_MS,
              signal,
              ...(isJson ? {} : { progress }),
            }),
          signal,
        ),
      );
    } finally {
      // What came of an answer that broke off stands on its own line.
      if (isBegun) process.stdout.write('\n');
    }
  });
  if (typeof result === 'number') return result;
  if (isJson) printData(result, true, () => '');
  else if (!isBegun) print(safe(result.response));
  if (!isJson) tell(paintTalk.dim(lineOf(result)));
  return 0;
}

function lineOf(result: AiQueryResult): string {
  const about = result.is_estimated === true ? 'about ' : '';
  const notes = Object.entries(result.notes ?? {}).map(
    ([name, value]) => `${name.replace(/^starling-/, '')} ${value}`,
  );
  const ended = result.finish_reason ?? 'stop';
  return safeLine(
    [
      result.model,
      `${about}${result.tokens_used.toLocaleString('en-US')} tokens`,
      ...(result.cost_usd === undefined ? [] : [`$${Number(result.cost_usd.toFixed(6))}`]),
      durationText(result.took_ms),
      ...(ended === 'stop' ? [] : [`ended by: ${ended}`]),
      ...notes,
    ].join(' · '),
  );
}
