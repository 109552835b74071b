/**
 * The models of a node behind routes: a name that stands for several models is asked for like one, and the first of them
 * that answers is the one. Another is asked only before the first token, so that nobody pays or sees half an answer twice.
 * Answers that were kept are given again, and callers have no more of a minute than the configuration says.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, ErrorCode } from '../../core/index.ts';
import type { ModelRoute, ModelsConfig } from '../../config/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { AboutModel, Models } from '../models.ts';
import { worstCost } from '../prices/price-table.ts';
import { limitIn, reckonTokens, textLengthOf } from '../providers/token-estimate.ts';
import type { ListedModel, ModelAnswer, ModelForm, ReadCall, Usage } from '../types.ts';
import { cacheKey, createAnswerCache } from './answer-cache.ts';
import type { AnswerCache } from './answer-cache.ts';
import { createBreakers } from './breakers.ts';
import type { Breakers, Trial } from './breakers.ts';
import { fittingFirst, inOrder } from './choice.ts';
import { VOTES, sumOf, tryModel } from './escalation.ts';
import { withFirstToken } from './first-token.ts';
import { conversationOf, createConversations } from './conversations.ts';
import type { Conversations } from './conversations.ts';
import { createQuotas } from './quotas.ts';
import type { Quotas } from './quotas.ts';

/** Failures after which the request itself is at fault, or its caller is gone: another model would fail alike. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'STARLING_MODEL_REJECTED',
  'STARLING_STOPPED',
  'STARLING_USAGE',
] satisfies ErrorCode[]);

/** What routing works with. */
export interface RouterComponents {
  readonly models: Models;
  readonly config: () => ModelsConfig;
  /** The same quotas as others have them; default: its own, of the configuration. */
  readonly quotas?: Quotas;
  readonly clock: Clock;
}

/** Makes the same models, behind routes; `messageBytes` bounds an answer that is checked before anybody sees of it. */
export function createRouter(
  components: RouterComponents,
  init: { readonly messageBytes: number },
): Models {
  return new RoutedModels(components, init.messageBytes);
}

/** Forms whose answers can be checked. */
const CHECKED: readonly ModelForm[] = ['chat', 'messages', 'responses'];

/** A model whose answer was not good enough, and why not. */
interface Doubted {
  readonly name: string;
  readonly answer: ModelAnswer;
  readonly doubt?: string;
  /** Of one that is good enough: how many have voted for it. */
  readonly won?: string | undefined;
}

/** A model that has failed, or was not asked. */
interface Failure {
  readonly name: string;
  readonly error: unknown;
}

class RoutedModels implements Models {
  readonly #components: RouterComponents;
  readonly #breakers: Breakers;
  readonly #quotas: Quotas;
  readonly #cache: AnswerCache;
  readonly #conversations: Conversations;

  readonly #messageBytes: number;

  constructor(components: RouterComponents, messageBytes: number) {
    this.#messageBytes = messageBytes;
    const { clock, config } = components;
    this.#components = components;
    this.#breakers = createBreakers(clock);
    this.#conversations = createConversations(clock);
    this.#quotas = components.quotas ?? createQuotas(clock, () => config().quotas);
    this.#cache = createAnswerCache(clock, () => config().cache);
  }

  async list(principal: Principal, signal: AbortSignal): ReturnType<Models['list']> {
    const listed = await this.#components.models.list(principal, signal);
    const { routes } = this.#components.config();
    const usable = Object.entries(routes).filter(([, { models, fallbacks }]) =>
      [...models, ...fallbacks].some((name) => this.about(name, principal) !== undefined),
    );
    const named = usable.map(([name]): ListedModel => ({ name, isRoute: true }));
    return { ...listed, models: [...named, ...listed.models] };
  }

  ask(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer> {
    const route = this.#routeOf(call.model);
    const whose = route?.shared === true ? '' : keyOf(principal);
    const key = cacheKey(call, whose);
    const isKept = key !== undefined && this.#components.config().cache.ttlMs > 0;
    return this.#within(call, principal, () =>
      isKept
        ? this.#kept(key, call, route, principal, signal)
        : this.#asked(call, route, principal, signal),
    );
  }

  askOwn(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer> {
    return this.#within(call, principal, () =>
      this.#components.models.askOwn(call, principal, signal),
    );
  }

  about(name: string, principal: Principal): AboutModel | undefined {
    return this.#components.models.about(name, principal);
  }

  own(...args: Parameters<Models['own']>): ReturnType<Models['own']> {
    return this.#components.models.own(...args);
  }

  replay(...args: Parameters<Models['replay']>): ReturnType<Models['replay']> {
    return this.#components.models.replay(...args);
  }

  probe(...args: Parameters<Models['probe']>): ReturnType<Models['probe']> {
    return this.#components.models.probe(...args);
  }

  grade(...args: Parameters<Models['grade']>): void {
    this.#components.models.grade(...args);
  }

  stats(): ReturnType<Models['stats']> {
    return this.#components.models.stats();
  }

  totals(): ReturnType<Models['totals']> {
    return this.#components.models.totals();
  }

  providers(): ReturnType<Models['providers']> {
    return this.#components.models.providers();
  }

  start(): Promise<void> {
    return this.#components.models.start();
  }

  stop(): Promise<void> {
    return this.#components.models.stop();
  }

  #routeOf(name: string): ModelRoute | undefined {
    const { routes } = this.#components.config();
    return Object.hasOwn(routes, name) ? routes[name] : undefined;
  }

  /** Within the caller's minute. @throws STARLING_RATE_LIMITED */
  async #within(
    call: ReadCall,
    principal: Principal,
    ask: () => Promise<ModelAnswer>,
  ): Promise<ModelAnswer> {
    const settle = this.#quotas.take(principal, reckonTokens(call.body.length) + limitIn(call));
    let answer: ModelAnswer;
    try {
      answer = await ask();
    } catch (error) {
      settle(0);
      throw error;
    }
    return followed(answer, () => {
      const used = answer.usage?.();
      if (used !== undefined) settle(used.input + used.output);
    });
  }

  async #kept(
    key: string,
    call: ReadCall,
    route: ModelRoute | undefined,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<ModelAnswer> {
    const found = await this.#cache.find(key, signal);
    if (found !== undefined) {
      const { body, headers, isStream, model } = found;
      const again = {
        isStream,
        headers: { ...headers, 'starling-cache': 'hit' },
        body: once(body),
        usage: () => ({ input: 0, output: 0 }),
      };
      return this.#components.models.replay({ ...call, model }, principal, signal, again);
    }
    const end = this.#cache.begin(key);
    try {
      const answer = await this.#asked(call, route, principal, signal);
      const model = answer.headers['starling-model'] ?? call.model;
      return followed(this.#cache.keep(key, model, answer), end);
    } catch (error) {
      end();
      throw error;
    }
  }

  #asked(
    call: ReadCall,
    route: ModelRoute | undefined,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<ModelAnswer> {
    if (route !== undefined) return this.#routed(call, route, principal, signal);
    return this.#components.models.ask(call, principal, signal);
  }

  /** Asks one after the other, until one answers. @throws what the first of them failed with */
  async #routed(
    call: ReadCall,
    route: ModelRoute,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<ModelAnswer> {
    const conversation = conversationOf(call, route.strategy, keyOf(principal));
    const names = this.#order(call, route, principal, this.#conversations.modelOf(conversation));
    const [first] = route.models;
    // Who may use none of them is refused as for the first, so that the log has the refusal.
    if (names.length === 0) {
      return this.#components.models.ask({ ...call, model: first ?? '' }, principal, signal);
    }
    if (route.strategy === 'escalate' && CHECKED.includes(call.form)) {
      return this.#escalated(call, { names, votes: route.votes }, principal, signal);
    }
    const failures: Failure[] = [];
    for (const name of names) {
      const restMs = this.#breakers.restMs(name, keyOf(principal));
      if (restMs > 0) {
        failures.push({ name, error: resting(name, restMs) });
        continue;
      }
      const trial = this.#breakers.begin(name, keyOf(principal));
      try {
        const answer = await this.#components.models.ask(
          { ...call, model: name },
          principal,
          signal,
        );
        const begun = await withFirstToken(answer, call.form);
        trial.begun();
        this.#conversations.answered(conversation, name);
        return marked(
          followed(begun, (error) => trial.over(error)),
          name,
          failures,
        );
      } catch (error) {
        this.#failed(trial, error, signal);
        failures.push({ name, error });
      }
    }
    throw allFailed(call.model, failures);
  }

  /**
   * Asks the next one where the answer of the one before is not good enough; the last one's is given as it is. Where the last
   * ones fail, what came before is better than nothing. @throws what the first of them failed with
   */
  async #escalated(
    call: ReadCall,
    { names, votes }: { readonly names: readonly string[]; readonly votes: number },
    principal: Principal,
    signal: AbortSignal,
  ): Promise<ModelAnswer> {
    const failures: Failure[] = [];
    const usages: Usage[] = [];
    const doubted: Doubted[] = [];
    for (const name of names) {
      const restMs = this.#breakers.restMs(name, keyOf(principal));
      if (restMs > 0) {
        failures.push({ name, error: resting(name, restMs) });
        continue;
      }
      try {
        const init = { votes: name === names.at(-1) ? 1 : votes, answerBytes: this.#messageBytes };
        const {
          answer,
          doubt,
          usages: took,
          votes: won,
        } = await tryModel(call, init, () =>
          this.#tried({ ...call, model: name }, principal, signal),
        );
        usages.push(...took);
        if (doubt === undefined)
          return escalatedTo({ name, answer, won }, { doubted, failures, usages });
        doubted.push({ name, answer, doubt });
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof StarlingError) || FINAL.has(error.code)) throw error;
        failures.push({ name, error });
      }
    }
    const last = doubted.pop();
    if (last === undefined) throw allFailed(call.model, failures);
    return escalatedTo(last, { doubted, failures, usages });
  }

  /** One call of one model, of which its provider's breaker hears. */
  async #tried(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer> {
    const trial = this.#breakers.begin(call.model, keyOf(principal));
    try {
      const answer = await this.#components.models.ask(call, principal, signal);
      const begun = await withFirstToken(answer, call.form);
      trial.begun();
      return followed(begun, (error) => trial.over(error));
    } catch (error) {
      trial.over(signal.aborted ? new Error('the caller went') : error);
      throw error;
    }
  }

  /** @throws the error, where no other model is to be asked */
  #failed(trial: Trial, error: unknown, signal: AbortSignal): void {
    // A caller that goes says nothing of the provider.
    trial.over(signal.aborted ? new Error('the caller went') : error);
    signal.throwIfAborted();
    if (!(error instanceof StarlingError) || FINAL.has(error.code)) throw error;
  }

  /** `last` has answered the turn before. */
  #order(
    call: ReadCall,
    route: ModelRoute,
    principal: Principal,
    last: string | undefined,
  ): readonly string[] {
    const tokens = { input: reckonTokens(call.body.length), output: limitIn(call) };
    const known = (name: string): AboutModel | undefined => this.about(name, principal);
    const candidates = route.models.flatMap((one) => {
      const about = known(one);
      if (about === undefined) return [];
      const { name, price, tier, knownContextTokens: fits } = about;
      const { firstMs, inFlight } = {
        firstMs: this.#breakers.firstMs(name),
        inFlight: this.#breakers.inFlight(name),
      };
      return [{ name, tier, firstMs, inFlight, cost: worstCost(price, tokens), fits }];
    });
    const fallbacks = route.fallbacks.flatMap((one) => {
      const about = known(one);
      return about === undefined ? [] : [{ name: about.name, fits: about.knownContextTokens }];
    });
    const ordered = inOrder(route.strategy, candidates);
    const chosen = [
      ...ordered.filter(({ name }) => name === last),
      ...ordered.filter(({ name }) => name !== last),
    ];
    return fittingNames([...chosen, ...fallbacks], call, route);
  }
}

/** Who is asked, in that order; an answer that is looked at is asked for of none into which the request does not fit. */
function fittingNames(
  all: readonly { readonly name: string; readonly fits?: number | undefined }[],
  call: ReadCall,
  { strategy }: ModelRoute,
): readonly string[] {
  const least = Math.min(...all.map(({ fits = Infinity }) => fits));
  // Most requests are so short that nobody has to look closely.
  const isShort = reckonTokens(call.body.length) <= least;
  const tokens = isShort ? 0 : reckonTokens(textLengthOf(call.fields));
  const { fitting, others } = fittingFirst(all, tokens);
  const asked = strategy === 'escalate' && fitting.length > 0 ? fitting : [...fitting, ...others];
  return [...new Set(asked.map(({ name }) => name))];
}

/** The same answer; tells once how its body ended. */
function followed(answer: ModelAnswer, end: (error?: unknown) => void): ModelAnswer {
  return { ...answer, body: tellingEnd(answer.body, end) };
}

async function* tellingEnd(
  body: AsyncIterable<Uint8Array>,
  end: (error?: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let error: unknown;
  try {
    yield* body;
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    end(error);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Says which model has answered, and which have not. */
function marked(answer: ModelAnswer, name: string, failures: readonly Failure[]): ModelAnswer {
  const failed = failures.map((one) => headerText(one.name)).join(', ');
  return {
    ...answer,
    headers: {
      ...answer.headers,
      'starling-model': headerText(name),
      ...(failed === '' ? {} : { 'starling-fallback-from': failed.slice(0, 1000) }),
    },
  };
}

/** Says who was asked before, and what was wrong; an answer that was taken for want of a better one says so. */
function escalatedTo(
  { name, answer, doubt, won }: Doubted,
  before: {
    readonly doubted: readonly Doubted[];
    readonly failures: readonly Failure[];
    readonly usages: readonly Usage[];
  },
): ModelAnswer {
  const from = before.doubted
    .map((one) => `${headerText(one.name)} (${one.doubt ?? ''})`)
    .join(', ');
  const usage = sumOf(before.usages);
  const calls = before.usages.length;
  const headers = {
    ...answer.headers,
    ...(from === '' ? {} : { 'starling-escalated-from': from.slice(0, 1000) }),
    ...(calls < 2 ? {} : { 'starling-calls-paid': `${calls}` }),
    ...(doubt === undefined ? {} : { 'starling-doubt': doubt }),
    ...(won === undefined ? {} : { [VOTES]: won }),
  };
  return marked({ ...answer, headers, usage: () => usage }, name, before.failures);
}

function headerText(name: string): string {
  return name.replaceAll(/[^\x21-\x7e]/g, '_');
}

function resting(name: string, restMs: number): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_OVERLOADED',
    `${name} is left alone for another ${Math.ceil(restMs / 1000)} s after it failed`,
    { hint: 'try again then, or name another model', data: { retryAfterMs: restMs } },
  );
}

/** The first failure that is one, with all that was tried; comes back when the first of them can be asked again. */
function allFailed(route: string, failures: readonly Failure[]): StarlingError {
  const real = failures.find(({ error }) => error instanceof StarlingError)?.error;
  const tried = failures.map(({ name, error }) => `${name}: ${messageOf(error)}`).join('; ');
  const waits = failures.flatMap(({ error }) => {
    const wait = error instanceof StarlingError ? error.data['retryAfterMs'] : undefined;
    return typeof wait === 'number' ? [wait] : [];
  });
  const { code = 'STARLING_MODEL_FAILED', hint } = real instanceof StarlingError ? real : {};
  return new StarlingError(code, `no model of '${route}' has answered: ${tried}`.slice(0, 1500), {
    ...(hint === undefined ? {} : { hint }),
    data: waits.length === failures.length ? { retryAfterMs: Math.min(...waits) } : {},
    cause: real,
  });
}
