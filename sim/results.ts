/**
 * `sim/RESULTS.md`: the last result of every command that takes too long for `npm test`, each in a
 * section that the command writes itself, with the commit and the machine that it was measured on.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

const HEAD = `# Last results

What takes longer than \`npm test\` may is a command of its own. Each section here was written by the
command that measured it; \`npm test\` and \`npm run long\` run the short form of each. Figures are of the machine named.
`;

/** One measurement. */
export interface ResultInit {
  /** Name of the section: the command's. */
  readonly name: string;
  /** How to measure the same again. */
  readonly command: string;
  /** What the command printed: text for people, in columns. */
  readonly text: string;
}

/** What it was measured on. */
export interface Circumstances {
  /** Short hash; followed by `-dirty` when files were changed. */
  readonly commit: string;
  /** ISO 8601, to the minute. */
  readonly date: string;
  readonly machine: string;
}

/** Writes the section of a command in place of its last one; gives the path of the file. */
export function recordResult(init: ResultInit): string {
  const root = projectRoot();
  const path = join(root, 'sim', 'RESULTS.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : HEAD;
  writeFileSync(path, withSection(text, init.name, renderSection(init, circumstances(root))));
  return path;
}

/** One section. Pure. */
export function renderSection(
  { name, command, text }: ResultInit,
  { commit, date, machine }: Circumstances,
): string {
  const body = text.replaceAll('```', "'''").trim();
  return `## ${name}

Commit ${commit}, ${date}, ${machine}. \`${command}\`

\`\`\`text
${body}
\`\`\`
`;
}

/** `text` with the section `name` replaced, or added in the order of the alphabet. Pure. */
export function withSection(text: string, name: string, section: string): string {
  const [head = '', ...sections] = text.split(/^(?=## )/m);
  const others = sections.filter((other) => nameOf(other) !== name);
  const all = [...others, section].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return `${[head, ...all].map((part) => part.trim()).join('\n\n')}\n`;
}

function nameOf(section: string): string {
  return /^## (.*)$/m.exec(section)?.[1] ?? '';
}

function circumstances(root: string): Circumstances {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', '.', ':!sim/RESULTS.md') !== '';
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  return {
    commit: `${git('rev-parse', '--short=10', 'HEAD')}${changed ? '-dirty' : ''}`,
    date: `${new Date().toISOString().slice(0, 16)}Z`,
    machine:
      `${availableParallelism()} cores (${model}), ${memoryGiB} GiB, ` +
      `${process.platform} ${process.arch}, Node ${process.version}`,
  };
}
