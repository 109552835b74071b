/**
 * The models that this node can bring to its callers: those of its own providers, and those that peers let it use. Each call
 * is cleared and recorded here, at the node that it enters by, and once more at the node that owns the model.
 */
import { StarlingError, joinSignals, messageOf, printable } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Cost } from '../budget/index.ts';
import { providerView } from '../config/index.ts';
import type { Config, ModelTier, ProviderView } from '../config/index.ts';
import type { Exchanger } from '../gateway/index.ts';
import type { Principal } from '../guard/index.ts';
import { joined, ofUnknownPrice } from './call-notes.ts';
import { CallsUnderWay, followed } from './calls-under-way.ts';
import { clearCall, mayUse } from './clearance.ts';
import type { Cleared, ClearanceComponents } from './clearance.ts';
import { contextTokensOf, knownContextOf } from './context-tokens.ts';
import type { CutPrompts } from './cut-prompts.ts';
import { modelResource, nameText, readModelName, unknownModel } from './names.ts';
import type { ModelName } from './names.ts';
import { priceOf } from './prices/price-table.ts';
import type { KnownPrice } from './prices/price-table.ts';
import type { LimitKey } from './read-call.ts';
import { answerBy } from './providers/answer.ts';
import { createProviders } from './providers/providers.ts';
import type { Providers } from './providers/providers.ts';
import type { Recorder, Recording } from './recording.ts';
import { meteredAs } from './metered-call.ts';
import type { Metered, UsageBook, UsageTotals } from './usage/usage-book.ts';
import type {
  ListFailure,
  ListedModel,
  ModelAnswer,
  ModelForm,
  ModelStats,
  ReadCall,
  Usage,
} from './types.ts';
import { costOfUse, fitted, withinHeld } from './worst-case.ts';
import type { Fitted } from './worst-case.ts';

/** What peers let this node use, and the road to them. */
export interface PeerModels {
  /** Those that peers let this node use. */
  list(signal: AbortSignal): Promise<{
    readonly models: readonly ListedModel[];
    readonly failures: readonly ListFailure[];
  }>;
  /** The name with its peer, where one peer alone has a provider of that name. @throws STARLING_MODEL_UNKNOWN */
  find(name: ModelName): Required<ModelName>;
  /** Has the peer answer. @throws what the peer does, STARLING_PEER_UNREACHABLE, … */
  ask(
    name: Required<ModelName>,
    call: ReadCall,
    principal: Principal,
    init: { readonly signal: AbortSignal; readonly used: (usage: Usage) => void },
  ): Promise<ModelAnswer>;
}

/** What the room works with. */
export interface ModelsComponents extends ClearanceComponents {
  /** Providers as the configuration has them now, their secrets bound. */
  readonly config: () => Config['models'];
  readonly exchanger: Exchanger;
  /** The same providers as others have them; default: its own, of the configuration. */
  readonly providers?: Providers;
  readonly peers?: PeerModels;
  /** Counts what went through. */
  readonly usage: UsageBook;
  /** Hears what calls of this node's own providers took; default: nobody. */
  readonly cutPrompts?: CutPrompts;
  /** Keeps prompts and answers where the operator says so; default: nowhere. */
  readonly transcripts?: Recorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a caller may use. */
export interface ModelList {
  readonly models: readonly ListedModel[];
  readonly failures: readonly ListFailure[];
}

/** A model that may be asked. */
export interface AboutModel {
  /** With its peer, where a peer has it: `@box/gpu/qwen`. */
  readonly name: string;
  readonly tier: ModelTier;
  readonly price: KnownPrice;
  /** How many tokens fit into it; of one of which nobody says that, as little as can be meant. */
  readonly contextTokens: number;
  /** The same, where somebody has said it, or its name does. */
  readonly knownContextTokens: number | undefined;
}

/** The models of a node. */
export interface Models {
  /** The models that `principal` may use; of its own and of peers. */
  list(principal: Principal, signal: AbortSignal): Promise<ModelList>;
  /** The models of this node's own providers that `principal` may use. */
  own(principal: Principal, signal: AbortSignal): Promise<ModelList>;
  /**
   * Has a model answer. The body of the answer must be read, to its end or by giving up; `signal` cancels the call
   * down to the provider.
   * @throws STARLING_MODEL_…, STARLING_CALL_REFUSED, STARLING_RATE_LIMITED, STARLING_TIMEOUT, STARLING_PEER_UNREACHABLE
   */
  ask(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer>;
  /**
   * Gives an answer again that was kept of an earlier call: cleared, recorded and counted like a call, and paid by nobody.
   * @throws STARLING_CALL_REFUSED, STARLING_RATE_LIMITED
   */
  replay(
    call: ReadCall,
    principal: Principal,
    signal: AbortSignal,
    kept: ModelAnswer,
  ): Promise<ModelAnswer>;
  /** What is known of a model before it is asked; undefined where `principal` may not use it, or nobody has it. */
  about(name: string, principal: Principal): AboutModel | undefined;
  /** The same for a model of this node's own alone: peers of peers are not asked. */
  askOwn(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer>;
  /** Counts how good an answer of a model was, 0 to 1, to which `principal` was the caller. */
  grade(model: string, principal: Principal, score: number): void;
  /** What went through since counts are kept. */
  stats(): readonly ModelStats[];
  /** The same in all since the start of the node. */
  totals(): UsageTotals;
  /**
   * Asks a provider of this node for its models, now and at its address.
   * @throws STARLING_MODEL_UNKNOWN where there is no such provider, and what the provider throws
   */
  probe(provider: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Providers of this node by name, and why one can't be used. */
  providers(): readonly ProviderView[];
  /** Reads the counts of earlier runs. */
  start(): Promise<void>;
  /** Ends what runs. */
  stop(): Promise<void>;
}

/** Makes the room. `messageBytes` bounds an answer that is not streamed. */
export function createModels(
  components: ModelsComponents,
  init: { readonly messageBytes: number },
): Models {
  return new NodeModels(components, init.messageBytes);
}

class NodeModels implements Models {
  readonly #components: ModelsComponents;
  readonly #messageBytes: number;
  #life = new AbortController();
  readonly #providers: Providers;
  readonly #under = new CallsUnderWay();

  constructor(components: ModelsComponents, messageBytes: number) {
    this.#components = components;
    this.#messageBytes = messageBytes;
    this.#providers = components.providers ?? createProviders(components);
  }

  async list(principal: Principal, signal: AbortSignal): Promise<ModelList> {
    const { peers } = this.#components;
    const own = await this.own(principal, signal);
    if (peers === undefined) return own;
    const theirs = await peers.list(signal);
    const allowed = theirs.models.filter(({ name }) => this.#mayUse(principal, name));
    return {
      models: [...own.models, ...allowed],
      failures: [...own.failures, ...theirs.failures],
    };
  }

  async own(principal: Principal, signal: AbortSignal): Promise<ModelList> {
    const models: ListedModel[] = [];
    const failures: ListFailure[] = [];
    const all = [...this.#providers().values()];
    const lists = await Promise.allSettled(all.map((provider) => provider.models(signal)));
    signal.throwIfAborted();
    for (const [at, provider] of all.entries()) {
      const listed = lists[at];
      if (listed?.status === 'fulfilled') {
        for (const model of listed.value) {
          const name = `${provider.name}/${model}`;
          if (!this.#mayUse(principal, name)) continue;
          const { contextTokens, parameters } = provider.sizeOf(model);
          models.push({
            name,
            ...(parameters === undefined ? {} : { parameters }),
            ...(contextTokens === undefined ? {} : { contextTokens }),
          });
        }
      } else if (this.#mayUse(principal, `${provider.name}/any`)) {
        failures.push({ from: provider.name, error: messageOf(listed?.reason) });
      }
    }
    return { models, failures };
  }

  async ask(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer> {
    const { peers, self } = this.#components;
    const name = readModelName(call.model);
    const isOwn = name.peer === self || (name.peer === undefined && this.#has(name.provider));
    if (isOwn || peers === undefined) return this.askOwn(call, principal, signal);
    const found = await this.#foundAt(peers, name, principal);
    return this.#run(call, { principal, signal, name: found }, (metered, until, sent) =>
      peers.ask(found, sent, principal, { signal: until, used: metered.used.bind(metered) }),
    );
  }

  async replay(
    call: ReadCall,
    principal: Principal,
    signal: AbortSignal,
    kept: ModelAnswer,
  ): Promise<ModelAnswer> {
    const name = this.#resolved(call.model);
    return this.#run(call, { principal, signal, name, isFree: true }, async (metered) => {
      metered.hit();
      return kept;
    });
  }

  about(text: string, principal: Principal): AboutModel | undefined {
    try {
      const resolved = this.#resolved(text);
      const resource = modelResource(resolved);
      if (!mayUse(this.#components, principal, resource)) return undefined;
      const { peer, provider, model } = resolved;
      if (peer === undefined && this.#providers().get(provider)?.offers(model) !== true) {
        return undefined;
      }
      return {
        name: nameText(resolved),
        price: this.#priceOf(resolved),
        ...this.#contextOf(resolved),
      };
    } catch (error) {
      if (error instanceof StarlingError) return undefined;
      throw error;
    }
  }

  /** How far the model is, and how many tokens fit into it. */
  #contextOf(name: ModelName): Pick<AboutModel, 'tier' | 'contextTokens' | 'knownContextTokens'> {
    const { peer, provider, model } = name;
    const { contexts, providers } = this.#components.config();
    const own = providers[provider]?.tier ?? 'central';
    const tier = peer === undefined ? own : 'regional';
    const listed =
      peer === undefined ? this.#providers().get(provider)?.sizeOf(model).runsWith : undefined;
    return {
      tier,
      contextTokens: contextTokensOf(nameText(name), contexts, listed, tier),
      knownContextTokens: knownContextOf(nameText(name), contexts, listed),
    };
  }

  /** By which name the provider of a model takes the limit of a request that has none. */
  #limitKey({ peer, provider }: ModelName, form: ModelForm): LimitKey {
    if (form === 'responses') return 'max_output_tokens';
    const isOpenAi = peer === undefined && this.#providers().get(provider)?.isOpenAi === true;
    return isOpenAi ? 'max_completion_tokens' : 'max_tokens';
  }

  /** Whoever runs a model on a machine of its own pays nobody. */
  #priceOf(name: ModelName): KnownPrice {
    const { providers, prices } = this.#components.config();
    const isOwn = name.peer === undefined && providers[name.provider]?.tier === 'edge';
    return priceOf(nameText(name), prices, isOwn);
  }

  /** The model that a name means. @throws STARLING_MODEL_UNKNOWN */
  #resolved(text: string): ModelName {
    const { peers, self } = this.#components;
    const { peer, provider, model } = readModelName(text);
    if (peer === self || (peer === undefined && this.#has(provider))) return { provider, model };
    const name = { ...(peer === undefined ? {} : { peer }), provider, model };
    return peers === undefined ? name : peers.find(name);
  }

  /** Who may not use a model is refused before being told whether there is one. @throws STARLING_MODEL_UNKNOWN */
  async #foundAt(
    peers: PeerModels,
    name: ModelName,
    principal: Principal,
  ): Promise<Required<ModelName>> {
    try {
      return peers.find(name);
    } catch (error) {
      const cleared = await clearCall(this.#components, { principal }, modelResource(name));
      cleared.over('failed', 'STARLING_MODEL_UNKNOWN');
      throw error;
    }
  }

  askOwn(call: ReadCall, principal: Principal, signal: AbortSignal): Promise<ModelAnswer> {
    const { clock } = this.#components;
    const { provider: of, model } = readModelName(call.model);
    return this.#run(
      call,
      { principal, signal, name: { provider: of, model } },
      async (metered, until, sent) => {
        const provider = this.#providers().get(of);
        if (provider === undefined)
          throw unknownModel(call.model, `this node has no provider '${of}'`);
        if (!provider.offers(model)) throw unknownModel(call.model, 'this node does not offer it');
        let told: Usage | undefined;
        const made = await answerBy(provider, sent, {
          model,
          signal: until,
          messageBytes: this.#messageBytes,
          clock,
          used: (usage) => {
            told = usage;
            metered.used(usage);
            this.#components.cutPrompts?.(provider, model, sent, usage);
          },
        });
        return { ...made, usage: () => told };
      },
    );
  }

  grade(model: string, principal: Principal, score: number): void {
    const name = this.about(model, principal)?.name ?? model;
    this.#components.usage.found(name, principal, { what: 'grade', score });
  }

  stats(): readonly ModelStats[] {
    return this.#components.usage.rows();
  }

  totals(): UsageTotals {
    return this.#components.usage.totals();
  }

  async probe(name: string, signal: AbortSignal): Promise<readonly string[]> {
    const provider = this.#providers().get(name);
    if (provider === undefined) {
      throw new StarlingError(
        'STARLING_MODEL_UNKNOWN',
        `this node has no provider '${printable(name, 80)}' of models`,
        { hint: 'see which there are: starling model list' },
      );
    }
    return provider.probe(signal);
  }

  start(): Promise<void> {
    if (this.#life.signal.aborted) this.#life = new AbortController();
    return this.#components.usage.load();
  }

  providers(): readonly ProviderView[] {
    return Object.entries(this.#components.config().providers).map(([name, provider]) =>
      providerView(name, provider),
    );
  }

  async stop(): Promise<void> {
    const { clock, exchanger, usage } = this.#components;
    const stopped = new StarlingError('STARLING_STOPPED', 'the node is stopping');
    this.#life.abort(stopped);
    exchanger.close();
    // What is held for them must be settled while the budgets still write.
    await this.#under.stop(clock, stopped);
    await usage.stop();
  }

  /** One call from its clearance to its end. */
  async #run(
    call: ReadCall,
    { principal, signal, name, isFree }: RunInit,
    answer: (metered: Metered, until: AbortSignal, call: ReadCall) => Promise<ModelAnswer>,
  ): Promise<ModelAnswer> {
    const under = this.#under.begin();
    const { signal: until, clear } = joinSignals(signal, this.#life.signal);
    let end: ((error?: unknown) => void) | undefined;
    try {
      const resource = modelResource(name);
      const price = this.#priceOf(name);
      let sent: Fitted = { call, worst: {}, headers: {} };
      const costAtMost = (room: Cost): Cost | undefined => {
        if (isFree === true) return undefined;
        sent = this.#fitted(call, name, price, room);
        return sent.worst;
      };
      const { asker, budgets } = call;
      const caller = { principal, asker };
      const cleared = await clearCall(
        this.#components,
        caller,
        resource,
        costAtMost,
        budgets,
      ).catch((error: unknown) => {
        throw price.source === 'unknown' ? ofUnknownPrice(error, nameText(name)) : error;
      });
      const counted = this.#components.usage.start(nameText(name), principal, call.task);
      const { metered, told } = meteredAs(counted, price, (paid) =>
        name.peer === undefined ? paid : Math.min(paid, sent.worst.usd ?? 0),
      );
      const recording = this.#recordingOf(name, cleared, sent.call, call.task);
      let isSent = false;
      const costIn = (error: unknown): Cost | undefined => {
        if (!isSent) return { tokens: 0, calls: 0, usd: 0 };
        const cost = costOfUse(told(), price, error);
        return name.peer === undefined ? cost : withinHeld(cost, sent.worst);
      };
      end = under.ending((error) => {
        clear();
        const ending: Pick<Cleared, 'over'> = {
          over(outcome, reason) {
            recording?.over(outcome, reason);
            cleared.over(outcome, reason, costIn(error));
          },
        };
        this.#over(ending, metered, until, error);
      });
      until.throwIfAborted();
      isSent = true;
      const made = await answer(metered, until, sent.call);
      const headers = joined(joined(made.headers, sent.headers), recording?.headers ?? {});
      return {
        ...made,
        headers,
        body: followed(recording?.of(made) ?? made.body, () => metered.begun(), end),
        found: (finding) => counted.found(finding),
      };
    } catch (error) {
      clear();
      if (end === undefined) under.leave();
      else end(error);
      throw error;
    }
  }

  #recordingOf(
    name: ModelName,
    { kept }: Pick<Cleared, 'kept'>,
    sent: ReadCall,
    task: string | undefined,
  ): Recording | undefined {
    const call = task === undefined ? sent : { ...sent, task };
    return this.#components.transcripts?.begin({ model: nameText(name), kept }, call);
  }

  /** As the room pays for it; where that is in dollars and nobody knows the price, the answer says so. */
  #fitted(call: ReadCall, name: ModelName, price: KnownPrice, room: Cost): Fitted {
    const limitKey = this.#limitKey(name, call.form);
    const contextTokens = this.#contextOf(name).knownContextTokens;
    const fit = fitted(call, { price, limitKey, contextTokens }, room);
    const isGuess = price.source === 'unknown' && room.usd !== undefined;
    const said = isGuess ? { 'starling-estimated': 'price' } : {};
    return { ...fit, headers: joined(fit.headers, said) };
  }

  #over(
    cleared: Pick<Cleared, 'over'>,
    metered: Metered,
    signal: AbortSignal,
    error: unknown,
  ): void {
    metered.over(error !== undefined);
    if (error === undefined) return cleared.over('ok');
    if (signal.aborted) return cleared.over('cancelled');
    const code = error instanceof StarlingError ? error.code : 'the call failed';
    return cleared.over(code === 'STARLING_TIMEOUT' ? 'timeout' : 'failed', code);
  }

  #mayUse(principal: Principal, name: string): boolean {
    return mayUse(this.#components, principal, modelResource(readModelName(name)));
  }

  #has(provider: string): boolean {
    return this.#providers().has(provider);
  }
}

/** Whose call it is, of which model, and what ends it. */
interface RunInit {
  readonly principal: Principal;
  readonly signal: AbortSignal;
  readonly name: ModelName;
  /** Nobody is asked, so that nobody pays. */
  readonly isFree?: true;
}
