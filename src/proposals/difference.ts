/** The difference that a proposal would make, as a person is shown it: our words for what it holds, and never those of a model beside it. Pure. */
import { printable } from '../core/index.ts';
import { entryOf, placeOf } from './config-entry.ts';
import type { Proposal, ProposedProgram } from './types.ts';

const READ_FROM = {
  trusted: 'members of the mesh',
  external: 'outside of the mesh',
} as const;

/** Line by line; each added line begins with `+ `, and a line that a person should not pass over with `! `. */
export function differenceOf(
  proposal: Proposal,
  { configFile, folder }: { readonly configFile: string; readonly folder: string },
): readonly string[] {
  const { agent, digest, name, program, replaces, taint, what, worksFor } = proposal;
  const called = what === 'server' ? 'an MCP server' : 'a kind of agents';
  const head = [
    `${called} '${name}', proposed by ${agent}${worksFor === undefined ? '' : `, which worked for ${worksFor}`}`,
    `digest ${digest}`,
    ...(taint === undefined
      ? []
      : [`! its agent had read what comes from ${READ_FROM[taint]}: that may speak through it`]),
    ...(replaces === undefined
      ? []
      : [`! it is not the one that waited by this name before, which had the digest ${replaces}`]),
  ];
  if (program === undefined) return [...head, 'its files are not kept any more'];
  return [
    ...head,
    ...warningsOf(program),
    '',
    `${configFile}: ${[...placeOf(program), name].join('.')}`,
    ...added(JSON.stringify(entryOf(program, folder), null, 2)),
    ...program.files.flatMap(({ path, text }) => ['', `${folder}/${path}`, ...added(text)]),
  ];
}

/** What gives it more than its own files. */
function warningsOf({ command, args, limits, tools, what }: ProposedProgram): readonly string[] {
  const line = [command, ...args].map((word) => JSON.stringify(word)).join(' ');
  return [
    `runs: ${line}`,
    ...(limits.network ? ['! it would reach the network'] : ['it would reach no network']),
    ...(limits.keeps ? ['! it would write in a folder of its own'] : ['it would write nothing']),
    ...(what === 'kind' && tools.length > 0
      ? [`! its agents might use ${tools.map((tool) => printable(tool, 256)).join(', ')}`]
      : []),
  ];
}

function added(text: string): readonly string[] {
  const lines = text.endsWith('\n') ? text.slice(0, -1) : text;
  return lines.split('\n').map((line) => `+ ${line}`);
}
