/** `starling llm replay` */
import { StarlingError } from '../../../core/errors.ts';
import { KEPT, SAVED, createSyntheticMix, readMix, replayMix } from '../../../models/index.ts';
import type { ClassReport, ReplayReport, Way } from '../../../models/index.ts';
import { readLineFile } from '../../options/line-file.ts';
import { asSentence, printData, safeLine, table } from '../../terminal/output.ts';

interface ReplayOptions {
  readonly json?: boolean;
  readonly class?: readonly string[];
}

/** Replays a recorded mix, or the made-up one, and prints what other ways would have cost. @throws STARLING_USAGE */
export async function run(file: string | undefined, options: ReplayOptions): Promise<void> {
  const mix = file === undefined ? createSyntheticMix() : readMix(await readLineFile(file), file);
  const wanted = options.class ?? [];
  const kinds = new Set(mix.requests.map((request) => request.class));
  const unknown = wanted.find((name) => !kinds.has(name));
  if (unknown !== undefined) {
    throw new StarlingError('STARLING_USAGE', `no request is of the class '${unknown}'`, {
      hint: `classes are ${[...kinds].join(', ')}`,
    });
  }
  const requests = mix.requests.filter(
    (request) => wanted.length === 0 || wanted.includes(request.class),
  );
  const report = await replayMix({ ...mix, requests });
  printData(report, options.json === true, () => textOf(report));
}

function textOf(report: ReplayReport): string {
  const { classes, models, requests, synthetic, total } = report;
  const best = models.at(-1) ?? '';
  const rows = classes.map((one) => [
    one.class,
    String(one.judged),
    wayText(one.way),
    dollars(one.cost_usd),
    dollars(one.all_best_cost_usd),
    percent(one.saved),
    one.score.toFixed(3),
    keptText(one.kept),
  ]);
  const all = [
    'all',
    String(total.judged),
    '',
    dollars(total.cost_usd),
    dollars(total.all_best_cost_usd),
    percent(total.saved),
    total.score.toFixed(3),
    keptText(total.kept),
  ];
  const head = ['CLASS', 'JUDGED', 'WAY', 'COST', 'ALL BEST', 'CHEAPER', 'SCORE', 'OF BEST'];
  return [
    ...(synthetic
      ? [
          'SYNTHETIC: a program has made these requests and answers up, and no model was asked. They show how the figures are made, and say nothing of real models; record your own: starling llm record --help',
          '',
        ]
      : []),
    safeLine(
      `${requests} requests, the smallest model first: ${models.join(', ')}. All best: ${best} alone. Ways are chosen by one half, and judged by the other.`,
    ),
    '',
    table(head, [...rows, all], { flexible: 2, wrap: true }),
    '',
    ...sentencesOf(report),
  ].join('\n');
}

function sentencesOf({ break_even: even, classes, total }: ReplayReport): string[] {
  const measured = classes.flatMap(({ kept, ...one }) =>
    kept === undefined ? [] : [{ ...one, kept }],
  );
  const worse = measured.filter(({ kept }) => kept < KEPT);
  const unmeasured = classes.filter(({ kept }) => kept === undefined);
  const escalated = classes.flatMap((one) => escalationText(one));
  return [
    ...(measured.length === 0
      ? []
      : [
          worse.length === 0
            ? `${unmeasured.length === 0 ? 'Each class' : 'Each other class'} keeps at least ${percent(KEPT)} of the best model's score.`
            : `Not good enough: ${worse.map((one) => `${one.class} keeps ${percent(one.kept)}`).join(', ')} of the best model's score, and should be at ${percent(KEPT)}.`,
        ]),
    ...(unmeasured.length === 0
      ? []
      : [
          `Nothing can be said of ${unmeasured.map((one) => one.class).join(', ')}: the best model has answered none of the questions right.`,
        ]),
    ...escalated,
    even.needs === undefined
      ? 'No mix of these classes saves a fifth.'
      : `A fifth is saved from ${percent(even.needs)} on of the cost being of classes that need not have the best model; here it is ${percent(even.is)}.`,
    total.saved >= SAVED
      ? `This mix is ${percent(total.saved)} cheaper than with the best model alone.`
      : `This mix is ${percent(total.saved)} cheaper than with the best model alone: less than a fifth.`,
  ].map(asSentence);
}

function escalationText(one: ClassReport): string[] {
  if (one.accepted === undefined || one.pays_from === undefined) return [];
  return [
    `${one.class}: smaller models first pays where over ${percent(one.pays_from)} of their answers are good enough; ${percent(one.accepted)} were.`,
  ];
}

function wayText({ models, strategy }: Way): string {
  return strategy === 'alone' ? `${models.join()} alone` : `escalate: ${models.join(', ')}`;
}

function keptText(kept: number | undefined): string {
  return kept === undefined ? '–' : percent(kept);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(4)}`;
}
