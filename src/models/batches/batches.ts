/**
 * Batches of a node: written down before anything leaves, sent once whatever happens meanwhile, looked at now and then, and
 * settled by what each answer took. Only a provider of this node has them, and only one whose vendor does.
 */
import { randomBytes } from 'node:crypto';
import {
  StarlingError,
  idOf,
  meantById,
  messageOf,
  noSuchId,
  printable,
} from '../../core/index.ts';
import type { JsonObject, Logger, Startable } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import type { Config } from '../../config/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import { clearCall, mayUse, takeUpCall } from '../clearance.ts';
import type { Cleared, ClearanceComponents } from '../clearance.ts';
import { modelResource, nameText, readModelName, unknownModel } from '../names.ts';
import type { ModelName } from '../names.ts';
import { knownContextOf } from '../context-tokens.ts';
import { batchPriceOf, priceOf } from '../prices/price-table.ts';
import type { KnownPrice } from '../prices/price-table.ts';
import type { Provider } from '../providers/provider.ts';
import type { Providers } from '../providers/providers.ts';
import { reckonTokens } from '../providers/token-estimate.ts';
import type { LimitKey } from '../read-call.ts';
import type { Quotas } from '../routing/quotas.ts';
import type { UsageBook } from '../usage/usage-book.ts';
import { BatchRows, readAnswer } from './batch-rows.ts';
import type { BatchRow } from './batch-rows.ts';
import { closedBatch, isOver, notYet, viewOf } from './batch-view.ts';
import { CareOfBatches } from './care.ts';
import { KEPT_MAX, OPEN_MAX, OPEN_OF_ONE_MAX, PAGE_SHARE, ROWS_AT_ONCE } from './limits.ts';
import type { AskedModel } from '../worst-case.ts';
import { othersFirst } from './others-first.ts';
import { fittedBatch, readRequests } from './read-requests.ts';
import type { BatchRequest, FittedBatch } from './read-requests.ts';
import { planOfRequest } from './read-result.ts';
import type { BatchAnswer, BatchListResult, BatchResult, BatchView } from '../types.ts';
import { noBatches } from './vendors.ts';

/** What batches work with. */
export interface BatchesComponents extends ClearanceComponents {
  readonly config: () => Config['models'];
  readonly providers: Providers;
  readonly quotas: Quotas;
  readonly usage: Pick<UsageBook, 'start'>;
  readonly table: Table;
  readonly logger: Logger;
}

/** A new batch. */
export interface BatchInit {
  /** `<provider>/<model>`. */
  readonly model: string;
  /** A request each: `custom_id`, and `body` (OpenAI) or `params` (Anthropic). */
  readonly requests: readonly JsonObject[];
  readonly task?: string | undefined;
  /** Ids of budgets that it counts against besides those of the caller. */
  readonly budgets?: readonly string[] | undefined;
}

/** The batches of a node. */
export interface Batches extends Startable {
  /**
   * Has the vendor take a batch; resolves when the vendor has, or when nobody knows whether it has: the node finds out then.
   * @throws STARLING_USAGE, STARLING_MODEL_…, STARLING_CALL_REFUSED, STARLING_BUDGET_EXHAUSTED, STARLING_RATE_LIMITED, STARLING_LIMIT_EXCEEDED
   */
  submit(init: BatchInit, principal: Principal): Promise<BatchView>;
  /** Those of `principal`, the newest first; the operator sees all. */
  list(principal: Principal): BatchListResult;
  /**
   * Answers from the number `from` on, to whoever has submitted the batch and nobody else, or to the operator where that one is gone. The vendor is asked whether one is
   * over that was not, the last time.
   * @throws STARLING_BATCH_UNKNOWN, STARLING_BATCH_REFUSED for one that is not over
   */
  result(id: string, from: number, principal: Principal): Promise<BatchResult>;
  /**
   * Has the vendor stop it: what was answered until then is there, and paid. One that is over is forgotten with its answers,
   * where `forget` says so. @throws STARLING_BATCH_UNKNOWN, STARLING_BATCH_REFUSED
   */
  cancel(id: string, forget: boolean, principal: Principal): Promise<BatchView>;
  /**
   * The name of `key` (`client:editor`) is given up: its batches go on, and are the operator's. @throws STARLING_STATE_UNUSABLE
   */
  disown(key: string): Promise<void>;
}

/** Makes the batches; `messageBytes` bounds a page of answers. */
export function createBatches(
  components: BatchesComponents,
  init: { readonly messageBytes: number },
): Batches {
  return new NodeBatches(components, init.messageBytes);
}

const NOTHING: Cost = { tokens: 0, calls: 0, usd: 0 };

/** Where a batch is to go. */
interface Target {
  readonly provider: Provider;
  readonly name: ModelName;
  readonly resource: string;
}

class NodeBatches implements Batches {
  readonly #components: BatchesComponents;
  readonly #pageBytes: number;
  readonly #rows: BatchRows;
  readonly #care: CareOfBatches;
  /** Batches that are being submitted, by caller. */
  readonly #coming: string[] = [];

  constructor(components: BatchesComponents, messageBytes: number) {
    this.#components = components;
    this.#pageBytes = Math.floor(messageBytes / PAGE_SHARE);
    this.#rows = new BatchRows(components.table, components.logger);
    this.#care = new CareOfBatches({ ...components, rows: this.#rows }, this.#pageBytes);
  }

  async start(): Promise<void> {
    const rows = await this.#rows.load();
    this.#care.begin();
    for (const row of rows) {
      const { by, kept } = row;
      const cleared = kept === undefined ? undefined : await takeUpCall(this.#components, by, kept);
      await this.#care.takeUp(row, cleared);
    }
  }

  async stop(): Promise<void> {
    await this.#care.stop();
  }

  async submit(init: BatchInit, principal: Principal): Promise<BatchView> {
    const target = await this.#targetOf(init.model, principal);
    // Who has too many is told so before thousands of requests are read.
    const leave = this.#enter(principal);
    try {
      const { name } = target;
      const requests = await this.#read(init.requests, target);
      const price = batchPriceOf(this.#priceOf(name));
      const asked = { ...init, requests };
      const { cleared, fit } = await this.#cleared(asked, target, price, principal);
      const { clock } = this.#components;
      const row = rowOf(init, { name, price, principal, cleared, fit, at: clock.now() });
      await this.#keep(row, fit, cleared);
      return viewOf(await this.#care.send(row, cleared));
    } finally {
      leave();
    }
  }

  list(principal: Principal): BatchListResult {
    const rows = this.#care.rows().filter((row) => sees(principal, row));
    return { batches: rows.toSorted((one, other) => other.createdAt - one.createdAt).map(viewOf) };
  }

  async result(id: string, from: number, principal: Principal): Promise<BatchResult> {
    const found = this.#find(id, principal, (one) => owns(principal, one));
    const row = isOver(found) ? found : await this.#care.lookNow(found.id);
    if (!isOver(row)) throw notYet(row);
    const answers: BatchAnswer[] = [];
    let sizeBytes = 0;
    for (let at = from; at < row.requests; at += 1) {
      const bytes = await this.#rows.answer(row.id, at);
      sizeBytes += bytes?.length ?? 0;
      if (sizeBytes > this.#pageBytes && answers.length > 0) {
        return { batch: viewOf(row), answers, next: at };
      }
      const answer = bytes === undefined ? undefined : readAnswer(bytes);
      if (answer !== undefined) answers.push(answer);
    }
    return { batch: viewOf(row), answers };
  }

  async cancel(id: string, forget: boolean, principal: Principal): Promise<BatchView> {
    const row = this.#find(id, principal, (one) => sees(principal, one));
    if (!isOver(row)) return viewOf(await this.#care.cancel(row.id));
    if (!forget) throw closedBatch(row);
    if (!owns(principal, row)) throw noBatch(id, 'none');
    await this.#care.forget(row.id);
    return viewOf(row);
  }

  disown(key: string): Promise<void> {
    return this.#care.disown(key);
  }

  /** Whoever may not use the model is refused before being told whether there is one. */
  async #targetOf(model: string, principal: Principal): Promise<Target> {
    const { config, providers, self } = this.#components;
    if (Object.hasOwn(config().routes, model)) {
      throw unsupported(
        `a batch goes to one model, and '${model}' is a route of several`,
        `name one of them: ${(config().routes[model]?.models ?? []).join(', ')}`,
      );
    }
    const read = readModelName(model);
    const isOwn = read.peer === undefined || read.peer === self;
    const name = isOwn ? { provider: read.provider, model: read.model } : read;
    const resource = modelResource(name);
    if (!mayUse(this.#components, principal, resource)) {
      const cleared = await clearCall(this.#components, { principal }, resource);
      cleared.over('failed', 'STARLING_MODEL_UNKNOWN');
    }
    const provider = isOwn ? providers().get(name.provider) : undefined;
    if (provider === undefined) {
      const here = [...providers().keys()].join(', ') || 'none';
      const text = `'${printable(model, 300)}' is no model of this node's own providers, and a batch goes to nobody else`;
      const hint = `submit the batch at the node that has the model; providers here: ${here}`;
      // One without a peer's name may be one that the configuration is about to have.
      if (!isOwn) throw unsupported(text, hint);
      throw new StarlingError('STARLING_MODEL_UNKNOWN', text, { hint });
    }
    if (!provider.offers(name.model)) throw unknownModel(model, 'this node does not offer it');
    if (provider.api === 'google') throw noBatches(provider);
    return { provider, name, resource };
  }

  /** Each can be said to the provider. @throws STARLING_USAGE, STARLING_MODEL_UNSUPPORTED */
  async #read(
    given: readonly JsonObject[],
    { name, provider }: Target,
  ): Promise<readonly BatchRequest[]> {
    const requests = await readRequests(given, name);
    const { clock } = this.#components;
    for (const [at, { call }] of requests.entries()) {
      if (at % ROWS_AT_ONCE === 0) await othersFirst();
      const { form, fields: body } = call;
      const { model } = name;
      planOfRequest({ provider, model, form, clock, answerBytes: this.#pageBytes }, { body });
    }
    return requests;
  }

  #priceOf(name: ModelName): KnownPrice {
    const { prices, providers } = this.#components.config();
    return priceOf(nameText(name), prices, providers[name.provider]?.tier === 'edge');
  }

  /** @throws STARLING_LIMIT_EXCEEDED */
  #enter(principal: Principal): () => void {
    const who = keyOf(principal);
    const rows = this.#care.rows();
    const open = rows.filter((row) => !isOver(row));
    const own = [...open.map(({ by }) => keyOf(by)), ...this.#coming].filter((by) => by === who);
    if (own.length >= OPEN_OF_ONE_MAX || open.length + this.#coming.length >= OPEN_MAX) {
      throw tooMany('too many batches are under way', 'wait until one is over');
    }
    if (rows.length + this.#coming.length >= KEPT_MAX) {
      const hint = 'forget one whose answers you have: starling llm batch cancel <id> --forget';
      throw tooMany(`the answers of ${KEPT_MAX} batches are kept`, hint);
    }
    this.#coming.push(who);
    return () => this.#coming.splice(this.#coming.indexOf(who), 1);
  }

  async #cleared(
    { budgets, requests }: Pick<BatchInit, 'budgets'> & { requests: readonly BatchRequest[] },
    { name, provider, resource }: Target,
    price: KnownPrice,
    principal: Principal,
  ): Promise<{ readonly cleared: Cleared; readonly fit: FittedBatch }> {
    const { contexts } = this.#components.config();
    const listed = provider.sizeOf(name.model).runsWith;
    const asked: AskedModel = {
      price,
      limitKey: limitKeyOf(provider, requests),
      contextTokens: knownContextOf(nameText(name), contexts, listed),
    };
    let fit: FittedBatch | undefined;
    const tokens = requests.reduce((sum, { call }) => sum + reckonTokens(call.body.length), 0);
    const settle = this.#components.quotas.take(principal, tokens);
    try {
      // One request leaves; what is in it, the vendor counts by itself.
      provider.allowance.take(0);
      const cleared = await clearCall(
        this.#components,
        { principal },
        resource,
        async (room) => {
          fit = await fittedBatch(requests, asked, room);
          return fit.worst;
        },
        budgets,
      );
      return { cleared, fit: fit ?? (await fittedBatch(requests, asked, {})) };
    } catch (error) {
      settle(0);
      throw error;
    }
  }

  /** @throws STARLING_STATE_UNUSABLE; then nothing has left */
  async #keep(row: BatchRow, { requests }: FittedBatch, cleared: Cleared): Promise<void> {
    try {
      await this.#rows.add(
        row,
        requests.map(({ call, customId, worst }) => ({ customId, worst, body: call.fields })),
      );
    } catch (error) {
      const code = error instanceof StarlingError ? error.code : messageOf(error);
      cleared.over('failed', code, NOTHING);
      throw error;
    }
  }

  /** @throws STARLING_BATCH_UNKNOWN, also for one of somebody else */
  #find(id: string, principal: Principal, isMeant: (row: BatchRow) => boolean): BatchRow {
    const rows = this.#care.rows().filter((row) => sees(principal, row) && isMeant(row));
    const meant = meantById(id, rows, (row) => row.id);
    if ('found' in meant) return meant.found;
    throw noBatch(id, meant.why);
  }
}

function rowOf(
  { task }: BatchInit,
  {
    name,
    price,
    principal,
    cleared,
    fit,
    at,
  }: {
    readonly name: ModelName;
    readonly price: KnownPrice;
    readonly principal: Principal;
    readonly cleared: Cleared;
    readonly fit: FittedBatch;
    readonly at: number;
  },
): BatchRow {
  const { added, requests } = fit;
  return {
    id: idOf(randomBytes(12)),
    model: name.model,
    provider: name.provider,
    form: requests[0]?.call.form ?? 'chat',
    by: principal,
    ...(task === undefined ? {} : { task }),
    requests: requests.length,
    createdAt: at,
    price,
    ...(added === undefined ? {} : { added }),
    step: 'held',
    kept: cleared.kept,
  };
}

/** By which name the provider takes the limit of a request that has none. */
function limitKeyOf({ isOpenAi }: Provider, [first]: readonly BatchRequest[]): LimitKey {
  if (first?.call.form === 'responses') return 'max_output_tokens';
  return isOpenAi ? 'max_completion_tokens' : 'max_tokens';
}

function owns(principal: Principal, { by, isLeft }: BatchRow): boolean {
  if (isLeft === true) return principal.kind === 'operator';
  return keyOf(principal) === keyOf(by);
}

function sees(principal: Principal, row: BatchRow): boolean {
  return principal.kind === 'operator' || owns(principal, row);
}

function noBatch(id: string, why: 'none' | 'short' | 'several'): StarlingError {
  return new StarlingError('STARLING_BATCH_UNKNOWN', noSuchId(id, why, 'batch'), {
    hint: 'see which there are: starling llm batch list',
  });
}

function tooMany(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', what, { hint });
}

function unsupported(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_MODEL_UNSUPPORTED', what, { hint });
}
