/** `starling llm transcripts` */
import { localTime } from '../../../core/time/local-time.ts';
import type { LlmTranscriptsResult, Transcript } from '../../../models/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { paint, printData, safe, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface TranscriptsOptions extends CommonOptions {
  readonly model?: string;
  readonly before?: string;
  readonly limit?: number;
}

/** Prints prompts and answers that are kept. */
export async function run({ before, limit, model, ...options }: TranscriptsOptions): Promise<void> {
  const args = {
    ...(before === undefined ? {} : { before }),
    ...(limit === undefined ? {} : { limit }),
    ...(model === undefined ? {} : { model }),
  };
  const result = await withNode(options, (node) =>
    node.builtin<LlmTranscriptsResult>('llm_transcripts', args),
  );
  printData(result, options.json === true, () => {
    const { keeps, next, transcripts } = result;
    if (keeps.length === 0 && transcripts.length === 0) {
      return 'no prompts and answers are kept; name models in models.transcripts of the config file: { "gpu/*": "7d" }';
    }
    if (transcripts.length === 0)
      return `none yet; kept are those of ${safeLine(keeps.join(', '))}`;
    const shown = transcripts.map(textOf).join('\n\n');
    return next === undefined
      ? shown
      : `${shown}\n\nolder ones: starling llm transcripts --before ${next}`;
  });
}

function textOf(one: Transcript): string {
  const { answer, at, isCut, model, onBehalfOf, outcome, reason, request, task, who } = one;
  const head = [
    localTime(at),
    model,
    onBehalfOf === undefined ? who : `${who} for ${onBehalfOf}`,
    ...(task === undefined ? [] : [`task ${task}`]),
    reason === undefined ? outcome : `${outcome} (${reason})`,
    ...(isCut === true ? ['cut'] : []),
  ];
  return [
    paint.dim(safeLine(head.join(' · '))),
    safeLine(`> ${request}`),
    ...(answer === '' ? [] : [safe(answer)]),
  ].join('\n');
}
