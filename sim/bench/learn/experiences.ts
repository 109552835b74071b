/**
 * What being reminded is worth: tickets that are to be put into one of four queues, by the room that keeps experiences, on a
 * real disk. The model is a stand-in that knows nothing: it guesses, and heeds what it is reminded of nine times in ten. So
 * the figures say what retrieval finds, and nothing of any real model.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createHealth,
  createLearning,
  createStore,
  silentLogger,
  systemClock,
} from '../../../src/testing.ts';
import type { Learner, Learning, Random } from '../../../src/testing.ts';
import { removeAtExit } from '../../remove-at-exit.ts';
import { seededRandom } from '../../seeded-random.ts';
import { meanInterval, shareInterval } from './intervals.ts';
import type { Interval } from './intervals.ts';

/** What came of one mix. */
export interface ExperiencesRow {
  readonly title: string;
  readonly seeds: number;
  readonly tasks: number;
  /** Shares of tickets that were put right, of all seeds; exact. */
  readonly without: Interval;
  readonly learned: Interval;
  /** The difference, between the same seeds. */
  readonly gain: Interval;
  /** Tasks of which the model was reminded of anything. */
  readonly reminded: number;
}

/** What was measured, by mix. */
export interface ExperiencesFigures {
  readonly familiar: ExperiencesRow;
  readonly unrelated: ExperiencesRow;
}

/** A ticket, and where it belongs. */
interface Ticket {
  readonly text: string;
  readonly queue: string;
}

const QUEUES = ['north', 'south', 'east', 'west'];
/** What tickets of one kind are about; each kind belongs to one queue, which changes with the seed. */
const KINDS = [
  ['invoice', 'refund', 'payment', 'receipt', 'charge'],
  ['password', 'login', 'account', 'locked', 'token'],
  ['parcel', 'courier', 'delivery', 'address', 'late'],
  ['crash', 'error', 'screen', 'update', 'freeze'],
  ['contract', 'renewal', 'discount', 'licence', 'seats'],
];
const FILLERS = ['please', 'today', 'customer', 'again', 'urgent', 'question', 'morning'];
const WORDS_OF_KIND = 3;
const HEEDS = 0.9;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('');
const ANSWERED = /Answered: (\w+)[^]*?Came of it: (success|failure)/g;

const LEARNER: Learner = {
  agent: 'sorter',
  owner: 'operator',
  capabilities: [],
  settings: { ways: {}, cost: 0, time: 0, answers: {}, experiences: 3 },
};

/** Runs both mixes, each over `seeds` seeds of `tasks` tickets. */
export async function measureExperiences(
  seeds: number,
  tasks: number,
): Promise<ExperiencesFigures> {
  const familiar = 'tickets of five kinds that come again';
  const unrelated = 'no ticket is like another: nothing to learn';
  return {
    familiar: await rowOf(familiar, { seeds, tasks, ticketsOf: familiarTickets }),
    unrelated: await rowOf(unrelated, { seeds, tasks, ticketsOf: unrelatedTickets }),
  };
}

async function rowOf(
  title: string,
  init: {
    readonly seeds: number;
    readonly tasks: number;
    readonly ticketsOf: (random: Random, count: number) => readonly Ticket[];
  },
): Promise<ExperiencesRow> {
  const { seeds, tasks, ticketsOf } = init;
  const runs: { without: number; right: number; reminded: number }[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const tickets = ticketsOf(seededRandom(seed), tasks);
    const without = guessAll(tickets, seededRandom(seed + 1_000_003));
    const { reminded, right } = await inRoom((learning) =>
      learnAll(learning, tickets, seededRandom(seed + 1_000_003)),
    );
    runs.push({ without, right, reminded });
  }
  const sum = (pick: (one: (typeof runs)[number]) => number): number =>
    runs.reduce((total, one) => total + pick(one), 0);
  return {
    title,
    seeds,
    tasks,
    without: shareInterval(
      sum(({ without }) => without),
      seeds * tasks,
    ),
    learned: shareInterval(
      sum(({ right }) => right),
      seeds * tasks,
    ),
    gain: meanInterval(runs.map(({ right, without }) => (right - without) / tasks)),
    reminded: sum(({ reminded }) => reminded),
  };
}

function familiarTickets(random: Random, count: number): readonly Ticket[] {
  const queues = KINDS.map(() => oneOf(QUEUES, random));
  return Array.from({ length: count }, () => {
    const kind = Math.floor(random() * KINDS.length);
    return { text: textOf(KINDS[kind] ?? [], random), queue: queues[kind] ?? '' };
  });
}

/** Words that no other ticket has, among the same fillers. */
function unrelatedTickets(random: Random, count: number): readonly Ticket[] {
  return Array.from({ length: count }, () => {
    const words = Array.from({ length: WORDS_OF_KIND }, () =>
      Array.from({ length: 8 }, () => oneOf(LETTERS, random)).join(''),
    );
    return { text: textOf(words, random), queue: oneOf(QUEUES, random) };
  });
}

function textOf(words: readonly string[], random: Random): string {
  const own = Array.from({ length: WORDS_OF_KIND }, () => oneOf(words, random));
  const fillers = [oneOf(FILLERS, random), oneOf(FILLERS, random)];
  return `Ticket: ${own.join(' ')} ${fillers.join(' ')}. Which queue?`;
}

function guessAll(tickets: readonly Ticket[], random: Random): number {
  return tickets.filter(({ queue }) => standIn(undefined, random) === queue).length;
}

async function learnAll(
  learning: Learning,
  tickets: readonly Ticket[],
  random: Random,
): Promise<{ readonly right: number; readonly reminded: number }> {
  let right = 0;
  let reminded = 0;
  for (const [at, { queue, text: situation }] of tickets.entries()) {
    const work = { sender: 'operator', reference: `ticket ${at}`, situation };
    const { reminder, work: name } = await learning.begin(LEARNER, work, []);
    const action = standIn(reminder?.text, random);
    const came = { work: name, outcome: 'success', by: 'answered', zone: 'local' } as const;
    await learning.ended(LEARNER, { ...work, ...came, action });
    const outcome = action === queue ? 'success' : 'failure';
    const grade = { agent: LEARNER.agent, reference: work.reference, outcome } as const;
    await learning.grade({ kind: 'operator' }, { ...grade, update: 'both' });
    right += action === queue ? 1 : 0;
    reminded += reminder === undefined ? 0 : 1;
  }
  return { right, reminded };
}

/** Knows nothing; heeds what it is reminded of nine times in ten: what was right, and not what was wrong. */
function standIn(reminder: string | undefined, random: Random): string {
  const heeds = random() < HEEDS;
  const guess = random();
  const known = heeds ? [...(reminder ?? '').matchAll(ANSWERED)] : [];
  const right = known.find(([, , outcome]) => outcome === 'success')?.[1];
  if (right !== undefined) return right;
  const wrong = new Set(known.map(([, answer]) => answer));
  const left = QUEUES.filter((queue) => !wrong.has(queue));
  return left[Math.floor(guess * left.length)] ?? QUEUES[0] ?? '';
}

async function inRoom<Result>(work: (learning: Learning) => Promise<Result>): Promise<Result> {
  const dir = await mkdtemp(join(tmpdir(), 'starling-bench-learn-'));
  const cancelRemoval = removeAtExit(dir);
  const components = { logger: silentLogger, clock: systemClock, health: createHealth() };
  const store = createStore(components, { dir });
  await store.start();
  const learning = createLearning({
    table: store.table('learning'),
    learners: { find: () => LEARNER, all: () => [LEARNER] },
    zoneOf: () => 'local',
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  await learning.start();
  try {
    return await work(learning);
  } finally {
    await learning.stop();
    await store.stop();
    await rm(dir, { recursive: true, force: true });
    cancelRemoval();
  }
}

function oneOf<T>(all: readonly T[], random: Random): T {
  return all[Math.floor(random() * all.length)] as T;
}
