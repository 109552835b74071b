/** `starling pin list` */
import type { PinListResult, PinSummary } from '../../../builtin/results.ts';
import { duration, paint, printData, safeLine, sentence } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** What each reason means, in words. */
const REASONS: Readonly<Record<PinSummary['reason'], string>> = {
  changed: 'differs from what was pinned',
  new: 'came after its server was pinned',
  renamed: 'is a pinned one under a new name',
  invisible: 'holds invisible characters',
};
const FLAGS_SHOWN = 5;

/** Prints what is quarantined, each with its difference, oldest first. */
export async function run(filter: string | undefined, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<PinListResult>('pin_list', filter === undefined ? {} : { filter }),
  );
  printData(result, options.json === true, () => {
    if (result.quarantined.length === 0) {
      const count = `${result.pinned} ${result.pinned === 1 ? 'definition' : 'definitions'}`;
      return filter === undefined
        ? `nothing is quarantined; ${count} pinned`
        : safeLine(`nothing quarantined contains '${filter}'`);
    }
    return [
      ...result.quarantined.map(describe),
      paint.dim('approve one with: starling pin approve <name as above>'),
    ].join('\n\n');
  });
}

function describe(one: PinSummary): string {
  const was = one.was === undefined ? '' : ` (was ${one.was})`;
  const head = `${one.kind} ${one.reference} ${REASONS[one.reason]}${was} (for ${duration(Date.now() - one.since)})`;
  const flags = one.flags.slice(0, FLAGS_SHOWN).map(({ where, kind, character, count }) => {
    const times = count === 1 ? '' : ` (${count} times)`;
    const what = safeLine(`${kind} character ${character}${times} in ${where}`);
    return sentence(`  ${paint.yellow('!')} `, what);
  });
  const more = one.flags.length - flags.length;
  const rest = more > 0 ? [`  ${paint.yellow('!')} and ${more} more`] : [];
  const lines = one.difference ?? ['  its difference: starling pin list <name as above>'];
  return [paint.bold(sentence('', safeLine(head))), ...flags, ...rest, ...lines.map(colour)].join(
    '\n',
  );
}

function colour(line: string): string {
  // What does not fit goes on below, beside its mark.
  const clean = safeLine(line);
  const [head = ''] = /^.? */u.exec(clean) ?? [];
  const text = sentence(`  ${head}`, clean.slice(head.length));
  if (line.startsWith('+')) return paint.green(text);
  if (line.startsWith('-')) return paint.red(text);
  return line.startsWith('@@') ? paint.dim(text) : text;
}
