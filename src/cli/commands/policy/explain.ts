/** `starling policy explain` */
import type { PolicyExplainResult } from '../../../builtin/results.ts';
import { rightText } from '../../../core/words/right-words.ts';
import { readArguments } from '../../options/tool-arguments.ts';
import { forTerminal, paint, printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface ExplainOptions extends CommonOptions {
  readonly as: string;
  readonly for?: string;
  readonly do?: string;
  readonly on: string;
  readonly arg?: readonly string[];
}

const MARKS: Readonly<Record<string, string>> = {
  allow: paint.green('+'),
  deny: paint.red('-'),
  ask: paint.yellow('?'),
  note: ' ',
};

/** Prints yes, no, or that a person is asked, and each step on the way to it. */
export async function run(options: ExplainOptions): Promise<void> {
  const args = options.arg === undefined ? undefined : await readArguments(options.arg, undefined);
  const result = await withNode(options, (node) =>
    node.builtin<PolicyExplainResult>('policy_explain', {
      as: options.as,
      on: options.on,
      ...(options.for === undefined ? {} : { for: options.for }),
      ...(options.do === undefined ? {} : { do: options.do }),
      ...(args === undefined ? {} : { args }),
    }),
  );
  printData(result, options.json === true, () => {
    const { answer, who, ability, resource, steps, reason, hint, there } = result;
    const head = { yes: 'yes', no: 'no', ask: 'only once a person has approved it' }[answer];
    const lines = [
      paint.bold(safeLine(`${head}: ${who}, ${rightText(ability, resource)}`)),
      ...steps.map(
        ({ rule, outcome, text }) => `  ${MARKS[outcome]} ${safeLine(`${rule}: ${text}`)}`,
      ),
      ...(reason === undefined ? [] : reason.split('\n').map((line) => safeLine(line))),
      ...(hint === undefined ? [] : [safeLine(`→ ${hint}`)]),
      ...(there === undefined ? [] : [safeLine(`→ there: ${there}`)]),
    ];
    return forTerminal(lines.join('\n'), process.stdout);
  });
}
