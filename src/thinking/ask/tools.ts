/** The tool `ask`: a question that a model answers with the caller's own tools, planned first. */
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { ASKS_MAX, CALL_LINE_MAX, PLAN_TOOLS_MAX, QUESTION_MAX } from '../limits.ts';
import type { AskPlanResult, AskResult, ThoughtEvent } from '../types.ts';
import { answerQuestion, planQuestion } from './ask.ts';
import type { AskComponents } from './ask.ts';

const STEPS_DEFAULT = 12;

/** One tool with two steps: without `tools` it plans, with them it answers. */
export function askTools(components: AskComponents): readonly BuiltinTool[] {
  let underWay = 0;
  return [
    defineTool({
      name: 'ask',
      title: 'Have a model answer with your tools',
      description:
        'Has a language model answer a question with tools that the caller may use. Without `tools` it only plans: what it would do, and by which tools. With `tools` it may call those, and answers. A caller that asks for progress is told the text and the calls as they come.',
      input: z.object({
        question: z.string().min(1).max(QUESTION_MAX),
        model: z.string().min(1).max(300).describe('As model_list names it: `gpu/qwen`.'),
        tools: z
          .array(z.string().min(1).max(256))
          .max(PLAN_TOOLS_MAX)
          .optional()
          .describe('Which it may call, by the names that lists show. Left out: it plans.'),
        steps: z
          .number()
          .int()
          .min(1)
          .max(100)
          .optional()
          .describe(`How often the model is asked, at the most; default ${STEPS_DEFAULT}.`),
      }),
      hints: { destructiveHint: true },
      clients: 'yes',
      waits: true,
      async run(
        { question, model, tools, steps = STEPS_DEFAULT },
        context,
      ): Promise<AskPlanResult | AskResult> {
        const { principal, signal } = context;
        const asked = { question, model, principal, signal };
        if (underWay >= ASKS_MAX) throw tooMany();
        underWay += 1;
        try {
          if (tools === undefined) return await planQuestion(components, asked);
          let told = 0;
          return await answerQuestion(components, asked, {
            tools,
            steps,
            happened(event) {
              const text = wordsOf(event);
              told += text.length;
              if (text !== '') context.progress?.(told, text);
            },
          });
        } finally {
          underWay -= 1;
        }
      },
    }),
  ];
}

function tooMany(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${ASKS_MAX} questions are being answered here already`,
    { hint: 'ask again when one of them has its answer' },
  );
}

function wordsOf(event: ThoughtEvent): string {
  if (event.kind === 'text') return event.text;
  if (event.kind === 'calls') return `\n→ ${event.tool} ${event.args.slice(0, CALL_LINE_MAX)}\n`;
  return event.isError ? `✗ ${event.text.slice(0, CALL_LINE_MAX)}\n` : '';
}
