/**
 * What a recorded mix would have cost by other ways than the best model alone, and how good its answers would have been.
 * A way is chosen for each class by one half of its requests, and judged by the other. Whether an answer of a smaller model
 * is taken is decided as the router decides that, which sees no grade.
 */
import type { JsonObject } from '../../core/index.ts';
import { costOfUsage } from '../prices/price-table.ts';
import { usageOfAnswer } from '../providers/dialects.ts';
import { readCall } from '../read-call.ts';
import { tryModel } from '../routing/escalation.ts';
import { readSaid } from '../routing/final-answer.ts';
import type { ModelAnswer, ReadCall } from '../types.ts';
import { gradeOf } from './grading.ts';
import type { MixRequest, MixTier, ModelMix } from './mix.ts';

/** A way is chosen that has so much of the best one's score in the half that it is chosen by. */
const CHOSEN_FROM = 0.99;
/** What a way has to keep of the best one's score, and what a mix is to save. */
export const KEPT = 0.98;
export const SAVED = 0.2;
/** With fewer requests to choose by, a class stays with the best model. */
const CHOOSING_MIN = 20;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** One model alone, or the smaller first and the next where its answer is not good enough. */
export interface Way {
  readonly strategy: 'alone' | 'escalate';
  readonly models: readonly string[];
}

/** One class, judged. */
export interface ClassReport {
  readonly class: string;
  /** Requests that it is judged by; as many were chosen by. */
  readonly judged: number;
  readonly way: Way;
  readonly cost_usd: number;
  readonly all_best_cost_usd: number;
  /** Share of the cost that is saved. */
  readonly saved: number;
  readonly score: number;
  readonly all_best_score: number;
  /** Part of the score of the best model that is kept; absent where that one has answered nothing right, so that there is nothing to keep. */
  readonly kept?: number;
  /** Of a way that escalates: the share of answers that were good enough before the last model, and from which share on that pays. */
  readonly accepted?: number;
  readonly pays_from?: number;
}

/** A mix, judged. */
export interface ReplayReport {
  /** No model was asked: a program has made the mix up. */
  readonly synthetic: boolean;
  readonly requests: number;
  /** The smallest first. */
  readonly models: readonly string[];
  readonly classes: readonly ClassReport[];
  readonly total: Omit<ClassReport, 'class' | 'way' | 'accepted' | 'pays_from'>;
  /** Part of the all-best cost that is of classes with another way: as it is, and as it must be for a fifth to be saved. */
  readonly break_even: { readonly is: number; readonly needs?: number };
}

interface Outcome {
  readonly score: number;
  readonly micros: number;
  /** Spent on answers of smaller models, and whether one of them was taken. */
  readonly before: number;
  readonly isEarly: boolean;
}

/** Replays a mix. */
export async function replayMix(mix: ModelMix): Promise<ReplayReport> {
  const byClass = new Map<string, MixRequest[]>();
  for (const one of mix.requests) {
    const alike = byClass.get(one.class);
    if (alike === undefined) byClass.set(one.class, [one]);
    else alike.push(one);
  }
  const classes: ClassReport[] = [];
  for (const [name, requests] of byClass) classes.push(await reportOn(name, requests, mix.tiers));
  const others = classes.filter(({ way }) => way.strategy !== 'alone' || !isBest(way, mix.tiers));
  const [cost, best] = [costsOf(others), bestCostsOf(others)];
  const saved = best === 0 ? 0 : 1 - cost / best;
  const all = bestCostsOf(classes);
  return {
    synthetic: mix.synthetic === true,
    requests: mix.requests.length,
    models: mix.tiers.map(({ model }) => model),
    classes,
    total: totalOf(classes),
    break_even: {
      is: all === 0 ? 0 : best / all,
      ...(saved < SAVED ? {} : { needs: SAVED / saved }),
    },
  };
}

async function reportOn(
  name: string,
  requests: readonly MixRequest[],
  tiers: readonly MixTier[],
): Promise<ClassReport> {
  const best: Way = { strategy: 'alone', models: tiers.slice(-1).map(({ model }) => model) };
  const choosing = requests.filter((_, at) => at % 2 === 0);
  const judging = requests.length === 1 ? requests : requests.filter((_, at) => at % 2 === 1);
  const way = choosing.length < CHOOSING_MIN ? best : await choose(choosing, best, tiers);
  const [ours, theirs] = [await goneBy(way, judging, tiers), await goneBy(best, judging, tiers)];
  const [cost, bestCost] = [sum(ours, 'micros'), sum(theirs, 'micros')];
  const [score, bestScore] = [mean(ours), mean(theirs)];
  return {
    class: name,
    judged: judging.length,
    way,
    cost_usd: cost / 1_000_000,
    all_best_cost_usd: bestCost / 1_000_000,
    saved: bestCost === 0 ? 0 : 1 - cost / bestCost,
    score,
    all_best_score: bestScore,
    ...keptOf(score, bestScore),
    ...(way.strategy === 'alone'
      ? {}
      : {
          accepted: ours.filter(({ isEarly }) => isEarly).length / ours.length,
          ...(bestCost === 0 ? {} : { pays_from: sum(ours, 'before') / bestCost }),
        }),
  };
}

/** The cheapest way that is good enough for these. */
async function choose(
  requests: readonly MixRequest[],
  best: Way,
  tiers: readonly MixTier[],
): Promise<Way> {
  const names = tiers.map(({ model }) => model);
  const ways = names.flatMap((model, at): Way[] => [
    { strategy: 'alone', models: [model] },
    ...(at === names.length - 1
      ? []
      : [{ strategy: 'escalate' as const, models: names.slice(at) }]),
  ]);
  const bests = await goneBy(best, requests, tiers);
  // Whatever is cheaper would be as good as a model that answers nothing right.
  if (mean(bests) === 0) return best;
  const wanted = mean(bests) * CHOSEN_FROM;
  let chosen = { way: best, micros: sum(bests, 'micros') };
  for (const way of ways) {
    const gone = await goneBy(way, requests, tiers);
    const micros = sum(gone, 'micros');
    if (micros < chosen.micros && mean(gone) >= wanted) chosen = { way, micros };
  }
  return chosen.way;
}

async function goneBy(
  way: Way,
  requests: readonly MixRequest[],
  tiers: readonly MixTier[],
): Promise<readonly Outcome[]> {
  const used = way.models.flatMap((model) => tiers.find((tier) => tier.model === model) ?? []);
  const outcomes: Outcome[] = [];
  for (const request of requests) outcomes.push(await outcomeOf(request, used));
  return outcomes;
}

async function outcomeOf(request: MixRequest, tiers: readonly MixTier[]): Promise<Outcome> {
  let before = 0;
  for (const tier of tiers.slice(0, -1)) {
    const answer = request.answers[tier.model] ?? {};
    const micros = costOf(answer, tier);
    before += micros;
    const init = { votes: 1, answerBytes: ANSWER_BYTES_MAX };
    const { doubt } = await tryModel(callOf(request, tier.model), init, async () =>
      answerOf(answer),
    );
    if (doubt === undefined) {
      return { score: scoreOf(request, answer), micros: before, before, isEarly: true };
    }
  }
  const last = tiers.at(-1);
  const answer = request.answers[last?.model ?? ''] ?? {};
  const micros = before + (last === undefined ? 0 : costOf(answer, last));
  return { score: scoreOf(request, answer), micros, before, isEarly: false };
}

function callOf({ body }: MixRequest, model: string): ReadCall {
  return readCall('chat', Buffer.from(JSON.stringify({ ...body, model, stream: false })), {});
}

function answerOf(answer: JsonObject): ModelAnswer {
  return { isStream: false, headers: {}, body: once(Buffer.from(JSON.stringify(answer))) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function scoreOf({ expect }: MixRequest, answer: JsonObject): number {
  return gradeOf(expect, readSaid('chat', false, Buffer.from(JSON.stringify(answer))));
}

function costOf(answer: JsonObject, { price }: MixTier): number {
  return costOfUsage(price, usageOfAnswer('openai', answer) ?? { input: 0, output: 0 });
}

function totalOf(classes: readonly ClassReport[]): ReplayReport['total'] {
  const judged = classes.reduce((all, one) => all + one.judged, 0);
  const weighted = (pick: (one: ClassReport) => number): number =>
    judged === 0 ? 0 : classes.reduce((all, one) => all + pick(one) * one.judged, 0) / judged;
  const [cost, best] = [costsOf(classes), bestCostsOf(classes)];
  const [score, bestScore] = [weighted((one) => one.score), weighted((one) => one.all_best_score)];
  return {
    judged,
    cost_usd: cost,
    all_best_cost_usd: best,
    saved: best === 0 ? 0 : 1 - cost / best,
    score,
    all_best_score: bestScore,
    ...keptOf(score, bestScore),
  };
}

function keptOf(score: number, best: number): Pick<ClassReport, 'kept'> {
  return best === 0 ? {} : { kept: score / best };
}

function costsOf(classes: readonly ClassReport[]): number {
  return classes.reduce((all, { cost_usd: cost }) => all + cost, 0);
}

function bestCostsOf(classes: readonly ClassReport[]): number {
  return classes.reduce((all, { all_best_cost_usd: cost }) => all + cost, 0);
}

function isBest({ models }: Way, tiers: readonly MixTier[]): boolean {
  return models.join() === tiers.at(-1)?.model;
}

function sum(outcomes: readonly Outcome[], what: 'micros' | 'before'): number {
  return outcomes.reduce((all, one) => all + one[what], 0);
}

function mean(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((all, { score }) => all + score, 0) / Math.max(1, outcomes.length);
}
