/**
 * `npm run mutate [-- <part of a path> …]`: how many small faults in the pure files the tests see.
 * Each file is mutated in memory and tried in a process of its own, two at a time. Prints who
 * survived, and a score for each file and for all; fails below {@link SCORE_MIN}.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { createWorkProgress } from '../../src/cli/terminal/progress.ts';
import { readOptions } from '../../sim/command-options.ts';
import { recordResult } from '../../sim/results.ts';
import { EQUIVALENTS } from './equivalents.ts';
import { mutate } from './mutants.ts';
import type { Mutant } from './mutants.ts';
import { tryMutants } from './try-mutants.ts';
import { TARGETS } from './targets.ts';
import type { Target } from './targets.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Percent of the mutants that are not equivalent. */
const SCORE_MIN = 85;
const WORKERS = Math.min(2, availableParallelism());
const progress = createWorkProgress();

interface Score {
  readonly file: string;
  readonly total: number;
  readonly killed: number;
  readonly equal: number;
  readonly survivors: readonly Mutant[];
  readonly complaints: readonly string[];
}

async function scoreOf({ file, tests }: Target): Promise<Score> {
  const startedAt = performance.now();
  const { mutants } = mutate(readFileSync(join(ROOT, file), 'utf8'));
  const entries = EQUIVALENTS.filter((entry) => entry.file === file);
  const fits = (entry: (typeof entries)[number], mutant: Mutant): boolean =>
    entry.line === mutant.lineText && entry.from === mutant.from && entry.to === mutant.to;
  const equal = mutants.filter((mutant) => entries.some((entry) => fits(entry, mutant)));
  const { killed } = await tryMutants(
    {
      source: join(ROOT, file),
      tests: tests.map((path) => join(ROOT, path)),
      ids: mutants.map(({ id }) => id),
    },
    new Set(equal.map(({ id }) => id)),
  );
  const alive = mutants.filter(({ id }) => !killed.has(id));
  const complaints = entries
    .filter((entry) => !alive.some((mutant) => fits(entry, mutant)))
    .map(
      ({ line, from, to }) =>
        `${file}: listed as equivalent, but killed or gone: ${line} (${from} → ${to})`,
    );
  const survivors = alive.filter((mutant) => !equal.includes(mutant));
  const total = mutants.length - equal.length;
  const score = {
    file,
    total,
    killed: total - survivors.length,
    equal: equal.length,
    survivors,
    complaints,
  };
  print(score, performance.now() - startedAt);
  return score;
}

function print(score: Score, ms: number): void {
  const lines = [
    `${row(score)}  ${(ms / 1000).toFixed(1)} s`,
    ...score.survivors.map(
      ({ line, from, to }) => `          :${line}  ${short(from)}  →  ${short(to)}`,
    ),
    ...score.complaints,
  ];
  progress.above(() => process.stdout.write(`${lines.join('\n')}\n`));
}

function row({ file, total, killed }: Score): string {
  return `${percent(killed, total)} ${String(killed).padStart(4)}/${String(total).padEnd(4)} ${file}`;
}

function short(text: string): string {
  return text.length > 90 ? `${text.slice(0, 60)} … ${text.slice(-25)}` : text;
}

function percent(part: number, all: number): string {
  return `${((100 * part) / Math.max(1, all)).toFixed(1).padStart(5)} %`;
}

const startedAt = performance.now();
const USAGE = `
npm run mutate -- [part of a path …]: how many small faults, planted in pure files, the tests see (a quarter of an hour for all, on two quiet cores)

  grants/chain/verify  only files that have this in their paths; a run over all files writes sim/RESULTS.md
`;
const { positionals: wanted } = readOptions({ usage: USAGE, options: {} });
const targets = TARGETS.filter(
  ({ file }) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
);
if (targets.length === 0) {
  process.stderr.write(`no file that is mutated has ${wanted.join(' or ')} in its path\n`);
  process.exit(2);
}
const queue = [...targets];
const scores: Score[] = [];
const failures: string[] = [];
const showDone = (): void => {
  const done = scores.length + failures.length;
  progress.show(`${done} of ${targets.length} files`, done / Math.max(1, targets.length));
};
showDone();
await Promise.all(
  Array.from({ length: WORKERS }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        scores.push(await scoreOf(next));
      } catch (error) {
        // The other files are tried all the same.
        failures.push(`${next.file}: ${String(error)}`);
      }
      showDone();
    }
  }),
).finally(() => progress.done());
const sum = (of: (score: Score) => number): number =>
  scores.reduce((all, each) => all + of(each), 0);
const [killed, total, equal] = [sum((s) => s.killed), sum((s) => s.total), sum((s) => s.equal)];
const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
const summary = `${percent(killed, total)} ${killed}/${total} of ${scores.length} files, ${equal} equivalent, ${minutes} minutes\n`;
process.stdout.write(summary);
if (wanted.length === 0 && failures.length === 0) {
  const rows = scores.toSorted((a, b) => (a.file < b.file ? -1 : 1)).map(row);
  recordResult({ name: 'mutate', command: 'npm run mutate', text: [...rows, summary].join('\n') });
}
process.stdout.write(failures.map((failure) => `not tried: ${failure}\n`).join(''));
const isStale = failures.length > 0 || scores.some(({ complaints }) => complaints.length > 0);
if (isStale || (100 * killed) / Math.max(1, total) < SCORE_MIN) process.exitCode = 1;
